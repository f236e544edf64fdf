import { describe, expect, test } from 'vitest';
import { skipPastLastEvent, skipToFirst } from '../../src/pattern/after-match-skip.js';
import { begin } from '../../src/pattern/pattern.js';
import { type WarnablePattern, warningsOf } from '../../src/pattern/warnings.js';
import { days, minutes } from '../../src/time.js';

const view = begin('view');
const never = () => false;

test('the literal churn rule: the reason, with its numbers', () => {
  const churn = view.timesOrMore(10).notNext('purchase').within(days(7));
  expect(warningsOf(churn)).toEqual([
    {
      code: 'UNBOUNDED_LOOP',
      stage: 'view',
      message:
        '`view` may repeat without limit for 7 days under NO_SKIP: bound it with times(from, to), until(), a shorter within() or a skip strategy',
    },
  ]);
});

describe.each<[string, WarnablePattern, string[]]>([
  ['a bounded loop', view.times(1, 10).within(days(7)), []],
  ['a loop that until() ends', view.oneOrMore().until(never).within(days(7)), []],
  ['a short window', view.oneOrMore().within(minutes(5)), []],
  [
    'a last loop under a skip strategy',
    view.oneOrMore().within(days(7)).afterMatch(skipPastLastEvent()),
    [],
  ],
  [
    'a loop before another stage, under it',
    view.oneOrMore().next('b').within(days(7)).afterMatch(skipPastLastEvent()),
    ['UNBOUNDED_LOOP view'],
  ],
  [
    'a repeated group',
    begin('a').next(begin('x').next('y')).oneOrMore().within(days(7)),
    ['UNBOUNDED_LOOP x'],
  ],
  [
    'a loop in a group',
    begin(begin('x').oneOrMore().next('y')).within(days(7)),
    ['UNBOUNDED_LOOP x'],
  ],
  ['combinations', view.oneOrMore().allowCombinations().within(minutes(5)), ['COMBINATIONS view']],
  ['two of each', view.times(2).allowCombinations().within(minutes(5)), []],
  [
    'many combinations',
    view.times(3).allowCombinations().within(minutes(5)),
    ['COMBINATIONS view'],
  ],
  ['no window, and events may come between', view.followedBy('b'), ['NO_WINDOW b']],
  ['no window, between repetitions', view.times(3), ['NO_WINDOW view']],
  ['no window, strict throughout', view.next('b').times(2).consecutive(), []],
  [
    'limits between neighbours',
    view.followedBy('b').within(minutes(5), 'PREVIOUS_AND_CURRENT'),
    [],
  ],
  [
    'a loop inside, for minutes',
    view.oneOrMore().followedBy('b').within(minutes(5)),
    ['UNBOUNDED_LOOP view'],
  ],
  [
    'a strategy that discards nothing of a last loop',
    view.oneOrMore().within(days(7)).afterMatch(skipToFirst('view')),
    ['UNBOUNDED_LOOP view'],
  ],
  ['one followedByAny', view.followedByAny('b').within(days(7)), []],
  ['two', view.followedByAny('b').followedByAny('c').within(days(7)), ['COMBINATIONS c']],
  ['a window inside a group', begin(begin('x').within(minutes(1)).next('y')).followedBy('z'), []],
  ['a loop without a window', view.oneOrMore().consecutive(), ['UNBOUNDED_LOOP view']],
])('%s', (_, pattern, expected) => {
  test(expected.join() || 'no warning', () => {
    expect(warningsOf(pattern).map(({ code, stage }) => `${code} ${stage}`)).toEqual(expected);
  });
});
