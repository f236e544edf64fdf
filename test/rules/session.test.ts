// A session by hand: rules that fail alone (S2), changed rules, ordinals, restart, and what it tells of
// itself. S3 is shown by session.prop.test.ts.

import { describe, expect, test } from 'vitest';
import { jsonBytes, type StateLimits } from '../../src/automaton/limits.js';
import type { CepEvent } from '../../src/event.js';
import { skipToFirst } from '../../src/pattern/after-match-skip.js';
import { begin } from '../../src/pattern/pattern.js';
import type { PlannedAlert } from '../../src/rules/alert.js';
import type { Rule } from '../../src/rules/rule.js';
import { type RuleView, repeatKey, Session } from '../../src/rules/session.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/time.js';
import { eventAt, journeyOf, play } from './helpers.js';

const is = (kind: string) => (event: Record<string, unknown>) => event.kind === kind;
const kinds = (text: string) => text.split(' ').map((kind, i) => eventAt(i + 1, { kind }));

const ab: Rule = {
  id: 'ab',
  pattern: begin('a').where(is('a')).followedBy('b').where(is('b')).within(10),
  onMatch: { alert: 'MATCH' },
  onTimeout: { alert: 'TIMEOUT' },
};
/** Fails on "c" right behind "a". */
const failing: Rule = {
  id: 'failing',
  pattern: begin('a')
    .where(is('a'))
    .next('b')
    .where(is('b'))
    .optional()
    .next('c')
    .where(is('c'))
    .afterMatch(skipToFirst('b', { throwExceptionOnMiss: true })),
  onMatch: { alert: 'FOUND' },
};

const lines = (planned: readonly PlannedAlert[]) =>
  planned.map(({ alert: { rule, type, at } }) => `${rule} ${type} at ${at}`);
const countsOf = (session: Session) =>
  Object.fromEntries(session.view().map(({ rule, counts }) => [rule, counts]));

describe('S2: a rule that fails', () => {
  test('loses its matches and goes on with the next event; the other rules do not notice', () => {
    const session = new Session(journeyOf(failing, ab), 'k');
    const events = kinds('a c a b c');
    expect(lines(play(session, events))).toEqual([
      'ab MATCH at 4',
      'ab MATCH at 4',
      'failing FOUND at 5',
    ]);
    expect(countsOf(session)).toEqual({
      failing: { matches: 1, timeouts: 0, errors: 0, failures: 1, dropped: 0 },
      ab: { matches: 2, timeouts: 0, errors: 0, failures: 0, dropped: 0 },
    });
    const [view, other] = session.view();
    expect(view?.lastError).toMatch(/^SKIP_TO_FIRST\[b\] found no event of stage "b"/);
    expect(other?.lastError).toBeNull();
  });

  test.each(['one watermark at the end', 'events of one time'])('the same with %s', (how) => {
    const session = new Session(journeyOf(failing), 'k');
    for (const event of kinds('a c a b c')) {
      session.accept(how === 'events of one time' ? { ...event, timestamp: 1 } : event);
    }
    expect(lines(session.advance(MAX_TIMESTAMP)).length).toBe(1);
    expect(countsOf(session).failing).toEqual({
      matches: 1,
      timeouts: 0,
      errors: 0,
      failures: 1,
      dropped: 0,
    });
  });

  test('the events that wait for a later watermark are not lost', () => {
    const session = new Session(journeyOf(failing), 'k');
    for (const event of kinds('a c a b c')) session.accept(event);
    expect(session.advance(2)).toEqual([]);
    expect(session.watermark).toBe(2);
    expect(session.accept(eventAt(2, { kind: 'x' }))).toBe('LATE');
    expect(lines(session.advance(5))).toEqual(['failing FOUND at 5']);
  });

  test('errors of conditions, `when` and messages are counted and drop no match', () => {
    const broken = (): never => {
      throw new Error('broken');
    };
    const rule = (id: string, change: Partial<Rule>): Rule => ({
      id,
      pattern: begin('a').where(is('a')),
      onMatch: { alert: 'MATCH' },
      ...change,
    });
    const session = new Session(
      journeyOf(
        rule('condition', { pattern: begin('a').where(broken) }),
        rule('when', { onMatch: { alert: 'MATCH', when: broken } }),
        rule('message', { onMatch: { alert: 'MATCH', message: broken } }),
        rule('template', { onMatch: { alert: 'MATCH', message: '{{#a}' } }),
        rule('fine', {}),
      ),
      'k',
    );
    expect(lines(play(session, kinds('a')))).toEqual(['fine MATCH at 1']);
    expect(countsOf(session)).toEqual({
      condition: { matches: 0, timeouts: 0, errors: 1, failures: 0, dropped: 0 },
      when: { matches: 1, timeouts: 0, errors: 1, failures: 0, dropped: 0 },
      message: { matches: 1, timeouts: 0, errors: 1, failures: 0, dropped: 0 },
      template: { matches: 1, timeouts: 0, errors: 1, failures: 0, dropped: 0 },
      fine: { matches: 1, timeouts: 0, errors: 0, failures: 0, dropped: 0 },
    });
    expect(session.view().map(({ lastError }) => lastError)).toEqual([
      null,
      'match without alert: broken',
      'match without alert: broken',
      expect.stringMatching(/^match without alert: Unclosed tag/),
      null,
    ]);
  });
});

