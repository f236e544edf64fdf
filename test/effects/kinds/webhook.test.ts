// Webhooks against real receivers on loopback, good and bad ones: what each of them leads to, and what is told to whom.

import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freePort, LOOPBACK } from '../../../src/servers/ports.js';
import { type Certificates, makeCertificates } from './support/certificates.js';
import { AT, alert, delivery, failureOf, faultOf, NOW, senderOf } from './support/delivery.js';
import { rawServer, receiver } from './support/servers.js';

const webhook = (url: string, more: object = {}, env: NodeJS.ProcessEnv = {}) =>
  senderOf({ kind: 'webhook', url, ...more }, env);
const ok = (response: ServerResponse) => response.end('thanks');
const answering = (status: number, headers: Record<string, string> = {}, body = '') =>
  receiver((response) => response.writeHead(status, headers).end(body));

describe('what is told', () => {
  test('the alert, its effect and its user, under the id of the effect', async () => {
    const { url, received } = await receiver(ok);
    const answer = await webhook(`${url}/hook?a=1`).send(delivery());
    expect(answer).toEqual({ status: 200, body: 'thanks' });
    expect(received).toHaveLength(1);
    const [{ body, headers, url: path } = { body: '', headers: {}, url: '' }] = received;
    expect(path).toBe('/hook?a=1');
    expect(JSON.parse(body)).toEqual({
      id: 'a1b2/remind',
      type: 'CART_ABANDONMENT',
      effect: 'remind',
      alert: 'a1b2',
      rule: 'abandoned',
      journey: 'carts',
      key: 'u1',
      user: { id: 'u1', email: 'ann@example.com', zone: 'Europe/Berlin' },
      at: '2026-01-31T12:00:00.000Z',
      message: alert.message,
      match: alert.match,
    });
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': 'a1b2/remind',
      'webhook-id': 'a1b2/remind',
      'webhook-attempt': '1',
      host: url.replace('http://', ''),
    });
    expect(headers['webhook-signature']).toBeUndefined();
  });

  test('the same bytes in each try', async () => {
    const { url, received } = await receiver(ok);
    const sender = webhook(url);
    await sender.send(delivery());
    await sender.send(delivery({ attempt: 2, now: NOW + 60_000 }));
    expect(received[1]?.body).toBe(received[0]?.body);
    expect(received[1]?.headers['webhook-id']).toBe(received[0]?.headers['webhook-id']);
    expect(received[1]?.headers['webhook-attempt']).toBe('2');
  });

  test('a signature that its receiver can compute', async () => {
    const { url, received } = await receiver(ok);
    const secret = `whsec_${Buffer.from('0123456789abcdef').toString('base64')}`;
    for (const [value, key] of [
      ['plain secret', 'plain secret'],
      [secret, '0123456789abcdef'],
    ] as const) {
      await webhook(url, { secret: { env: 'KEY' } }, { KEY: value }).send(delivery());
      const { headers, body } = received.at(-1) as (typeof received)[0];
      expect(headers['webhook-timestamp']).toBe(`${NOW / 1000}`);
      const signed = `a1b2/remind.${NOW / 1000}.${body}`;
      const expected = createHmac('sha256', key).update(signed).digest('base64');
      expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    }
  });

  test('a signature that the documented ten lines verify', async () => {
    const docs = readFileSync(new URL('../../../docs/effects.md', import.meta.url), 'utf8');
    const code = /```js\n([\s\S]*?)```/.exec(docs)?.[1] ?? '';
    const { isOurs } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    const { url, received } = await receiver(ok);
    const KEY = `whsec_${Buffer.from('0123456789abcdef').toString('base64')}`;
    const sender = webhook(url, { secret: { env: 'KEY' } }, { KEY });
    await sender.send(delivery({ now: Date.now() }));
    const [{ headers, body } = { headers: {}, body: '' }] = received;
    expect(isOurs(headers, body, KEY)).toBe(true);
    expect(isOurs(headers, `${body} `, KEY)).toBe(false);
    expect(isOurs(headers, body, 'another')).toBe(false);
    // One that was recorded an hour ago.
    await sender.send(delivery({ now: Date.now() - 3_600_000 }));
    const [, old] = received;
    expect(isOurs(old?.headers, old?.body, KEY)).toBe(false);
  });

  test('a body and headers of the user’s own', async () => {
    const { url, received } = await receiver(ok);
    const more = {
      body: '{"text": "{{ alert.message }}", "n": {{ cart[0].price }}}',
      headers: { Authorization: { env: 'TOKEN' }, 'X-Shop': 'a' },
    };
    await webhook(url, more, { TOKEN: 'Bearer abcdefgh' }).send(delivery());
    const [{ headers, body } = { headers: {}, body: '' }] = received;
    expect(JSON.parse(body)).toEqual({ text: alert.message, n: 19.9 });
    expect(headers).toMatchObject({ authorization: 'Bearer abcdefgh', 'x-shop': 'a' });
  });

  test('a body that is no JSON is not told, unless it is something else', async () => {
    const { url, received } = await receiver(ok);
    const sender = webhook(url, { body: '{"n": {{ user.id }}}' });
    expect(await failureOf(sender.send(delivery()))).toMatchObject({ reason: 'TEMPLATE' });
    expect(await failureOf(webhook(url, { body: '{{ x }}' }).send(delivery()))).toMatchObject({
      is: 'refused',
      reason: 'TEMPLATE',
    });
    expect(received).toEqual([]);
    const headers = { 'content-type': 'text/plain' };
    await webhook(url, { body: '{{ alert.message }}', headers }).send(delivery());
    expect(received[0]?.body).toBe(alert.message);
  });

  test('a preview has the body, and sends nothing', async () => {
    const { url, received } = await receiver(ok);
    const sender = webhook(url, { body: '"{{ user.id }}"' });
    expect(sender.preview(delivery())).toBe(`POST ${url}\n\n"u1"`);
    expect(received).toEqual([]);
  });
});

