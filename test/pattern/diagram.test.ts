// Patterns as Mermaid state diagrams: whole texts for a few, and that no name, whatever it holds, adds a line
// or a character that Mermaid would read as its own. That Mermaid takes the texts was tried with Mermaid itself.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import journeys from '../../examples/journeys.js';
import { begin, cel, days, minutes, seconds, skipToFirst, toMermaid } from '../../src/index.js';
import type { Condition } from '../../src/pattern/condition.js';

const isFraud: Condition = {
  type: 'CLASS',
  iterative: false,
  expression: 'org.shop.IsFraud',
  evaluate: () => true,
};

test('stages, their conditions as far as they have a source, and a window', () => {
  const pattern = begin('cart')
    .where(cel("event.eventType == 'cart'"))
    .where(cel('event.price > 200.0'))
    .followedBy('purchase')
    .where((event) => event.eventType === 'purchase')
    .within(minutes(10));
  expect(toMermaid(pattern)).toBe(`stateDiagram-v2
  state "cart" as s1
  s1 : (event.eventType == 'cart') #38;#38; (event.price > 200.0)
  state "purchase" as s2
  note right of s2
    the match within 10 minutes
  end note
  [*] --> s1
  s1 --> s2 : followedBy
  s2 --> [*]
`);
});

test('loops, an optional stage that is passed, until, and a skip strategy', () => {
  const pattern = begin('a')
    .where(isFraud)
    .or(() => true)
    .oneOrMore()
    .consecutive()
    .greedy()
    .until(cel('event.stop'))
    .next('b')
    .times(0, 3, seconds(1))
    .allowCombinations()
    .followedByAny('c')
    .optional()
    .within(minutes(90))
    .within(minutes(1), 'PREVIOUS_AND_CURRENT')
    .afterMatch(skipToFirst('b'));
  expect(toMermaid(pattern)).toBe(`stateDiagram-v2
  state "a" as s1
  s1 : (org.shop.IsFraud) #124;#124; a closure
  s1 : 1 or more, greedy
  s1 : until event.stop
  state "b" as s2
  s2 : 1 to 3 times, optional, windowTime 1 second
  state "c" as s3
  s3 : optional
  note right of s3
    the match within 90 minutes
    within 1 minute of the event before
    after a match SKIP_TO_FIRST b
  end note
  [*] --> s1
  s1 --> s1 : next
  s1 --> s2 : next
  s2 --> s2 : followedByAny
  s1 --> s3 : followedByAny, without b
  s2 --> s3 : followedByAny
  s1 --> [*] : without b, c
  s2 --> [*] : without c
  s3 --> [*]
`);
});

test('a NOT stage is a dead end beside the way on; as the last stage it says when a match is complete', () => {
  const pattern = begin('view').notNext('gone').notFollowedBy('bought').next('cart');
  expect(toMermaid(pattern)).toBe(`stateDiagram-v2
  state "view" as s1
  state "gone" as s2
  state "bought" as s3
  state "cart" as s4
  [*] --> s1
  s1 --> s2 : notNext
  s1 --> s3 : notFollowedBy
  s1 --> s4 : next
  s4 --> [*]
  classDef absent fill:#fdecea,stroke:#c62828,stroke-dasharray:5 5,color:#611a15
  class s2,s3 absent
`);
  expect(toMermaid(begin('a').notNext('b'))).toContain('  s1 --> [*] : any other event\n');
  const waiting = begin('a').notFollowedBy('b').within(days(7));
  expect(toMermaid(waiting)).toContain('  s1 --> [*] : when the window ends\n');
});

test('groups are states around states', () => {
  const inner = begin('x').optional().next('y').within(5).notNext('n').next('z');
  const pattern = begin('a').followedBy(inner).times(2).consecutive().optional().next(begin('b'));
  expect(toMermaid(pattern)).toBe(`stateDiagram-v2
  state "a" as s1
  state "group, 2 times, optional" as g1 {
    state "x" as s2
    s2 : optional
    state "y" as s3
    state "n" as s4
    state "z" as s5
    note right of s3
      the match within 5 milliseconds
    end note
    [*] --> s2
    [*] --> s3 : next, without x
    s2 --> s3 : next
    s3 --> s4 : notNext
    s3 --> s5 : next
    s5 --> [*]
  }
  state "group" as g2 {
    state "b" as s6
    [*] --> s6
    s6 --> [*]
  }
  [*] --> s1
  s1 --> g1 : followedBy
  g1 --> g1 : next
  s1 --> g2 : next, without the group
  g1 --> g2 : next
  g2 --> [*]
  classDef absent fill:#fdecea,stroke:#c62828,stroke-dasharray:5 5,color:#611a15
  class s4 absent
`);
});

test('the churn rule of the examples', () => {
  const loyalty = journeys.journeys.find(({ id }) => id === 'loyalty');
  expect(loyalty?.rules.map(({ pattern }) => toMermaid(pattern))).toEqual([
    `stateDiagram-v2
  state "views" as s1
  s1 : 9 times
  state "tenth" as s2
  state "return" as s3
  note right of s3
    the match within 14 days
    within 7 days of the event before
  end note
  [*] --> s1
  s1 --> s1 : next
  s1 --> s2 : next
  s2 --> s3 : notFollowedBy
  s2 --> [*] : when the window ends
  classDef absent fill:#fdecea,stroke:#c62828,stroke-dasharray:5 5,color:#611a15
  class s3 absent
`,
  ]);
});

test.each([
  ['first_view', 'first_view'],
  ['1. *b*', '1#46; #42;b#42;'],
  ['12) x > y', '12#41; x > y'],
  ['> "q"; # %%', '#62; #34;q#34;#59; #35; #37;#37;'],
  ['_a_ - b', '#95;a#95; #45; b'],
  ['two\nlines', 'two#9226;lines'],
  [' a  b ', '#160;a#160;#160;b#160;'],
  ['end note', 'end#160;note'],
  ['to direction LR', 'to direction#160;LR'],
  ['www.shop.example', 'www#46;shop.example'],
  ['浏览', '浏览'],
  ['😀', '#128512;'],
])('a stage called %j', (name, text) => {
  expect(toMermaid(begin(name))).toBe(
    `stateDiagram-v2\n  state "${text}" as s1\n  [*] --> s1\n  s1 --> [*]\n`,
  );
});

test('any string is a name', () => {
  const name = fc.string({ minLength: 1, unit: 'binary' });
  fc.assert(
    fc.property(name, name, (first, second) => {
      const pattern = begin(first).next(second).optional().within(1).afterMatch(skipToFirst(first));
      const kept = String.raw`(?:[\p{L}\p{N}'=,()>._ -]|#\d+;)*`;
      expect(toMermaid(pattern)).toMatch(
        new RegExp(
          `^stateDiagram-v2
  state "${kept}" as s1
  state "${kept}" as s2
  s2 : optional
  note right of s2
    the match within 1 millisecond
    after a match SKIP_TO_FIRST(?: |#160;)${kept}
  end note
  \\[\\*\\] --> s1
  s1 --> s2 : next
  s1 --> \\[\\*\\] : without ${kept}
  s2 --> \\[\\*\\]
$`,
          'u',
        ),
      );
    }),
  );
});