describe('ordinals', () => {
  test('equal outputs of one moment have different ids, the same again in another run', () => {
    // A single optional stage that has ignored an event times out twice with equal content.
    const twins: Rule = {
      ...ab,
      pattern: begin('a')
        .where(is('a'))
        .followedBy('b')
        .where(is('b'))
        .optional()
        .followedBy('c')
        .where(is('c'))
        .within(10),
    };
    const runOnce = () => play(new Session(journeyOf(twins), 'k'), kinds('a x'));
    const alerts = runOnce();
    expect(lines(alerts)).toEqual(['ab TIMEOUT at 11', 'ab TIMEOUT at 11']);
    const ids = alerts.map(({ alert }) => alert.id);
    expect(new Set(ids).size).toBe(2);
    expect(runOnce().map(({ alert }) => alert.id)).toEqual(ids);
  });
});

describe('restored', () => {
  const stored = (session: Session) => JSON.parse(JSON.stringify(session.snapshot()));

  test('goes on with what was open and counted', () => {
    const session = new Session(journeyOf(ab), 'k');
    play(session, kinds('a b a'), 3);
    const restored = new Session(journeyOf(ab), 'k', stored(session));
    expect(restored.watermark).toBe(3);
    expect(restored.snapshot()).toEqual(session.snapshot());
    expect(lines(play(restored, [eventAt(4, { kind: 'b' })]))).toEqual(['ab MATCH at 4']);
    expect(countsOf(restored).ab?.matches).toBe(2);
  });

  test('a rule that has changed begins afresh, as far in time as the session; counts stay', () => {
    const session = new Session(journeyOf(ab, { ...ab, id: 'other' }), 'k');
    play(session, kinds('a b a'), 3);
    const changed = journeyOf({ ...ab, version: 2 }, { ...ab, id: 'other' }, { ...ab, id: 'new' });
    const restored = new Session(changed, 'k', stored(session));
    expect(restored.accept(eventAt(3, { kind: 'a' }))).toBe('LATE');
    expect(restored.rulesInProgress()).toEqual(['other']);
    expect(lines(play(restored, [eventAt(4, { kind: 'b' })]))).toEqual(['other MATCH at 4']);
    expect(Object.values(countsOf(restored)).map(({ matches }) => matches)).toEqual([1, 2, 0]);
  });

  test('what a changed or removed rule held open is told, and counted as dropped', () => {
    const rules = ['same', 'changed', 'idle', 'gone'].map((id) => ({ ...ab, id }));
    const session = new Session(journeyOf(...rules), 'k');
    play(session, kinds('a a'), 2);
    const today = journeyOf(
      { ...ab, id: 'same' },
      { ...ab, id: 'changed', version: 2 },
      { ...ab, id: 'new' },
    );
    const { idle, ...others } = stored(session).rules;
    const nothing = new Session(journeyOf(ab), 'k').snapshot().rules.ab;
    const snapshot = { ...stored(session), rules: { ...others, idle: nothing } };
    const restored = new Session(today, 'k', snapshot);
    expect(restored.lost).toEqual([
      { rule: 'changed', partialMatches: 2, why: 'RULE_CHANGED' },
      { rule: 'gone', partialMatches: 2, why: 'RULE_REMOVED' },
    ]);
    expect(
      restored.view().map(({ rule, counts, lastError }) => [rule, counts.dropped, lastError]),
    ).toEqual([
      ['same', 0, null],
      ['changed', 2, 'the rule changed while it had 2 open'],
      ['new', 0, null],
    ]);
    // Told once: the next run finds nothing lost.
    expect(new Session(today, 'k', stored(restored)).lost).toEqual([]);
  });
});