describe('what an answer means', () => {
  test.each([
    [400, 'refused'],
    [401, 'refused'],
    [404, 'refused'],
    [410, 'refused'],
    [422, 'refused'],
    [408, 'not-sent'],
    [425, 'not-sent'],
    [429, 'not-sent'],
    [503, 'not-sent'],
    [409, 'unknown'],
    [500, 'unknown'],
    [502, 'unknown'],
    [504, 'unknown'],
  ] as const)('%i: %s', async (status, is) => {
    const { url } = await answering(status, {}, 'why\u0000 not');
    expect(await failureOf(webhook(url).send(delivery()))).toMatchObject({
      is,
      message: `${url} answers ${status}`,
      answer: { status, body: 'why  not' },
    });
  });

  test.each([200, 201, 202, 204])('%i: delivered', async (status) => {
    const { url } = await answering(status);
    expect(await webhook(url).send(delivery())).toEqual({ status });
  });

  test('a receiver that knows no keys', async () => {
    const { url } = await answering(409);
    const sender = webhook(url, { idempotent: false });
    expect(sender.isIdempotent).toBe(false);
    expect(webhook(url).isIdempotent).toBe(true);
    expect(await failureOf(sender.send(delivery()))).toMatchObject({ is: 'refused' });
  });

  test.each([
    ['7', 7_000],
    ['999999', 3_600_000],
    [new Date(NOW + 90_000).toUTCString(), 90_000],
    [new Date(AT - 90_000).toUTCString(), undefined],
    ['0', undefined],
    ['soon', undefined],
    ['-5', undefined],
  ])('Retry-After: %s', async (header, retryAfterMs) => {
    const { url } = await answering(429, { 'retry-after': header });
    const { retryAfterMs: found } = await failureOf(webhook(url).send(delivery()));
    expect(found).toBe(retryAfterMs);
  });

  test('of a long answer 1 kB is kept, and no more than 64 kB are read', async () => {
    const { url } = await answering(200, {}, 'é'.repeat(5_000));
    expect(await webhook(url).send(delivery())).toEqual({ status: 200, body: 'é'.repeat(500) });
    let hasDrained = false;
    const endless = await receiver((response) => {
      const write = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', write).on('close', () => {
        hasDrained = true;
      });
      write();
    });
    expect(await webhook(endless.url).send(delivery())).toMatchObject({ status: 200 });
    await expect.poll(() => hasDrained).toBe(true);
  });
});

describe('redirects', () => {
  test.each([307, 308])('%i to the same host is followed with the same message', async (status) => {
    const { url, received } = await receiver((response, { url: at }) => {
      if (at === '/there') response.end('ok');
      else response.writeHead(status, { location: '/there' }).end();
    });
    const more = { secret: { env: 'KEY' } };
    const answer = await webhook(`${url}/here`, more, { KEY: 'secret' }).send(delivery());
    expect(answer).toEqual({ status: 200, body: 'ok' });
    expect(received.map(({ url: at }) => at)).toEqual(['/here', '/there']);
    expect(received[1]?.body).toBe(received[0]?.body);
    expect(received[1]?.headers['webhook-signature']).toBe(
      received[0]?.headers['webhook-signature'],
    );
  });

  test('to another host nothing is sent', async () => {
    const other = await receiver(ok);
    for (const location of [other.url, 'https://evil.example/x', '//evil.example']) {
      const { url } = await answering(307, { location });
      const { is, message } = await failureOf(webhook(url).send(delivery()));
      expect(is).toBe('refused');
      const host = location === other.url ? other.url : 'evil.example';
      expect(message).toContain(host);
      expect(message).toContain('nothing is sent to another host: correct the url');
    }
    expect(other.received).toEqual([]);
  });

  test('in a circle it ends after three of them', async () => {
    const { url, received } = await answering(308, { location: '/' });
    expect(await failureOf(webhook(url).send(delivery()))).toMatchObject({
      is: 'refused',
      message: `${url} answers 308, and that more than 3 times`,
    });
    expect(received).toHaveLength(4);
  });

  test.each([301, 302, 303])('%i would make a GET of it', async (status) => {
    const { url, received } = await answering(status, { location: '/x' });
    expect(await failureOf(webhook(url).send(delivery()))).toMatchObject({ is: 'refused' });
    expect(received).toHaveLength(1);
  });
});

