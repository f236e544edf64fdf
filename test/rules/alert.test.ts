// From a match to an alert: its identity, its text, and whether there is one.

import { describe, expect, test } from 'vitest';
import { jsonBytes } from '../../src/automaton/limits.js';
import type { EventsByStage } from '../../src/automaton/operator.js';
import { coordinates } from '../../src/event.js';
import { begin } from '../../src/pattern/pattern.js';
import { hashOf, planAlert } from '../../src/rules/alert.js';
import type { Outcome, Rule } from '../../src/rules/rule.js';
import { eventAt } from './helpers.js';

const pattern = begin('a').next('b').within(10);
const events: EventsByStage = {
  a: [eventAt(1, { userId: 7, name: '<b>"Tom" & co</b>', price: 1.5 })],
  b: [eventAt(2, { userSession: 's', price: 2 }), eventAt(3, { price: 3 })],
};

function plan(
  outcome: Outcome | undefined,
  {
    rule = {},
    ...change
  }: { rule?: Partial<Rule>; type?: 'match' | 'timeout' } & Partial<{
    journey: string;
    key: string;
    ruleHash: string;
    at: number;
    events: EventsByStage;
    ordinal: number;
  }> = {},
) {
  const type = change.type ?? 'match';
  const origin = {
    journey: change.journey ?? 'shopping',
    key: change.key ?? 'k',
    ruleHash: change.ruleHash ?? 'h',
    rule: {
      id: 'r',
      pattern,
      ...(outcome ? { [type === 'match' ? 'onMatch' : 'onTimeout']: outcome } : {}),
      ...rule,
    } as Rule,
  };
  const taken = change.events ?? events;
  const data = Object.fromEntries(
    Object.entries(taken).map(([stage, each]) => [stage, each.map((event) => event.data)]),
  );
  return planAlert(origin, { type, at: change.at ?? 3, events: taken, data }, change.ordinal ?? 0);
}

test('an alert, whole', () => {
  expect(plan({ alert: 'ALERT', message: 'hello', effects: ['mail'] })).toEqual({
    alert: {
      id: hashOf([
        'shopping',
        'k',
        'h',
        'match',
        3,
        [
          ['a', ['test/0/1']],
          ['b', ['test/0/2', 'test/0/3']],
        ],
        0,
      ]),
      journey: 'shopping',
      rule: 'r',
      ruleVersion: 1,
      key: 'k',
      userId: '7',
      userSession: 's',
      type: 'ALERT',
      message: 'hello',
      at: 3,
      match: {
        a: [{ userId: 7, name: '<b>"Tom" & co</b>', price: 1.5 }],
        b: [{ userSession: 's', price: 2 }, { price: 3 }],
      },
    },
    effects: ['mail'],
  });
});

describe('identity', () => {
  const outcome = { alert: 'ALERT' };
  const idOf = (...args: Parameters<typeof plan>) => plan(...args)?.alert.id;
  const id = idOf(outcome);

  test('is 32 hex digits, the beginning of a SHA-256', () => {
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    // sha256('""')
    expect(hashOf('')).toBe('12ae32cb1ec02d01eda3581b127c1fee');
  });

  test('is the same for the same events, whatever their content and the wording of the alert', () => {
    const redelivered: EventsByStage = {
      a: [eventAt(1, { other: true })],
      b: [eventAt(2, {}), eventAt(3, {})],
    };
    expect(idOf(outcome, { events: redelivered })).toBe(id);
    expect(idOf({ alert: 'OTHER', message: 'other' })).toBe(id);
  });

  test.each<[string, Parameters<typeof plan>[1]]>([
    ['journey', { journey: 'other' }],
    ['key', { key: 'other' }],
    ['rule hash', { ruleHash: 'other' }],
    ['time', { at: 4 }],
    ['ordinal', { ordinal: 1 }],
    ['a match or a timeout', { type: 'timeout' }],
    ['events', { events: { a: [eventAt(1, {})], b: [eventAt(2, {})] } }],
    ['stages', { events: { b: [eventAt(1, {})], a: [eventAt(2, {}), eventAt(3, {})] } }],
    ['partitions', { events: { ...events, a: [{ ...eventAt(1, {}), partition: 1 }] } }],
  ])('differs with the %s', (_, change) => {
    expect(idOf(outcome, change)).not.toBe(id);
  });
});