describe('a snapshot', () => {
  test('holds an event once, whatever number of rules hold it', () => {
    const rules = ['one', 'two', 'three'].map((id) => ({ ...ab, id }));
    const session = new Session(journeyOf(...rules), 'k');
    const events = kinds('a a a');
    for (const event of events) session.accept(event);
    // One is in matches, two wait.
    session.advance(1);
    const snapshot = session.snapshot();
    expect(snapshot.events).toEqual(events);
    const restored = new Session(journeyOf(...rules), 'k', JSON.parse(JSON.stringify(snapshot)));
    expect(restored.snapshot()).toEqual(snapshot);
    expect(restored.waiting).toHaveLength(2);
  });

  test('shrinks to what can be handed on: of the largest rule first, by its policy, counted', () => {
    const pattern = begin('a').where(is('a')).followedBy('b').where(is('b')).within(1_000);
    const large = { ...ab, id: 'large', pattern };
    const newest = { ...ab, id: 'newest', pattern, limits: { policy: 'refuse-new' } as const };
    const small = { ...ab, id: 'small', pattern, limits: { partialMatches: 3 } };
    const session = new Session(journeyOf(large, newest, small), 'k');
    play(session, kinds('a '.repeat(300).trim()), 300);
    const before = jsonBytes(session.snapshot());
    expect(session.shrink(before)).toEqual([]);
    expect(jsonBytes(session.snapshot())).toBe(before);

    expect(session.shrink(before / 2)).toEqual([]);
    expect(jsonBytes(session.snapshot())).toBeLessThanOrEqual(before / 2);
    const [first, second, third] = session.view() as [RuleView, RuleView, RuleView];
    expect(first.openCount).toBeLessThan(300);
    expect(first.counts.dropped).toBe(300 - first.openCount);
    expect(first.open.at(-1)?.events.a?.[0]?.offset).toBe(300);
    expect(second.counts.dropped).toBe(300 - second.openCount);
    expect(second.open[0]?.events.a?.[0]?.offset).toBe(1);
    expect(third.openCount).toBe(3);
  });

  test('drops all there is where that is not enough', () => {
    const session = new Session(journeyOf(ab), 'k');
    play(session, kinds('a a a a'), 4);
    session.shrink(0);
    expect(session.isIdle).toBe(true);
    expect(countsOf(session).ab?.dropped).toBe(4);
  });

  test('policy fail: shrinking fails the rule, which goes on afresh', () => {
    const session = new Session(journeyOf({ ...ab, limits: { policy: 'fail' } }), 'k');
    play(session, kinds('a a a'), 3);
    session.shrink(0);
    expect(countsOf(session).ab).toMatchObject({ failures: 1, dropped: 3 });
    expect(lines(play(session, [eventAt(4, { kind: 'a' }), eventAt(5, { kind: 'b' })]))).toEqual([
      'ab MATCH at 5',
    ]);
  });
});

describe('limits', () => {
  test('are the rule’s own; what was dropped is counted, and survives', () => {
    const session = new Session(journeyOf({ ...ab, limits: { partialMatches: 2 } }), 'k');
    play(session, kinds('a a a a'), 4);
    expect(countsOf(session).ab?.dropped).toBe(2);
    const limited = journeyOf({ ...ab, limits: { partialMatches: 2 } });
    const restored = new Session(limited, 'k', JSON.parse(JSON.stringify(session.snapshot())));
    play(restored, [eventAt(5, { kind: 'a' })], 5);
    expect(countsOf(restored).ab?.dropped).toBe(3);
  });

  test('policy fail: the rule loses its matches, and says why', () => {
    const limits = { partialMatches: 2, policy: 'fail' } as const;
    const session = new Session(journeyOf({ ...ab, limits }), 'k');
    play(session, kinds('a a a b'), 4);
    expect(countsOf(session).ab).toMatchObject({ matches: 0, failures: 1, dropped: 3 });
    expect(session.view()[0]?.lastError).toMatch(/limit of 2 partial matches/);
  });

  test('where too many wait, they are refused by all rules and nothing is made up of the rest', () => {
    const limits = { bufferedEvents: 2 };
    const session = new Session(journeyOf({ ...ab, limits }, { ...ab, id: 'other' }), 'k');
    session.accept(eventAt(1, { kind: 'a' }));
    session.advance(1);
    const events = kinds('x a x b').slice(1);
    const refused: CepEvent[] = [];
    expect(events.map((event) => session.accept(event, refused))).toEqual([
      'TAKEN',
      'TAKEN',
      'REFUSED',
    ]);
    expect(refused).toEqual(events);
    // Neither the first "a" nor the second times out: their "b" was refused.
    expect(session.advance(100)).toEqual([]);
    expect(countsOf(session).ab).toMatchObject({ failures: 1, dropped: 1, timeouts: 0 });
    expect(countsOf(session).other).toMatchObject({ failures: 1, dropped: 1, timeouts: 0 });
  });

  test.each<[Partial<StateLimits>, RegExp]>([
    [{ partialMatches: 0 }, /the limit "partialMatches" is 0: use a number of 1 or more/],
    [{ bytes: Number.NaN }, /"bytes" is NaN/],
    [{ policy: 'refuse' as never }, /"policy" is refuse: use drop-oldest, refuse-new, fail/],
    [{ matches: 5 } as never, /no limit "matches": use partialMatches/],
  ])('%o is refused, with the rule’s name', (limits, message) => {
    expect(() => journeyOf({ ...ab, limits })).toThrow(message);
    expect(() => journeyOf({ ...ab, limits })).toThrow(/journey "test", rule "ab"/);
  });
});

