// Validation of rule sets: all errors and warnings at once, each with its place.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { validateRuleSet } from '../../src/rules/validate.js';

const stage = (name: string, expression: string, type = 'AVIATOR') => ({
  name,
  type: 'ATOMIC',
  quantifier: { properties: ['SINGLE'] },
  condition: { type, expression },
});
const pattern = (expression: string, type?: string, rest: object = {}) => ({
  nodes: [stage('view', expression, type), stage('cart', "eventType == 'cart'")],
  edges: [{ source: 'view', target: 'cart', type: 'SKIP_TILL_NEXT' }],
  window: { type: 'FIRST_AND_LAST', time: { unit: 'MINUTES', size: 10 } },
  ...rest,
});
const rule = (id: string, of: object, rest: object = {}) => ({
  ...{ id, journey: 'shop', pattern: of, onMatch: { alert: 'A' } },
  ...rest,
});
const ruleSet = (rules: object[], rest: object = {}) => ({
  journeys: [{ id: 'shop', key: 'user' }],
  fields: { eventType: 'string', price: 'number' },
  rules,
  ...rest,
});
const found = (json: unknown) =>
  validateRuleSet(json).map(
    ({ severity, path, rule: of, message }) => `${severity} ${path} ${of}: ${message}`,
  );
const good = pattern("eventType == 'view' && price > 3");

test('nothing is wrong with the five', () => {
  const five = JSON.parse(
    readFileSync(new URL('../../examples/five.json', import.meta.url), 'utf8'),
  );
  expect(validateRuleSet(five)).toEqual([]);
});

test('a rule that the module beside it has too is refused, with whatever else is wrong', () => {
  const beside = [
    { id: 'shop', rules: [{ id: 'a' }, { id: 'b' }] },
    { id: 'other', rules: [{ id: 'c' }] },
  ];
  const rules = [rule('a', good), rule('b', pattern('eventType = 3')), rule('c', good)];
  const findings = validateRuleSet(ruleSet(rules), {}, beside);
  expect(findings.map(({ path, message }) => `${path}: ${message}`)).toEqual([
    '$.rules[0].id: the journeys module has a rule of that id for journey "shop": take it out there, or rename this one',
    '$.rules[1].id: the journeys module has a rule of that id for journey "shop": take it out there, or rename this one',
    expect.stringContaining('it assigns'),
  ]);
});

test('every rule that is refused is told of, and those that are fine are not', () => {
  expect(
    found(
      ruleSet([
        rule('a', pattern('eventType = 3')),
        rule('fine', good),
        rule('b', good, { pattern: '{"nodes": []}' }),
        rule('c', pattern('x', 'CLASS')),
        rule('d', good, { onMatch: { alert: 'A', when: 'match.cart[0].price >' } }),
      ]),
    ),
  ).toEqual([
    'error $.rules[0].pattern.nodes[0].condition a: AVIATOR expression, column 11: it assigns: equality is == eventType = 3',
    expect.stringMatching(/^error \$\.rules\[2\]\.pattern\.nodes b: /),
    expect.stringMatching(/^error \$\.rules\[3\]\.pattern\.nodes\[0\]\.condition\S* c: /),
    expect.stringMatching(/^error \$\.rules\[4\]\.onMatch\.when d: CEL expression, column /),
  ]);
});

test('what lies between rules', () => {
  expect(found(ruleSet([rule('a', good), rule('a', good)]))).toEqual([
    'error $ null: journey "shop" has two rules called "a": rename one',
  ]);
  expect(found(ruleSet([rule('a', good, { journey: 'shops' })]))).toEqual([
    'error $.rules[0].journey a: no journey is called "shops": name one of shop',
  ]);
  expect(found({ rules: [] })).toEqual([expect.stringMatching(/^error \$\.journeys null: /)]);
});

test('warnings: fields, spellings, nobody hears of it, and patterns that can explode', () => {
  const strange = pattern("kind == 'view' && brand.name != nil && string.length(eventType) > 2");
  const loop = {
    ...good,
    nodes: [
      {
        ...stage('view', "event.eventType == 'view' && event.colour == 'red'", 'CEL'),
        quantifier: { details: ['LOOPING'] },
      },
      stage('cart', "eventType == 'cart'"),
    ],
    window: { type: 'FIRST_AND_LAST', time: { unit: 'DAYS', size: 7 } },
  };
  expect(
    found(
      ruleSet([
        rule('strange', strange),
        rule('loop', loop),
        rule('silent', good, { onMatch: null }),
      ]),
    ),
  ).toEqual([
    'warning $.rules[0].pattern strange: stage "view" asks for the field "kind", which "fields" does not have: add it there, or correct the condition',
    'warning $.rules[0].pattern strange: stage "view" asks for the field "brand", which "fields" does not have: add it there, or correct the condition',
    'warning $.rules[1].pattern.nodes[0].quantifier.details loop: it is read as properties',
    expect.stringMatching(
      /^warning \$\.rules\[1\]\.pattern loop: `view` may repeat without limit for 7 days under NO_SKIP/,
    ),
    'warning $.rules[1].pattern loop: stage "view" asks for the field "colour", which "fields" does not have: add it there, or correct the condition',
    'warning $.rules[2] silent: nobody hears of its matches: add onMatch, onTimeout or function',
  ]);
});

test('without a schema nobody knows the fields', () => {
  expect(found(ruleSet([rule('a', pattern("kind == 'view'"))], { fields: {} }))).toEqual([]);
});