describe('without an answer', () => {
  test('nobody listens, or the host has no address: not sent', async () => {
    const url = `http://${LOOPBACK}:${await freePort()}`;
    const refused = await failureOf(webhook(url).send(delivery()));
    expect(refused).toMatchObject({ is: 'not-sent' });
    expect(refused.message).toContain(`no connection to ${url}: connect ECONNREFUSED`);
    const nowhere = webhook('http://nowhere.invalid/');
    expect(await failureOf(nowhere.send(delivery()))).toMatchObject({ is: 'not-sent' });
  });

  test('silence: unknown, once the time is over', async () => {
    const { url, received } = await receiver(() => {});
    const failure = await failureOf(webhook(url).send(delivery({ timeoutMs: 150 })));
    expect(failure).toMatchObject({
      is: 'unknown',
      message: `no answer from ${url}: it took longer than 150 ms`,
    });
    expect(received).toHaveLength(1);
  });

  test('a handshake that never ends: not sent', async () => {
    const { url } = await rawServer(() => {});
    const tls = webhook(url.replace('http', 'https'));
    expect(await failureOf(tls.send(delivery({ timeoutMs: 150 })))).toMatchObject({
      is: 'not-sent',
      message: expect.stringContaining('it took longer than 150 ms'),
    });
  });

  test('a slow body: unknown', async () => {
    const { url } = await receiver((response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('.'), 20);
      response.on('close', () => clearInterval(timer));
    });
    const failure = await failureOf(webhook(url).send(delivery({ timeoutMs: 200 })));
    expect(failure).toMatchObject({ is: 'unknown', answer: { status: 200 } });
  });

  test('the worker ends: the connection is let go of', async () => {
    const { url } = await receiver(() => {});
    const ending = new AbortController();
    const trying = failureOf(webhook(url).send(delivery({ signal: ending.signal })));
    setTimeout(() => ending.abort(), 100);
    expect(await trying).toMatchObject({
      is: 'unknown',
      message: `no answer from ${url}: the try was cut short`,
    });
    const before = await failureOf(webhook(url).send(delivery({ signal: AbortSignal.abort() })));
    expect(before).toMatchObject({ is: 'not-sent' });
  });

  test.each([
    ['closes without a word', ''],
    ['speaks no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['cuts off its headers', 'HTTP/1.1 200 OK\r\ncontent-le'],
    ['cuts off its body', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'],
    ['cuts off a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab'],
  ])('who %s leaves it unknown', async (_, text) => {
    const { url } = await rawServer((socket) => {
      socket.once('data', () => socket.end(text));
    });
    expect(await failureOf(webhook(url).send(delivery()))).toMatchObject({ is: 'unknown' });
  });

  test('a connection that is reset leaves it unknown', async () => {
    const { url } = await rawServer((socket) => {
      socket.once('data', () => socket.resetAndDestroy());
    });
    expect(await failureOf(webhook(url).send(delivery()))).toMatchObject({ is: 'unknown' });
  });

  test('a refusal counts even where its text is cut off', async () => {
    const { url } = await rawServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 403 No\r\ncontent-length: 10\r\n\r\nabc'));
    });
    expect(await failureOf(webhook(url).send(delivery()))).toMatchObject({ is: 'refused' });
  });
});

