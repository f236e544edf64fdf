// The text of an alert: what is filled in without Mustache is what Mustache would fill in.

import Mustache from 'mustache';
import { expect, test } from 'vitest';
import { fillIn } from '../../src/rules/message.js';

const data = {
  text: 'a <b> & "c"',
  count: 3.5,
  yes: true,
  none: null,
  nested: { of: 'two', list: [1, 2] },
  list: ['x', 'y'],
  '': 'no name',
};
const match = { cart: [data, { text: 'second' }], length: [{ text: 'odd' }], 'a.b': [data] };

test.each([
  '',
  'no field',
  '{{cart.0.text}} at {{cart.0.count}}: {{cart.0.yes}}',
  '{{{cart.1.text}}}{{&cart.1.text}}{{ cart.1.text }}',
  '{{cart.0.none}}{{cart.0.missing}}{{missing.0.text}}{{missing}}{{cart.5.text}}{{cart.0.none.text}}',
  '{{cart.length}} {{cart.0.text.length}} {{cart.0.list.length}} {{cart.0.count.toFixed}}',
  '{{cart.0.nested}} {{cart.0.nested.of}} {{cart.0.list}} {{cart}} {{cart.0}}',
  '{{length.0.text}} {{toString}} {{cart.toString}} {{constructor.name}} {{__proto__.x}}',
  '{{.}} {{.cart}} {{cart.}} {{a.b.0.text}} {{cart.0.}}',
  '{{#cart}}{{text}},{{/cart}}{{^missing}}none{{/missing}}{{! said to nobody }}',
  '{{#cart}}\n  {{text}}\n{{/cart}}\n{{cart.0.text}}\n',
  '{{=<% %>=}}<%cart.0.text%>',
])('%j', (template) => {
  const expected = new Mustache.Writer().render(template, match, undefined, { escape: String });
  expect(fillIn(template, match)).toBe(expected);
  expect(fillIn(template, match)).toBe(expected);
});

test('a template that is none is refused each time', () => {
  for (let i = 0; i < 2; i++) expect(() => fillIn('{{#cart}}', match)).toThrow('Unclosed section');
});
