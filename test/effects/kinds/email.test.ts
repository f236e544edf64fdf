// Mails against real SMTP servers on loopback: what they contain, and what becomes of one at each stage at which a server can
// refuse it or hang up.

import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freePort, LOOPBACK } from '../../../src/servers/ports.js';
import { type Certificates, makeCertificates } from './support/certificates.js';
import { alert, delivery, failureOf, faultOf, senderOf } from './support/delivery.js';
import { rawServer } from './support/servers.js';

const mail = { from: 'Shop <shop@example.com>', subject: 'For {{ user.id }}', text: 'Hello' };
const email = (url: string, more: object = {}, env: NodeJS.ProcessEnv = {}) =>
  senderOf(
    { kind: 'email', server: { env: 'SMTP_URL' }, ...mail, ...more },
    {
      SMTP_URL: url,
      ...env,
    },
  );

interface Taken {
  readonly from: unknown;
  readonly to: readonly string[];
  readonly text: string;
}

/** A mail server that keeps what it takes. */
async function mailServer(options: SMTPServerOptions = {}) {
  const taken: Taken[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    onData: (stream, { envelope }, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = envelope;
        taken.push({
          from: mailFrom ? mailFrom.address : null,
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString(),
        });
        done(null, 'queued as 42');
      });
    },
    ...options,
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, () => resolve()));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const { port } = server.server.address() as AddressInfo;
  return { url: `smtp://${LOOPBACK}:${port}`, port, taken };
}

function refusing(responseCode: number): Error {
  return Object.assign(new Error('no'), { responseCode });
}

/** A header of a mail as it went over the wire, unfolded. */
function header(text: string, name: string): string | undefined {
  const unfolded = text.split('\r\n\r\n')[0]?.replace(/\r\n[ \t]/g, ' ') ?? '';
  return new RegExp(`^${name}: (.*)$`, 'im').exec(unfolded)?.[1];
}

describe('what is sent', () => {
  test('a mail to the user, known by its effect', async () => {
    const { url, taken } = await mailServer();
    const more = { text: '{{ alert.message }}', html: '<p>{{ alert.message }}</p>' };
    const answer = await email(url, more).send(delivery());
    expect(taken).toHaveLength(1);
    const [{ from, to, text } = { from: '', to: [], text: '' }] = taken;
    expect([from, to]).toEqual(['shop@example.com', ['ann@example.com']]);
    expect(header(text, 'From')).toBe('Shop <shop@example.com>');
    expect(header(text, 'To')).toBe('ann@example.com');
    expect(header(text, 'Subject')).toBe('For u1');
    expect(header(text, 'X-Effect-Id')).toBe('a1b2/remind');
    const id = header(text, 'Message-ID');
    expect(id).toMatch(/^<[0-9a-f]{32}@example\.com>$/);
    expect(text).toContain(alert.message);
    expect(text).toContain('<p>left &#34;shoes&#34; &lt;b&gt;</p>');
    expect(answer).toEqual({ messageId: id, response: '250 queued as 42' });

    await email(url, more).send(delivery({ attempt: 2 }));
    expect(header(taken[1]?.text ?? '', 'Message-ID')).toBe(id);
  });

  test('repetitions are not known to a mail server', async () => {
    expect(email('smtp://a').isIdempotent).toBe(false);
  });

  test('a preview has the text', () => {
    expect(email('smtp://me:s3cret@a').preview(delivery())).toBe(
      'From: Shop <shop@example.com>\nTo: ann@example.com\nSubject: For u1\n\nHello',
    );
  });

  test('nothing without one address', async () => {
    const { url, taken } = await mailServer();
    for (const address of [
      null,
      '',
      'ann',
      'a@b, c@d.example',
      'a@b\r\nBcc: c@d.example',
      '<a@b> c@d.example',
      'group: a@b;',
      `${'a'.repeat(300)}@b.example`,
    ]) {
      const failure = await failureOf(email(url).send(delivery({}, address)));
      expect([address, failure.is, failure.reason]).toEqual([address, 'refused', 'NO_ADDRESS']);
    }
    expect(taken).toEqual([]);
    await email(url, { to: 'Ann <{{ user.email }}>\n' }).send(delivery());
    expect(taken[0]?.to).toEqual(['ann@example.com']);
  });

  test('no header by way of the subject', async () => {
    const { url, taken } = await mailServer();
    const evil = { ...alert, message: 'hi\r\nBcc: evil@example.com' };
    const sender = email(url, { subject: '{{ alert.message }}' });
    expect(await failureOf(sender.send(delivery({ alert: evil })))).toMatchObject({
      is: 'refused',
      reason: 'TEMPLATE',
    });
    expect(taken).toEqual([]);
  });
});

