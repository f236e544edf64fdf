// The session in Markdown, as the Temporal UI shows it under "Current Details": rules, how far each open
// match has come, with which events, and until when. (The UI renders tables, not diagrams.)

import type { OpenMatch } from '../automaton/operator.js';
import { counted } from '../counted.js';
import type { CepEvent, EventData } from '../event.js';
import type { RuleView } from '../rules/session.js';
import { formatDuration, formatTimestamp, readableTimestamp, type Timestamp } from '../time.js';
import type { SessionState } from './session.js';

/** Fields that tell people which event is meant, most telling first. */
const TELLING_FIELDS = ['eventType', 'type', 'productId', 'orderId', 'price'];

/** A session's state as Markdown. */
export function detailsOf(state: SessionState): string {
  const { journey, key, watermark, rules, counts, paused, handedOver = [] } = state;
  const { events, alerts, repeats, late, refused } = counts;
  const asides = [
    repeats > 0 ? `${counted(repeats, 'repeat')} dropped` : '',
    late > 0 ? `${late} late` : '',
    refused > 0 ? `**${refused} refused for want of room**` : '',
  ].filter(Boolean);
  return [
    `**${escapeMarkdown(journey)}** for **${escapeMarkdown(key)}**: ${counted(events, 'event')}, ${counted(alerts, 'alert')}${asides.map((text) => `, ${text}`).join('')}.`,
    `Event time has reached ${readableTimestamp(watermark)}.`,
    '',
    ...(paused
      ? [
          `**PAUSED since ${readableTimestamp(paused.at)} by ${escapeMarkdown(paused.author)}: ${escapeMarkdown(paused.reason)}.** What comes waits; nothing matches and no window ends.`,
          '',
        ]
      : []),
    ...(handedOver.length > 0
      ? [
          `**Handed over, and not in force yet**: what a backtest left open of ${handedOver.map(escapeMarkdown).join(', ')}.`,
          '',
        ]
      : []),
    // What is open is what people have come for.
    ...[...rules]
      .sort((a, b) => Number(b.openCount > 0) - Number(a.openCount > 0))
      .flatMap((rule) => ruleSection(rule, watermark)),
  ].join('\n');
}

function ruleSection(rule: RuleView, watermark: Timestamp): string[] {
  const { matches, timeouts, errors, dropped } = rule.counts;
  const sofar = [
    counted(matches, 'match', 'matches'),
    counted(timeouts, 'timeout'),
    ...(errors > 0 ? [counted(errors, 'condition error')] : []),
    ...(dropped > 0 ? [`**${counted(dropped, 'partial match', 'partial matches')} dropped**`] : []),
  ].join(', ');
  const lines = [
    `### ${escapeMarkdown(rule.rule)}${rule.version > 1 ? `, version ${rule.version}` : ''}`,
  ];
  if (rule.isShadow)
    lines.push('**In the shadow**: what it finds is recorded and sets nothing off.', '');
  if (rule.isRetiring) lines.push('**Replaced**: it ends what it has open and begins nothing.', '');
  if (rule.description) lines.push(`*${escapeMarkdown(rule.description)}*`, '');
  lines.push(`So far ${sofar}.`);
  if (rule.lastError) lines.push(`Last error: ${escapeMarkdown(rule.lastError)}`);
  if (rule.openCount === 0) return [...lines, 'Nothing open.', ''];
  const more = rule.openCount - rule.open.length;
  return [
    ...lines,
    '',
    '| next | has taken | ends |',
    '|---|---|---|',
    ...rule.open.map((match) => openRow(match, watermark)),
    ...(more > 0 ? [`| | and ${more} more | |`] : []),
    '',
  ];
}

function openRow({ stage, events, deadline }: OpenMatch, watermark: Timestamp): string {
  const taken = Object.entries(events)
    .map(([name, list]) => `**${escapeMarkdown(name)}**: ${list.map(describe).join('; ')}`)
    .join('<br>');
  const ends =
    deadline === null
      ? 'no window'
      : `${readableTimestamp(deadline)}, in ${formatDuration(deadline - watermark)} of event time`;
  return `| ${escapeMarkdown(stage)} | ${taken} | ${ends} |`;
}

function describe({ data, timestamp }: CepEvent): string {
  const fields = TELLING_FIELDS.map((field) => (data as EventData)[field]).filter(
    (value) => value !== undefined && value !== null,
  );
  const time = formatTimestamp(timestamp).slice(11, 19);
  return `${escapeMarkdown(fields.map(String).join(', '))} at ${time}`;
}

/** Keeps a customer's text from becoming markup, or a row of its own. */
function escapeMarkdown(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_{}[\]<>()#+!|~]/g, (character) => `\\${character}`);
}
