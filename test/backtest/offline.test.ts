// A run over many keys gives what a session for each of them gives that has its events one by one.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runOffline } from '../../src/backtest/offline.js';
import type { RawRecord } from '../../src/ingest/record.js';
import { patterns } from '../../src/pattern/pattern.js';
import { cel } from '../../src/rules/cel.js';
import { compileJourneys } from '../../src/rules/compiled.js';
import type { Journey } from '../../src/rules/journey.js';
import { Session } from '../../src/rules/session.js';
import { eventAt, play } from '../rules/helpers.js';

interface Click extends Record<string, unknown> {
  readonly at: number;
  readonly user: string;
  readonly visit: string;
  readonly kind: string;
}

const VIEWS_AND_CART = patterns<Click>()
  .begin('views')
  .where(cel("event.kind == 'view'"))
  .times(2)
  .followedBy('cart')
  .where(cel("event.kind == 'cart' && event.visit == match.views[0].visit"))
  .within(20);

function journey(
  id: string,
  key: Journey<Click>['key'],
  accepts?: Journey<Click>['accepts'],
): Journey<Click> {
  const rule = {
    id: 'rule',
    pattern: VIEWS_AND_CART,
    onMatch: { alert: 'MATCH' },
    onTimeout: { alert: 'TIMEOUT' },
  };
  return { id, key, rules: [rule], ...(accepts && { accepts }) };
}

const recordsOf = (clicks: readonly Click[]): RawRecord[] =>
  clicks.map((value, offset) => {
    const text = JSON.stringify(value);
    return { source: 'test', partition: 0, offset, recordTime: value.at, value: text };
  });

function compare(clicks: readonly Click[], journeys: readonly Journey<Click>[]) {
  const compiled = compileJourneys({ eventTime: 'at', fields: {}, journeys });
  const ids: string[] = [];
  let sessions = 0;
  for (const each of compiled.byId.values()) {
    const { key, accepts = () => true } = each.journey;
    const byKey = new Map<string, ReturnType<typeof eventAt>[]>();
    clicks.forEach((click, offset) => {
      if (!accepts(click as never)) return;
      const of = String(typeof key === 'string' ? click[key] : key(click as never));
      const event = eventAt(click.at, click, offset);
      const events = byKey.get(of);
      if (events) events.push(event);
      else if (each.canBegin(event)) byKey.set(of, [event]);
    });
    sessions += byKey.size;
    for (const [of, events] of byKey) {
      ids.push(...play(new Session(each, of), events).map(({ alert }) => alert.id));
    }
  }
  const result = runOffline({ journeys: compiled, records: recordsOf(clicks) });
  expect(result.alerts.map(({ id }) => id).sort()).toEqual(ids.sort());
  expect(result.sessions).toBe(sessions);
  return result;
}

/** More than share a look-up, each of which takes other clicks. */
const SHARING = Array.from({ length: 70 }, (_, i) =>
  journey(`user-${i}`, 'user', ({ kind, at }) => kind === 'cart' || at % 7 !== i % 7),
);
const OTHERS = [
  journey('visit', 'visit'),
  journey('either', ({ user, visit }) => (visit === 'v1' ? user : visit)),
];

describe('alerts and sessions', () => {
  test('of journeys that share a key, and of others', () => {
    let alerts = 0;
    const clicks = fc.array(
      fc.record({
        after: fc.integer({ min: 0, max: 8 }),
        user: fc.constantFrom('ann', 'bob'),
        visit: fc.constantFrom('v1', 'v2'),
        kind: fc.constantFrom('view', 'view', 'cart', 'other'),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(clicks, (drafts) => {
        let at = 1_000;
        const timed = drafts.map(({ after, ...click }) => {
          at += after;
          return { at, ...click };
        });
        alerts += compare(timed, [...SHARING, ...OTHERS]).alerts.length;
      }),
      { numRuns: 40 },
    );
    expect(alerts).toBeGreaterThan(1_000);
  });

  test('of more events than are gathered before sessions have them', () => {
    const drafts = fc.record({
      user: fc.nat(49),
      visit: fc.nat(2),
      kind: fc.constantFrom('cart', 'view', 'view', 'view', 'view', 'view', 'view'),
    });
    const clicks = fc
      .sample(drafts, { seed: 7, numRuns: 120_000 })
      .map(({ user, visit, kind }, i) => ({
        at: 1_000 + i,
        user: `u${user + Math.floor(i / 10_000)}`,
        visit: `v${visit}`,
        kind,
      }));
    const { alerts, open } = compare(clicks, [
      journey('user', 'user'),
      journey('views', 'user', ({ kind }) => kind === 'view'),
    ]);
    expect(alerts.length).toBeGreaterThan(10_000);
    expect(open.size).toBe(0);
  });
});
