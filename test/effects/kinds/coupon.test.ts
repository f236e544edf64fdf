// Coupons: the same code and the same end in each try, and what the issuer makes of them.

import { expect, test } from 'vitest';
import { AT, delivery, failureOf, faultOf, NOW, senderOf } from './support/delivery.js';
import { receiver } from './support/servers.js';

const env = { CODES: 'of our codes' };
const generated = { prefix: 'SPRING-', length: 12, secret: { env: 'CODES' } };
const coupon = (url: string, more: object = {}) =>
  senderOf(
    {
      kind: 'coupon',
      url,
      code: generated,
      value: '5.00',
      currency: 'EUR',
      validFor: '7d',
      ...more,
    },
    env,
  );

test('the issuer is told code, value, end, campaign and user', async () => {
  const { url, received } = await receiver((response) => response.writeHead(201).end());
  const answer = await coupon(url).send(delivery());
  const told = JSON.parse(received[0]?.body ?? '');
  expect(told).toMatchObject({
    id: 'a1b2/remind',
    user: { id: 'u1', email: 'ann@example.com' },
    coupon: {
      code: expect.stringMatching(/^SPRING-[2-9A-HJKMNP-Z]{12}$/),
      value: '5.00',
      currency: 'EUR',
      expiresAt: new Date(AT + 7 * 86_400_000).toISOString(),
      campaign: 'spring',
    },
  });
  expect(answer).toEqual({ status: 201, ...told.coupon });
});

test('a repetition has the same body, another effect another code', async () => {
  const { url, received } = await receiver((response) => response.end());
  const first = delivery();
  await coupon(url).send(first);
  // By a worker that was started anew, a day later.
  await coupon(url).send(delivery({ attempt: 9, now: NOW + 86_400_000 }));
  expect(received[1]?.body).toBe(received[0]?.body);
  const codes = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const effect = { ...first.effect, id: `a${i}/remind` };
    codes.add(
      JSON.parse(
        coupon(url)
          .preview({ ...first, effect })
          .split('\n\n')[1] ?? '',
      ).coupon.code,
    );
  }
  expect(codes.size).toBe(200);
});

test('another secret makes other codes', async () => {
  const of = (secret: string) =>
    senderOf(
      { kind: 'coupon', url: 'http://a', code: generated, value: '1', currency: 'EUR' },
      { CODES: secret },
    ).preview(delivery());
  expect(of('one')).toBe(of('one'));
  expect(of('one')).not.toBe(of('two'));
});

test('what the issuer answers is kept: its own code counts', async () => {
  const said = JSON.stringify({ code: 'THEIRS', expiresAt: '2026-03-01', more: 1 });
  const { url } = await receiver((response) => response.end(said));
  expect(await coupon(url).send(delivery())).toMatchObject({
    code: 'THEIRS',
    expiresAt: '2026-03-01',
    value: '5.00',
  });
  for (const other of ['null', '[]', '{"code": 7}', '{"code": ""}', 'thanks']) {
    const plain = await receiver((response) => response.end(other));
    expect(await coupon(plain.url).send(delivery())).toMatchObject({
      code: expect.stringMatching(/^SPRING-/),
    });
  }
});

test('code and body may be templates', async () => {
  const { url, received } = await receiver((response) => response.end());
  const body = '{"voucher": "{{ coupon.code }}", "until": {{ coupon.expiresAt | json }}}';
  const of = { code: 'U-{{ user.id }}', body, validFor: undefined };
  expect(await coupon(url, of).send(delivery())).toMatchObject({ code: 'U-u1', expiresAt: null });
  expect(JSON.parse(received[0]?.body ?? '')).toEqual({ voucher: 'U-u1', until: null });
  expect(await failureOf(coupon(url, { code: ' ' }).send(delivery()))).toMatchObject({
    is: 'refused',
    reason: 'TEMPLATE',
  });
  expect(received).toHaveLength(1);
});

test('a refusal is one of the webhook', async () => {
  const { url } = await receiver((response) => response.writeHead(402).end('sold out'));
  expect(await failureOf(coupon(url).send(delivery()))).toMatchObject({
    is: 'refused',
    answer: { status: 402, body: 'sold out' },
  });
});

test('what is wrong with a declaration is said with its path', () => {
  const faultIn = (more: object) => faultOf(() => coupon('http://a', more)).message;
  expect(faultIn({ value: 5 })).toContain('$.effects.remind.send.value: ');
  expect(faultIn({ currency: 'euro' })).toBe(
    '$.effects.remind.send.currency: write a code of ISO 4217, such as EUR',
  );
  expect(faultIn({ validFor: 'long' })).toContain('$.effects.remind.send.validFor: "long"');
  expect(faultIn({ code: { secret: { env: 'NONE' } } })).toBe(
    '$.effects.remind.send.code.secret: NONE is not set: set it in the environment',
  );
  expect(faultIn({ code: '{{ nope' })).toContain('$.effects.remind.send.code: ');
});