describe('what a server says to it', () => {
  const stages: [name: string, (code: number) => SMTPServerOptions][] = [
    ['MAIL FROM', (code) => ({ onMailFrom: (_, __, done) => done(refusing(code)) })],
    ['RCPT TO', (code) => ({ onRcptTo: (_, __, done) => done(refusing(code)) })],
    [
      'the message',
      (code) => ({
        onData: (stream, _, done) => {
          stream.resume();
          stream.on('end', () => done(refusing(code)));
        },
      }),
    ],
  ];
  for (const [stage, options] of stages) {
    test.each([
      [550, 'refused'],
      [451, 'not-sent'],
    ] as const)(`${stage}: %i, %s`, async (code, is) => {
      const { url, taken } = await mailServer(options(code));
      const failure = await failureOf(email(url).send(delivery()));
      expect(failure).toMatchObject({ is, answer: { response: `${code} no` } });
      expect(taken).toEqual([]);
    });
  }

  test('a greeting or a login with 5xx is a fault of ours: not sent', async () => {
    const noLogin = {
      onAuth: (_: unknown, __: unknown, done: (error: Error) => void) => done(refusing(535)),
    };
    const login = await mailServer({ ...noLogin, authOptional: false, allowInsecureAuth: true });
    const url = login.url.replace('//', '//me:s3cret%2Fpass@');
    const failure = await failureOf(email(url).send(delivery()));
    expect(failure).toMatchObject({ is: 'not-sent', answer: { response: '535 no' } });
    expect(failure.all).not.toMatch(/s3cret/);
    const greeting = await mailServer({ onConnect: (_, done) => done(refusing(554)) });
    expect(await failureOf(email(greeting.url).send(delivery()))).toMatchObject({ is: 'not-sent' });
  });

  test('what it says of the password is not repeated', async () => {
    const { url } = await mailServer({
      allowInsecureAuth: true,
      onAuth: ({ password }, _, done) =>
        done(Object.assign(new Error(`not ${password}`), { responseCode: 535 })),
    });
    const failure = await failureOf(email(url.replace('//', '//me:s3cret@')).send(delivery()));
    expect(failure.all).not.toContain('s3cret');
    expect(failure.message).toContain('not ***');
  });
});

/** Speaks SMTP as far as it is told, and then does something else. */
async function untilStage(stage: string, then: (socket: Socket) => void, after = '') {
  const replies: [RegExp, string][] = [
    [/^EHLO/i, '250 here\r\n'],
    [/^MAIL/i, '250 ok\r\n'],
    [/^RCPT/i, '250 ok\r\n'],
    [/^DATA/i, '354 go on\r\n'],
    [/\r\n\.\r\n$/, '250 taken\r\n'],
  ];
  let got = '';
  const { port } = await rawServer((socket) => {
    if (stage === 'greeting') {
      then(socket);
      return;
    }
    socket.write('220 here\r\n');
    socket.on('data', (data: Buffer) => {
      got += data;
      const said = data.toString();
      if (new RegExp(stage, 'i').test(said)) {
        if (after) socket.write(after);
        then(socket);
        return;
      }
      const reply = replies.find(([command]) => command.test(said));
      if (reply) socket.write(reply[1]);
    });
  });
  return { url: `smtp://${LOOPBACK}:${port}`, got: () => got };
}

