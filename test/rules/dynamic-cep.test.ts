// Two documents that use every key of Flink's dynamic CEP, as its rule tables hold them: read, and run. Apache Flink CEP 1.20.3 finds
// the same matches of the same patterns with these conditions in CEL.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compileJourneys } from '../../src/rules/compiled.js';
import { journeysOfDocument } from '../../src/rules/rule-set.js';
import { Session } from '../../src/rules/session.js';
import { MAX_TIMESTAMP, minutes, type Timestamp } from '../../src/time.js';

const documents = JSON.parse(
  readFileSync(new URL('dynamic-cep.json', import.meta.url), 'utf8'),
) as Record<'leave' | 'hesitate', object>;
const conditions = {
  'shop.rules.WishlistOver': {
    create:
      ([count, currency]: readonly string[]) =>
      (event: unknown) => {
        const { eventType, items, currency: of } = event as Record<string, unknown>;
        return eventType === 'wishlist' && Number(items) > Number(count) && of === currency;
      },
  },
};

/** The matches of one key, by stage, as the places of their events in the stream. */
function matches(document: object, events: readonly (readonly [minute: number, event: object])[]) {
  const set = journeysOfDocument(
    {
      journeys: [{ id: 'shop', key: 'user' }],
      rules: [
        { id: 'r', journey: 'shop', pattern: JSON.stringify(document), onMatch: { alert: 'A' } },
      ],
    },
    conditions,
  );
  const [journey] = compileJourneys(set).byId.values();
  const session = new Session(journey as NonNullable<typeof journey>, 'k');
  for (const [offset, [minute, event]] of events.entries()) {
    const timestamp = (minutes(minute) + 1) as number as Timestamp;
    session.accept({ source: 's', partition: 0, offset, timestamp, data: { offset, ...event } });
  }
  return session.advance(MAX_TIMESTAMP).map(({ alert }) => {
    const stages = Object.entries(alert.match) as [string, { offset: number }[]][];
    return Object.fromEntries(stages.map(([stage, taken]) => [stage, taken.map((e) => e.offset)]));
  });
}

const view = (price: number) => ({ eventType: 'view', price });
const of = (eventType: string, rest: object = {}) => ({ eventType, ...rest });

test('views and basket adds without a purchase: AVIATOR, CLASS with arguments, until, a window of a loop', () => {
  const stream = [
    [0, view(60)],
    [1, view(40)],
    [2, view(70)],
    [3, of('cart')],
    [4, of('wishlist', { items: 4, currency: 'EUR' })],
  ] as const;
  expect(matches(documents.leave, stream)).toEqual([{ browse: [0, 2], basket: [3] }]);
  expect(matches(documents.leave, [...stream, [5, of('purchase')]])).toEqual([]);
  // Too few things on the list are none, and the basket is over once it was emptied.
  const emptied = [...stream.slice(0, 3), [3, of('empty_cart')], [4, of('cart')]] as const;
  expect(matches(documents.leave, emptied)).toEqual([]);
  const few = [...stream.slice(0, 3), [4, of('wishlist', { items: 3, currency: 'EUR' })]] as const;
  expect(matches(documents.leave, few)).toEqual([]);
});

test('a group twice inside a graph, with a gap window', () => {
  const stream = [
    [0, of('login')],
    [30, of('quote')],
    [40, of('back')],
    [90, of('quote')],
  ] as const;
  expect(matches(documents.hesitate, stream)).toEqual([{ login: [0], quote: [1, 3], back: [2] }]);
  // On a group a gap window ends nothing, in Flink as here.
  const later = [...stream.slice(0, 3), [140, of('quote')]] as const;
  expect(matches(documents.hesitate, later)).toEqual([{ login: [0], quote: [1, 3], back: [2] }]);
});