describe('TLS', () => {
  let made: Certificates;
  beforeAll(() => {
    made = makeCertificates(LOOPBACK);
  });
  const trusting = (url: string) => webhook(url, { ca: { env: 'CA' } }, { CA: made.authority });

  test('a certificate of an authority that is named', async () => {
    const { url, received } = await receiver(ok, made.good);
    expect(await trusting(url).send(delivery())).toMatchObject({ status: 200 });
    const folder = await mkdtemp(join(tmpdir(), 'cep-ca-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'ca.pem');
    writeFileSync(file, made.authority);
    expect(await webhook(url, { ca: { file } }).send(delivery())).toMatchObject({ status: 200 });
    expect(received).toHaveLength(2);
  });

  test.each([
    ['selfSigned', 'its certificate is self-signed'],
    ['expired', 'its certificate has expired'],
    ['ofAnotherHost', 'its certificate is for another host'],
  ] as const)('%s: not sent, and not a byte of the message goes out', async (which, said) => {
    const { url, received } = await receiver(ok, made[which]);
    const failure = await failureOf(trusting(url).send(delivery()));
    expect(failure).toMatchObject({ is: 'not-sent' });
    expect(failure.message).toContain(`no connection to ${url}: ${said}`);
    expect(received).toEqual([]);
  });

  test('an authority that nobody has named', async () => {
    const { url, received } = await receiver(ok, made.good);
    const failure = await failureOf(webhook(url).send(delivery()));
    expect(failure).toMatchObject({ is: 'not-sent' });
    expect(failure.message).toContain('from an authority unknown here');
    expect(received).toEqual([]);
  });

  test('a port without TLS', async () => {
    const { url, received } = await receiver(ok);
    const tls = webhook(url.replace('http:', 'https:'));
    expect(await failureOf(tls.send(delivery()))).toMatchObject({ is: 'not-sent' });
    expect(received).toEqual([]);
  });
});

test('no secret is in a failure, an answer or a preview, whatever the receiver repeats', async () => {
  const env = {
    TOKEN: 'Bearer t0ken-of-ours',
    KEY: 'sign1ng-secret',
    HOOK: '',
  };
  const echo = await receiver((response, { headers, url }) => {
    const { authorization = '' } = headers;
    response
      .writeHead(url.includes('ok') ? 200 : 500)
      .end(`${authorization} ${authorization.slice(7)} ${env.KEY} ${url}`);
  });
  const more = {
    headers: { authorization: { env: 'TOKEN' } },
    secret: { env: 'KEY' },
    url: { env: 'HOOK' },
  };
  for (const path of ['/s3cret/path?ok=1', '/s3cret/path']) {
    const sender = senderOf({ kind: 'webhook', ...more }, { ...env, HOOK: `${echo.url}${path}` });
    const said = path.includes('ok')
      ? JSON.stringify(await sender.send(delivery()))
      : (await failureOf(sender.send(delivery()))).all;
    for (const text of [said, sender.preview(delivery())]) {
      expect(text).not.toMatch(/t0ken-of-ours|sign1ng-secret|s3cret/);
    }
    expect(said).toContain('***');
  }
  expect(echo.received[0]?.headers.authorization).toBe(env.TOKEN);
});

test('what is wrong with a declaration is said with its path and a remedy', () => {
  const faultIn = (more: object, env: NodeJS.ProcessEnv = {}) => {
    const { code, message } = faultOf(() => webhook('https://a.example', more, env));
    return `${String(code)} ${message}`;
  };
  expect(faultIn({ url: 'a.example' })).toBe(
    'EFFECTS_INVALID $.effects.remind.send.url: "a.example" is no URL of a receiver: write https://host/path',
  );
  expect(faultIn({ url: 'https://me:pass@a.example' })).not.toContain('pass@');
  expect(faultIn({ secret: { env: 'KEY' } })).toBe(
    'SETTING_INVALID $.effects.remind.send.secret: KEY is not set: set it in the environment',
  );
  expect(faultIn({ secret: 'plain' })).toBe(
    'EFFECTS_INVALID $.effects.remind.send.secret: write {env: "NAME"}, the name of a variable of the environment',
  );
  expect(faultIn({ headers: { 'Webhook-Id': 'x' } })).toBe(
    'EFFECTS_INVALID $.effects.remind.send.headers.Webhook-Id: this header is set by each request: leave it out',
  );
  expect(faultIn({ headers: { 'X-A': { env: 'BAD' } } }, { BAD: 's3cret\nx: y' })).not.toContain(
    's3cret',
  );
  expect(faultIn({ body: '{{ x' })).toContain('$.effects.remind.send.body: ');
  expect(faultIn({ ca: { file: 'none.pem' } })).toContain(
    'SETTING_INVALID $.effects.remind.send.ca: ',
  );
  expect(faultIn({ colour: 1 })).toBe(
    'EFFECTS_INVALID $.effects.remind.send.colour: there is no such field: the kind webhook has kind, url, headers, secret, ca, idempotent, body',
  );
  expect(faultOf(() => senderOf({ kind: 'pigeon' }))).toMatchObject({
    code: 'EFFECTS_INVALID',
    message:
      '$.effects.remind.send.kind: there is no kind "pigeon": write one of webhook, coupon, email, sql, function',
    details: { path: '$.effects.remind.send.kind' },
  });
});