describe('a connection that breaks', () => {
  const cut = (socket: Socket) => socket.destroy();
  const say = (text: string) => (socket: Socket) => {
    socket.write(text);
  };

  test.each(['greeting', '^EHLO', '^MAIL', '^RCPT', '^DATA'])('at %s: not sent', async (stage) => {
    const { url } = await untilStage(stage, cut);
    expect(await failureOf(email(url).send(delivery()))).toMatchObject({ is: 'not-sent' });
  });

  test('after the message, without a reply: unknown', async () => {
    const { url, got } = await untilStage('\\r\\n\\.\\r\\n$', cut);
    expect(await failureOf(email(url).send(delivery()))).toMatchObject({ is: 'unknown' });
    expect(got()).toContain('Hello');
  });

  test('within the message, all of which was on its way: unknown', async () => {
    const { url } = await untilStage('X-Effect-Id', cut);
    expect(await failureOf(email(url).send(delivery()))).toMatchObject({ is: 'unknown' });
  });

  test.each(['greeting', '^EHLO', '^RCPT', '^DATA'])('silence at %s: not sent', async (stage) => {
    const { url } = await untilStage(stage, () => {});
    const failure = await failureOf(email(url).send(delivery({ timeoutMs: 200 })));
    expect(failure).toMatchObject({ is: 'not-sent' });
  });

  test('silence after the message: unknown, and the connection is let go of', async () => {
    let isClosed = false;
    const { url } = await untilStage('\\r\\n\\.\\r\\n$', (socket) => {
      socket.on('close', () => {
        isClosed = true;
      });
    });
    expect(await failureOf(email(url).send(delivery({ timeoutMs: 200 })))).toMatchObject({
      is: 'unknown',
    });
    await expect.poll(() => isClosed).toBe(true);
  });

  test('a try that was cut short sends nothing later', async () => {
    const ending = new AbortController();
    let answerNow = () => {};
    const { url, got } = await untilStage('^RCPT', (socket) => {
      answerNow = () => socket.write('250 ok\r\n');
      ending.abort();
    });
    const failure = await failureOf(email(url).send(delivery({ signal: ending.signal })));
    expect(failure).toMatchObject({ is: 'not-sent' });
    answerNow();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(got()).not.toContain('DATA');
  });

  test('garbage: not sent before the message, unknown after it', async () => {
    const http = await untilStage('greeting', say('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await failureOf(email(http.url).send(delivery()))).toMatchObject({ is: 'not-sent' });
    const late = await untilStage('\\r\\n\\.\\r\\n$', say('what?\r\n'));
    expect(await failureOf(email(late.url).send(delivery()))).toMatchObject({ is: 'unknown' });
  });

  test('nobody listens: not sent', async () => {
    const url = `smtp://me:s3cret@${LOOPBACK}:${await freePort()}`;
    const failure = await failureOf(email(url).send(delivery()));
    expect(failure).toMatchObject({ is: 'not-sent' });
    expect(failure.message).toContain('ECONNREFUSED');
    expect(failure.all).not.toContain('s3cret');
  });
});

describe('TLS', () => {
  let made: Certificates;
  beforeAll(() => {
    made = makeCertificates(LOOPBACK);
  });

  test('from the start, or by STARTTLS', async () => {
    const secure = await mailServer({ secure: true, ...made.good });
    const upgraded = await mailServer({ ...made.good, disabledCommands: [] });
    const ca = { ca: { env: 'CA' } };
    const env = { CA: made.authority };
    await email(secure.url.replace('smtp:', 'smtps:'), ca, env).send(delivery());
    await email(upgraded.url, ca, env).send(delivery());
    expect([secure.taken.length, upgraded.taken.length]).toEqual([1, 1]);
  });

  test.each([
    ['selfSigned', 'self-signed'],
    ['expired', 'has expired'],
    ['ofAnotherHost', 'is for another host'],
  ] as const)('%s: not sent', async (which, said) => {
    for (const secure of [true, false]) {
      const server = await mailServer({ ...made[which], secure, disabledCommands: [] });
      const url = secure ? server.url.replace('smtp:', 'smtps:') : server.url;
      const sender = email(url, { ca: { env: 'CA' } }, { CA: made.authority });
      const failure = await failureOf(sender.send(delivery()));
      expect(failure).toMatchObject({ is: 'not-sent' });
      expect(failure.message).toContain(`its certificate`);
      expect(failure.message).toContain(said);
      expect(server.taken).toEqual([]);
    }
  });
});

test('what is wrong with a declaration is said with its path', () => {
  const faultIn = (more: object, url = 'smtp://a') => faultOf(() => email(url, more)).message;
  expect(faultIn({ from: 'shop' })).toContain('$.effects.remind.send.from: ');
  expect(faultIn({ from: 'a@b\r\nBcc: c@d' })).toContain('$.effects.remind.send.from: ');
  expect(faultIn({ text: undefined })).toContain('$.effects.remind.send.text: ');
  expect(faultIn({ html: '{% if %}' })).toContain('$.effects.remind.send.html: ');
  expect(faultIn({ subject: 5 })).toBe('$.effects.remind.send.subject: write a template');
  const bad = faultIn({}, 'http://me:s3cret@a');
  expect(bad).toContain('$.effects.remind.send.server: SMTP_URL is no address of a mail server');
  expect(bad).not.toContain('s3cret');
});
