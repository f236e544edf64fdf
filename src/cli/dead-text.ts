// What `temporal-cep dead` says for people.

import type { EffectRecord } from '../effects/ledger.js';
import { coordinates } from '../event.js';
import type { ParkedSession } from '../ingest/parked.js';
import type { Reject } from '../ingest/rejects.js';
import type { Alert } from '../rules/rule.js';
import { readableTimestamp, type Timestamp } from '../time.js';
import { table } from './terminal.js';

const CELL_LENGTH_MAX = 60;

/** Null where there is none. */
export function deadText(effects: readonly EffectRecord[]): string | null {
  if (effects.length === 0) return null;
  return table(
    ['id', 'rule', 'channel', 'user', 'dead since', 'tries', 'reason'],
    effects.map(({ id, rule, channel, userId, endedAt, attempts, reason, detail }) => [
      id,
      rule,
      channel,
      short(userId ?? ''),
      timeOf(endedAt),
      attempts,
      detail === null ? (reason ?? '') : `${reason}: ${short(detail)}`,
    ]),
  );
}

/** Null where there is none. */
export function deadLettersText(letters: readonly Reject[]): string | null {
  if (letters.length === 0) return null;
  return table(
    ['source', 'partition', 'offset', 'reason', 'message'],
    letters.map(({ source, partition, offset, reason, message }) => [
      source,
      partition,
      offset,
      reason,
      short(message),
    ]),
  );
}

/** Everything of one dead letter. */
export function deadLetterText(letter: Reject): string {
  const { reason, message, journey = null, retried, record } = letter;
  return [
    ...factsOf(coordinates(letter), [
      ['reason', reason],
      ['message', message],
      ['journey', journey],
      ['retried', retried === undefined ? null : String(retried)],
    ]),
    '',
    typeof record === 'string' ? `Record\n  ${record}` : `Record\n${json(record)}`,
  ].join('\n');
}

/** A parked session, and what is kept for it. */
export function parkedSessionText(
  { journey, key, parkedAt, reason }: ParkedSession,
  events: readonly Reject[],
): string {
  const shown = events.map((event) => `  ${coordinates(event)}  ${JSON.stringify(event.record)}`);
  return [
    ...factsOf(`${journey}/${key}`, [
      ['state', 'parked'],
      ['since', timeOf(parkedAt)],
      ['reason', reason],
    ]),
    '',
    shown.length === 0 ? 'Nothing is kept for it' : ['Kept for it', ...shown].join('\n'),
  ].join('\n');
}

/** Everything of one effect. */
export function effectText(effect: EffectRecord, alert: Alert | null): string {
  const { handled, workflowId, runId } = effect;
  const facts: [string, string | null][] = [
    ['state', effect.isDiscarded ? `${effect.state}, discarded` : effect.state],
    ['reason', effect.reason],
    ['detail', effect.detail],
    ['tries', String(effect.attempts)],
    ['may have arrived', effect.mayHaveArrived ? 'yes' : null],
    ['dry run', effect.isDryRun ? 'yes' : null],
    ['effect', effect.effect],
    ['channel', effect.channel],
    ['user', effect.userId],
    ['rule', `${effect.rule}, version ${effect.ruleVersion}`],
    ['journey', effect.journey],
    ['key', effect.key],
    ['goal', effect.goal],
    ['matched', timeOf(effect.matchedAt)],
    ['planned', timeOf(effect.plannedAt)],
    ['held until', timeOf(effect.heldUntil)],
    ['decided', timeOf(effect.decidedAt)],
    ['ended', timeOf(effect.endedAt)],
    ['workflow', workflowId === '' ? null : `${workflowId} (first run ${runId})`],
    [
      'handled',
      handled &&
        `${timeOf(handled.at)} by ${handled.author}${handled.reason === null ? '' : `: ${handled.reason}`}`,
    ],
  ];
  return [
    ...factsOf(effect.id, facts),
    '',
    effect.answer === null
      ? 'No answer of the receiver'
      : `Answer of the receiver\n${json(effect.answer)}`,
    '',
    alert === null ? 'Its alert is not in the database' : `Alert\n${json(alert)}`,
  ].join('\n');
}

/** A title, and below it what is known: a line for each fact that there is. */
function factsOf(title: string, facts: readonly [string, string | null][]): string[] {
  const known = facts.filter(
    (fact): fact is [string, string] => fact[1] !== null && fact[1] !== '',
  );
  const width = Math.max(...known.map(([name]) => name.length));
  const lines = known.map(
    ([name, value]) =>
      `  ${name.padEnd(width)}  ${value.replaceAll('\n', `\n${' '.repeat(width + 4)}`)}`,
  );
  return [title, '', ...lines];
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/^/gm, '  ');
}

function timeOf(at: Timestamp | null): string {
  return at === null ? '' : readableTimestamp(at);
}

/** On one line, and not all of it. */
function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= CELL_LENGTH_MAX ? line : `${line.slice(0, CELL_LENGTH_MAX - 1)}…`;
}