describe('time', () => {
  test('an event at or behind the watermark is late for all rules', () => {
    const session = new Session(journeyOf(ab), 'k');
    expect(session.advance(5)).toEqual([]);
    expect([4, 5, 6].map((ms) => session.accept(eventAt(ms, { kind: 'a' })))).toEqual([
      'LATE',
      'LATE',
      'TAKEN',
    ]);
    expect(session.advance(4)).toEqual([]);
    expect(session.watermark).toBe(5);
    expect(session.nextDeadline).toBe(6);
  });

  test('the next deadline is the nearest of all rules', () => {
    const slow = { ...ab, id: 'slow', pattern: ab.pattern.within(5) };
    const session = new Session(journeyOf(ab, slow), 'k');
    play(session, kinds('a'), 1);
    expect(session.nextDeadline).toBe(6);
    session.advance(6);
    expect(session.nextDeadline).toBe(11);
    session.advance(11);
    expect(session.nextDeadline).toBeNull();
  });

  test('restart begins event time anew, for an idle session only', () => {
    const session = new Session(journeyOf(ab), 'k');
    session.accept(eventAt(1, { kind: 'a' }));
    expect(() => session.restart()).toThrow('broken invariant');
    session.advance(MAX_TIMESTAMP);
    expect(session.accept(eventAt(2, { kind: 'a' }))).toBe('LATE');
    session.restart();
    expect(session.watermark).toBe(MIN_TIMESTAMP);
    expect(lines(play(session, kinds('a b')))).toEqual(['ab MATCH at 2']);
    expect(countsOf(session).ab).toEqual({
      matches: 1,
      timeouts: 1,
      errors: 0,
      failures: 0,
      dropped: 0,
    });
  });
});

describe('what it tells of itself', () => {
  test('a view of each rule, with the oldest open matches', () => {
    const session = new Session(
      journeyOf(
        { ...ab, description: 'a, then b' },
        { ...ab, id: 'idle', pattern: begin('z').where(is('z')) },
      ),
      'k',
    );
    const events = kinds('a a');
    play(session, events, 2);
    const counts = { matches: 0, timeouts: 0, errors: 0, failures: 0, dropped: 0 };
    expect(session.view(1)).toEqual([
      {
        rule: 'ab',
        version: 1,
        description: 'a, then b',
        open: [{ stage: 'b', events: { a: [events[0]] }, deadline: 11 }],
        openCount: 2,
        nextDeadline: 11,
        counts,
        lastError: null,
      },
      {
        rule: 'idle',
        version: 1,
        description: null,
        open: [],
        openCount: 0,
        nextDeadline: null,
        counts,
        lastError: null,
      },
    ]);
    expect(session.rulesInProgress()).toEqual(['ab']);
    expect(session.isIdle).toBe(false);
  });

  test('the ids of the events it holds, buffered or matched, by source', () => {
    const session = new Session(journeyOf(ab), 'k');
    const withId = (ms: number, kind: string) => ({ ...eventAt(ms, { kind }), id: `${kind}${ms}` });
    for (const event of [withId(1, 'a'), withId(2, 'x'), withId(9, 'x')]) session.accept(event);
    session.accept(eventAt(3, { kind: 'a' }));
    session.advance(3);
    expect([...session.heldIds()]).toEqual([repeatKey('test', 'x9'), repeatKey('test', 'a1')]);
    session.advance(MAX_TIMESTAMP);
    expect([...session.heldIds()]).toEqual([]);
  });
});
