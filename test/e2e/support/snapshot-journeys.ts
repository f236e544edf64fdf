// Rules of every kind, over one stream from two partitions of which one is always behind. The snapshots in test/replay
// were recorded with them: they may be added to, never changed.

import {
  begin,
  defineJourneys,
  type Rule,
  seconds,
  skipPastLastEvent,
  skipToNext,
} from 'temporal-cep';
import type { EventBatch } from 'temporal-cep/workflows';

const is = (kind: string) => (event: Record<string, unknown>) => event.kind === kind;
const rule = (id: string, pattern: Rule['pattern']): Rule => ({
  id,
  pattern,
  onMatch: { alert: 'MATCH' },
  onTimeout: { alert: 'TIMEOUT' },
});

export default defineJourneys({
  journeys: [
    {
      id: 'every-kind',
      key: 'key',
      rules: [
        rule(
          'group',
          begin(begin('a').where(is('a')).followedBy('b').where(is('b')))
            .times(2)
            .followedBy('c')
            .where(is('c'))
            .within(seconds(40)),
        ),
        rule(
          'loop',
          begin('a')
            .where(is('a'))
            .followedBy('views')
            .where(is('v'))
            .oneOrMore()
            .greedy()
            .next('c')
            .where(is('c'))
            .within(seconds(30)),
        ),
        rule(
          'combinations',
          begin('views')
            .where(is('v'))
            .times(3)
            .allowCombinations()
            .within(seconds(12))
            .afterMatch(skipToNext()),
        ),
        rule(
          'back',
          begin('a')
            .where(is('a'))
            .followedByAny('b')
            .where((event, { a }) => event.kind === 'b' && event.n !== a[0]?.n)
            .notFollowedBy('c')
            .where(is('c'))
            .within(seconds(8)),
        ),
        rule(
          'past',
          begin('a')
            .where(is('a'))
            .followedBy('v')
            .where(is('v'))
            .afterMatch(skipPastLastEvent())
            .within(seconds(15)),
        ),
      ],
    },
  ],
});

const T0 = Date.UTC(2026, 0, 1);
const KINDS = 'avbvcavvbacvbvavcbavvcabvvcavbcvvabvcavvbacvbvavcbavvcabvvcc';
const PER_BATCH = 6;
const END = Number.MAX_SAFE_INTEGER;

/** Even events are of partition 0, odd ones of partition 1: in batches of six, the latter one batch behind. */
function batchOf(partition: 0 | 1, n: number): EventBatch {
  const source = partition === 0 ? 'ahead' : 'behind';
  const events = Array.from({ length: PER_BATCH }, (_, i) => {
    const offset = n * PER_BATCH + i;
    const at = 2 * offset + partition;
    const timestamp = T0 + seconds(at);
    return {
      offset,
      timestamp,
      data: { kind: KINDS[at] ?? 'v', key: 'k', n: at, eventTime: timestamp },
    };
  });
  return { source, partition, events, watermark: events.at(-1)?.timestamp ?? T0, lowWater: 0 };
}

const end = (source: string, partition: number): EventBatch => ({
  ...{ source, partition, events: [], lowWater: END, finished: true },
  watermark: END,
});

/** The signals of a session, from its first event to the end of its sources. */
export const SIGNALS: readonly (readonly EventBatch[])[] = [
  [batchOf(0, 0), { ...batchOf(1, 0), events: [], watermark: T0 - 1 }],
  ...[1, 2, 3, 4].flatMap((n) => [[batchOf(0, n)], [batchOf(1, n - 1)]]),
  [batchOf(1, 4)],
  [end('ahead', 0), end('behind', 1)],
];
