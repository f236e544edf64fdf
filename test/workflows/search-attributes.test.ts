// When a session tells the list of workflows something: where people's questions get another answer, and not else.

import { TypedSearchAttributes } from '@temporalio/common';
import { expect, test } from 'vitest';
import { begin } from '../../src/pattern/pattern.js';
import type { Rule } from '../../src/rules/rule.js';
import { Session } from '../../src/rules/session.js';
import { attributesAtStart, changedAttributes } from '../../src/workflows/search-attributes.js';
import { eventAt, journeyOf } from '../rules/helpers.js';

const is = (kind: string) => (event: Record<string, unknown>) => event.kind === kind;
const pattern = begin('a').where(is('a')).followedBy('b').where(is('b')).within(100);
const told: Rule = { id: 'told', pattern, onTimeout: { alert: 'TIMEOUT' } };
/** Its window just ends what is open. */
const quiet: Rule = { id: 'quiet', pattern, onMatch: { alert: 'MATCH' } };

/** A session, and what its list entry says; each step answers what had to be told for it. */
function setUp(rule: Rule) {
  const session = new Session(journeyOf(rule), 'k');
  let shown = new TypedSearchAttributes();
  const tell = (isPaused = false) => {
    const changed = changedAttributes(session, isPaused, shown);
    shown = shown.updateCopy(changed);
    return Object.fromEntries(changed.map(({ key, value }) => [key.name, value]));
  };
  const take = (time: number, kind: string) => {
    session.accept(eventAt(time, { kind }));
    session.advance(time);
    return tell();
  };
  return { session, take, tell };
}

test('a stage, and what time will do, are told once', () => {
  const { take, session } = setUp(told);
  expect(take(1, 'x')).toEqual({});
  const progress = { CepRules: ['told'], CepStages: ['told/b'], CepNextDeadline: new Date(102) };
  expect(take(2, 'a')).toEqual(progress);
  // The same answers; the deadlines to come are no news before the first has passed.
  expect(take(3, 'x')).toEqual({});
  expect(take(4, 'a')).toEqual({});
  session.advance(102);
  expect(take(103, 'x')).toEqual({ ...progress, CepNextDeadline: new Date(104) });
  expect(take(104, 'b')).toEqual({ CepRules: [], CepStages: [], CepNextDeadline: null });
});

test('where time alone says nothing the deadline is when all is over, and told as seldom', () => {
  const { take } = setUp(quiet);
  expect(take(2, 'a').CepNextDeadline).toEqual(new Date(102));
  expect(take(50, 'a')).toEqual({});
  expect(take(101, 'a')).toEqual({});
  // The first has ended by now, which nobody had to be told.
  expect(take(102, 'x').CepNextDeadline).toEqual(new Date(201));
});

test('a pause is told, and its end', () => {
  const { take, tell } = setUp(told);
  take(1, 'a');
  expect(tell(true)).toMatchObject({ CepPaused: true, CepRules: ['told'] });
  expect(tell(true)).toEqual({});
  expect(tell(false)).toMatchObject({ CepPaused: false });
});

test('a session that starts with an event open begins with all of that', () => {
  const { session, take } = setUp(told);
  expect(attributesAtStart(session)).toEqual([]);
  take(2, 'a');
  const pairs = attributesAtStart(session).map(({ key, value }) => [key.name, value]);
  expect(Object.fromEntries(pairs)).toEqual({
    CepRules: ['told'],
    CepStages: ['told/b'],
    CepNextDeadline: new Date(102),
  });
});
