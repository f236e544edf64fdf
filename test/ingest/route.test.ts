// Which sessions an event is for.

import { expect, test } from 'vitest';
import { routeEvent } from '../../src/ingest/route.js';
import type { Journey } from '../../src/rules/journey.js';
import { type Item, journey, journeysOf } from './helpers.js';

function route(journeys: readonly Journey<Item>[], data: Record<string, unknown>) {
  const event = { source: 'test', partition: 0, offset: 0, timestamp: 0, data };
  const { routes, errors } = routeEvent(event, journeysOf(journeys));
  return {
    sessions: routes.map((found) => `${found.journey.journey.id}/${found.key}`),
    errors: errors.map(({ code, details }) => [code, details.journey]),
  };
}

test('an event goes to every journey that accepts it, by the key of each', () => {
  const journeys = [
    journey({ id: 'by-field' }),
    journey({ id: 'by-function', key: (e) => e.n }),
    journey({ id: 'picky', accepts: (e) => e.type === 'z' }),
  ];
  expect(route(journeys, { key: 'k', n: 5 })).toEqual({
    sessions: ['by-field/k', 'by-function/5'],
    errors: [],
  });
});

test('no journey: neither session nor error', () => {
  expect(route([journey({ accepts: () => false })], { key: 'k' })).toEqual({
    sessions: [],
    errors: [],
  });
});

test.each([[undefined], [null], [''], [{}], [true], [Number.NaN], ['a\ud83d']])(
  '%j is no key',
  (key) => {
    expect(route([journey()], { key })).toEqual({
      sessions: [],
      errors: [['RECORD_WITHOUT_KEY', 'shop']],
    });
  },
);

test('a function that throws is an error of its journey alone', () => {
  const fail = () => {
    throw new TypeError('e.user is undefined');
  };
  const journeys = [
    journey({ id: 'one', accepts: fail }),
    journey({ id: 'two', key: fail }),
    journey({ id: 'three' }),
  ];
  expect(route(journeys, { key: 'k' })).toEqual({
    sessions: ['three/k'],
    errors: [
      ['RECORD_WRONG_TYPE', 'one'],
      ['RECORD_WRONG_TYPE', 'two'],
    ],
  });
});

test('a key may be any other text', () => {
  for (const key of ['a/b', 'é😀', ' ', '\u0000', 'x'.repeat(5_000)]) {
    expect(route([journey()], { key })).toEqual({ sessions: [`shop/${key}`], errors: [] });
  }
});
