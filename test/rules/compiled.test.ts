// What identifies a rule's content, which events can begin a session, and which journeys are refused.

import { describe, expect, test } from 'vitest';
import { CepError, type CepErrorCode } from '../../src/errors.js';
import { skipToNext } from '../../src/pattern/after-match-skip.js';
import { begin } from '../../src/pattern/pattern.js';
import { cel } from '../../src/rules/cel.js';
import { compileJourneys } from '../../src/rules/compiled.js';
import { defineJourneys, type Journey } from '../../src/rules/journey.js';
import type { Rule } from '../../src/rules/rule.js';
import { eventAt, journeyOf } from './helpers.js';

const isA = (event: Record<string, unknown>) => event.kind === 'a';
const hashOf = (rule: Rule) => journeyOf(rule).rules[0]?.hash;

describe('a rule hash', () => {
  const expression = "event.kind == 'a'";
  const base: Rule = {
    id: 'r',
    pattern: begin('a').where(cel(expression)).next('b').where(isA).within(10),
    onMatch: { alert: 'ALERT' },
  };
  const pattern = (change: (p: ReturnType<typeof make>) => unknown) => ({
    ...base,
    pattern: change(make()) as Rule['pattern'],
  });
  const make = () => begin('a').where(cel(expression)).next('b').where(isA).within(10);

  test('is the same for the same content, also where a closure is another function', () => {
    const again = begin('a')
      .where(cel(expression))
      .next('b')
      .where((event) => event.kind === 'other')
      .within(10);
    expect(hashOf({ ...base, pattern: again })).toBe(hashOf(base));
    expect(hashOf({ ...base, version: 1, timers: 'complete' })).toBe(hashOf(base));
    expect(hashOf({ ...base, description: 'Words' })).toBe(hashOf(base));
  });

  test.each<[string, Rule]>([
    ['id', { ...base, id: 'other' }],
    ['version', { ...base, version: 2 }],
    ['timers', { ...base, timers: 'flink' }],
    ['alert', { ...base, onMatch: { alert: 'OTHER' } }],
    ['alert of a timeout', { ...base, onTimeout: { alert: 'ALERT' } }],
    ['window', pattern((p) => p.within(11))],
    ['skip strategy', pattern((p) => p.afterMatch(skipToNext()))],
    [
      'edge',
      pattern(() => begin('a').where(cel(expression)).followedBy('b').where(isA).within(10)),
    ],
    [
      'stage name',
      pattern(() => begin('a').where(cel(expression)).next('c').where(isA).within(10)),
    ],
    ['quantifier', pattern((p) => p.oneOrMore())],
    ['expression', pattern(() => begin('a').where(cel('true')).next('b').where(isA).within(10))],
    ['place of a closure', pattern(() => begin('a').where(isA).next('b').where(isA).within(10))],
    ['number of closures', pattern((p) => p.where(isA))],
  ])('changes with the %s', (_, rule) => {
    expect(hashOf(rule)).not.toBe(hashOf(base));
  });
});

describe('canBegin', () => {
  const journey = journeyOf(
    {
      id: 'first',
      pattern: begin('a')
        .where(isA)
        .next('b')
        .where((e) => e.kind === 'b'),
    },
    {
      id: 'second',
      pattern: begin('maybe')
        .where((e) => e.kind === 'm')
        .optional()
        .next('c')
        .where((e) => e.kind === 'c'),
    },
    {
      id: 'third',
      pattern: begin('t').where((e) => {
        if (e.kind === 'throws') throw new Error('a condition that throws is false');
        return false;
      }),
    },
  );

  test.each([
    ['a', true],
    ['b', false],
    ['m', true],
    ['c', true],
    ['x', false],
    ['throws', false],
  ])('%s: %s', (kind, expected) => {
    expect(journey.canBegin(eventAt(1, { kind }))).toBe(expected);
    expect(journey.canBegin(eventAt(2, { kind }))).toBe(expected);
  });
});

describe('refused', () => {
  const rule: Rule = { id: 'r', pattern: begin('a') };
  const journey = (change: Partial<Journey>): Journey => ({
    id: 'j',
    key: 'key',
    rules: [rule],
    ...change,
  });
  const define = (...journeys: Journey[]) => compileJourneys(defineJourneys({ journeys }));

  test.each<[CepErrorCode, RegExp, () => unknown]>([
    ['JOURNEYS_INVALID', /journey id "a\/b"/, () => define(journey({ id: 'a/b' }))],
    ['JOURNEYS_INVALID', /journey id ""/, () => define(journey({ id: '' }))],
    ['JOURNEYS_INVALID', /two journeys are called "j"/, () => define(journey({}), journey({}))],
    ['JOURNEYS_INVALID', /"j" has no rules/, () => define(journey({ rules: [] }))],
    [
      'JOURNEYS_INVALID',
      /rule without an id/,
      () => define(journey({ rules: [{ ...rule, id: '' }] })),
    ],
    ['JOURNEYS_INVALID', /two rules called "r"/, () => define(journey({ rules: [rule, rule] }))],
    ['JOURNEYS_INVALID', /no default export/, () => compileJourneys(undefined as never)],
    ['JOURNEYS_INVALID', /no default export/, () => compileJourneys({} as never)],
    [
      'DUPLICATE_STAGE',
      /^journey "j", rule "r": stage "a":/,
      // @ts-expect-error the types refuse it too
      () => define(journey({ rules: [{ id: 'r', pattern: begin('a').next('a') }] })),
    ],
  ])('%s %s', (code, message, call) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(CepError);
    expect((thrown as CepError).code).toBe(code);
    expect((thrown as CepError).message).toMatch(message);
  });

  test('what is left out has its default', () => {
    const journeys = [journey({})];
    expect(defineJourneys({ journeys })).toEqual({ eventTime: 'eventTime', fields: {}, journeys });
  });
});
