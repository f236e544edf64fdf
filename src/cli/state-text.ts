// What a session holds, as the command line tells it.

import { counted } from '../counted.js';
import { formatDuration, formatTimestamp } from '../time.js';
import type { SessionState } from '../workflows/session.js';
import { table } from './terminal.js';

export function stateText(state: SessionState): string {
  const { journey, key, watermark, nextDeadline, rules, counts, paused } = state;
  const rows = rules.flatMap(({ rule, version, isRetiring, open }) =>
    open.map(({ id = '', stage, events, deadline }) => [
      isRetiring ? `${rule}, version ${version}, replaced` : rule,
      id,
      stage,
      Object.values(events).flat().length,
      deadline === null ? 'no window' : formatTimestamp(deadline),
    ]),
  );
  return [
    `${journey}/${key}: ${counted(counts.events, 'event')}, ${counted(counts.alerts, 'alert')}; event time ${formatTimestamp(watermark)}`,
    ...(paused
      ? [`Paused since ${formatTimestamp(paused.at)} by ${paused.author}: ${paused.reason}`]
      : []),
    nextDeadline === null
      ? 'No deadline'
      : `Next deadline ${formatTimestamp(nextDeadline)}, in ${formatDuration(nextDeadline - watermark)} of event time`,
    rows.length === 0
      ? 'No open match'
      : table(['rule', 'match', 'waits in', 'events', 'ends'], rows),
  ].join('\n');
}
