// Templates of effects: what they see, what they refuse, and how much they may write.

import { expect, test } from 'vitest';
import { type Escaping, parseTemplate, variablesOf } from '../../../src/effects/kinds/templates.js';
import { alert, delivery, failureOf, faultOf } from './support/delivery.js';

function render(source: string, escaping?: Escaping, of: object = {}): string {
  return parseTemplate(source, 'text', escaping).render(variablesOf({ ...delivery(), ...of }));
}
const refusal = (source: string, of: object = {}) =>
  failureOf(Promise.resolve().then(() => render(source, 'none', of)));

test('they see the match, its stages, the user, the alert and the effect', () => {
  expect(render('{{ match.cart[0].price }} {{ cart.first.price }}')).toBe('19.9 19.9');
  expect(render('{{ user.id }} {{ user.email }} {{ alert.type }} {{ alert.rule }}')).toBe(
    'u1 ann@example.com CART_ABANDONMENT abandoned',
  );
  expect(render('{{ effect.id }} {{ effect.name }} {{ effect.cost.value }}')).toBe(
    'a1b2/remind remind 5.00',
  );
  expect(render('{{ alert.at }} {{ alert.at | date: "%H:%M", user.zone }}')).toBe(
    '2026-01-31T12:00:00.000Z 13:00',
  );
});

test('a stage called as a variable stands in match alone', () => {
  const named = { ...alert, match: { user: [{ id: 'other' }] } };
  expect(render('{{ user.id }} {{ match.user[0].id }}', 'none', { alert: named })).toBe('u1 other');
});

test('what the match lacks refuses the message, with its name and place', async () => {
  expect(await refusal('Hello\n  {{ cart[0].colour }}')).toMatchObject({
    is: 'refused',
    reason: 'TEMPLATE',
    message: 'the template text does not fit: undefined variable: cart.0.colour (line 2, column 6)',
  });
  // Nothing that JavaScript has beside the data.
  expect(await refusal('{{ cart.constructor }}')).toMatchObject({ reason: 'TEMPLATE' });
  expect(await refusal('{{ coupon.code }}')).toMatchObject({ reason: 'TEMPLATE' });
  expect(await refusal('{{ order[0].id }}')).toMatchObject({ reason: 'TEMPLATE' });
  expect(render('{{ order[0].id | default: "none" }}{% if order %}x{% endif %}')).toBe('none');
});

test('values are escaped for what is around them', () => {
  expect(render('{{ alert.message }}')).toBe('left "shoes" <b>');
  expect(render('<i>{{ alert.message }}</i>', 'html')).toBe(
    '<i>left &#34;shoes&#34; &lt;b&gt;</i>',
  );
  const json = '{"m": "{{ alert.message }}", "p": {{ cart[0].price }}, "c": {{ cart | json }}}';
  expect(JSON.parse(render(json, 'json'))).toEqual({
    m: alert.message,
    p: 19.9,
    c: alert.match.cart,
  });
});

test('a template that does not parse is a fault of the declaration', () => {
  expect(faultOf(() => parseTemplate('a\n{{ x | nope }}', 'text'))).toMatchObject({
    code: 'EFFECTS_INVALID',
    message: 'undefined filter: nope (line 2, column 1): correct the template',
    details: { field: 'text', line: 2, column: 1 },
  });
  for (const source of ['{% if %}', '{{ x', '{% for a in b %}']) {
    expect(faultOf(() => parseTemplate(source, 'text')).code).toBe('EFFECTS_INVALID');
  }
});

test('no template reads files', () => {
  for (const tag of ['include', 'render', 'layout']) {
    const { code, message } = faultOf(() => parseTemplate(`{% ${tag} "package.json" %}`, 'text'));
    expect([code, message]).toEqual([
      'EFFECTS_INVALID',
      `tag "${tag}" not found (line 1, column 1): correct the template`,
    ]);
  }
});

test('what a template writes is limited', async () => {
  expect(render('{% for i in (1..256) %}{{ "x" | times: 0 }}{% endfor %}').length).toBe(256);
  const endless =
    '{% for i in (1..2000) %}{% for j in (1..2000) %}abcdefgh{% endfor %}{% endfor %}';
  expect(await refusal(endless)).toMatchObject({
    reason: 'TEMPLATE',
    message: expect.stringContaining('it writes more than 256 kB'),
  });
  expect(await refusal('{% for i in (1..999999999) %}{% endfor %}')).toMatchObject({
    reason: 'TEMPLATE',
  });
});