describe('message', () => {
  const textOf = (message: Outcome['message'], rule: Partial<Rule> = {}) =>
    plan({ alert: 'ALERT', ...(message === undefined ? {} : { message }) }, { rule })?.alert
      .message;

  test.each<[string, Outcome['message'], string]>([
    ['a field', 'at {{a.0.price}}', 'at 1.5'],
    [
      'nothing is escaped as HTML',
      '{{a.0.name}} {{{a.0.name}}}',
      '<b>"Tom" & co</b> <b>"Tom" & co</b>',
    ],
    ['a section over the events', '{{#b}}[{{price}}]{{/b}}', '[2][3]'],
    ['a number of events', '{{b.length}}', '2'],
    ['a field that is missing', '<{{a.0.none}}|{{c.0.price}}>', '<|>'],
    ['a text without a field', 'plain', 'plain'],
    ['a function', ({ b }) => `${b?.length} events`, '2 events'],
  ])('%s', (_, message, text) => {
    expect(textOf(message)).toBe(text);
  });

  test('by default the description, else the alert and the rule', () => {
    expect(textOf(undefined, { description: 'A thing' })).toBe('A thing');
    expect(textOf(undefined)).toBe('ALERT (r)');
  });
});

describe('whether there is one', () => {
  test('none where the rule says nothing about it', () => {
    expect(plan(undefined)).toBeNull();
    expect(plan({ alert: 'ALERT' }, { type: 'timeout' })?.alert).toMatchObject({
      type: 'ALERT',
      timedOut: true,
    });
    expect(plan(undefined, { rule: { onTimeout: { alert: 'ALERT' } } })).toBeNull();
  });

  test('`when` sees the events by stage and decides', () => {
    const seen: unknown[] = [];
    const when = (match: unknown) => {
      seen.push(match);
      return seen.length > 1;
    };
    expect(plan({ alert: 'ALERT', when })).toBeNull();
    expect(plan({ alert: 'ALERT', when })?.effects).toEqual([]);
    expect(seen[0]).toEqual({
      a: [{ userId: 7, name: '<b>"Tom" & co</b>', price: 1.5 }],
      b: [{ userSession: 's', price: 2 }, { price: 3 }],
    });
  });

  test('a user or session that no event names is null', () => {
    const alert = plan(
      { alert: 'ALERT' },
      { events: { a: [eventAt(1, { userId: null })] } },
    )?.alert;
    expect([alert?.userId, alert?.userSession]).toEqual([null, null]);
  });
});

describe('one too large for a payload', () => {
  const many = (count: number, text: string) =>
    Array.from({ length: count }, (_, n) => eventAt(n, { n, text }));
  const whole = plan({ alert: 'ALERT' }, { events: { a: many(2, 'x') } })?.alert;

  test('keeps the first and the last event of each stage, and says how many it lacks', () => {
    const large = plan(
      { alert: 'ALERT' },
      { events: { a: many(2, 'x'), b: many(2_000, 'y'.repeat(1_000)) } },
    );
    expect(large?.alert.match.a).toEqual(whole?.match.a);
    expect(large?.alert.match.b?.map((event) => (event as { n: number }).n)).toEqual([0, 1_999]);
    expect(large?.alert.omitted).toEqual({ a: 0, b: 1_998 });
    expect(jsonBytes(large?.alert)).toBeLessThan(400_000);
  });

  test('has the identity that the whole one would have', () => {
    const events = { a: many(2_000, 'y'.repeat(1_000)) };
    const stages = [['a', events.a.map(coordinates)]];
    expect(plan({ alert: 'ALERT' }, { events })?.alert.id).toBe(
      hashOf(['shopping', 'k', 'h', 'match', 3, stages, 0]),
    );
  });

  test('keeps no event, and the begin of the message, where two are too much', () => {
    const text = 'é'.repeat(500_000);
    const alert = plan(
      { alert: 'ALERT', message: '{{a.0.text}}' },
      { events: { a: many(3, text) } },
    )?.alert;
    expect(alert?.match).toEqual({ a: [] });
    expect(alert?.omitted).toEqual({ a: 3 });
    expect(alert?.message).toBe('é'.repeat(10_000));
  });

  test('one that fits is left alone, however many events it has', () => {
    const alert = plan({ alert: 'ALERT' }, { events: { a: many(5_000, 'x') } })?.alert;
    expect(alert?.match.a).toHaveLength(5_000);
    expect(alert).not.toHaveProperty('omitted');
  });
});
