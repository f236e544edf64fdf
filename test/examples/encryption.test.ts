// The codec of the encryption example by itself: what it makes unreadable, whose keys read it, what it says of keys
// and payloads that are wrong; and the codec server before it. With sessions: test/e2e/encryption.test.ts.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { expect, test } from 'vitest';
import { AesGcmCodec, keysFrom } from '../../examples/encryption/aes-gcm-codec.js';
import { codecServer } from '../../examples/encryption/codec-server.js';

const key = (fill: number) => Buffer.alloc(32, fill).toString('base64');
const codecOf = (keys: string) => new AesGcmCodec(keysFrom(keys));
const OLD = `old=${key(1)}`;
const NEW = `new=${key(2)}`;
const VALUE = { customer: 'ann', note: 'ünï' };

const sealedBy = async (codec: AesGcmCodec): Promise<Payload> => {
  const [sealed] = await codec.encode([defaultPayloadConverter.toPayload(VALUE)]);
  return sealed as Payload;
};
const read = async (codec: AesGcmCodec, payload: Payload) => {
  const [plain] = await codec.decode([payload]);
  return defaultPayloadConverter.fromPayload(plain as Payload);
};
const textOf = (payload: Payload) =>
  Buffer.concat([...Object.values(payload.metadata ?? {}), payload.data ?? Buffer.of()]).toString();

test('what it writes shows its encoding and the id of its key, and differs each time', async () => {
  const codec = codecOf(OLD);
  const [one, other] = [await sealedBy(codec), await sealedBy(codec)];
  expect(textOf(one)).toMatch(/^binary\/encryptedold/);
  expect(textOf(one)).not.toMatch(/ann|json/);
  expect(Buffer.from(one.data ?? []).equals(Buffer.from(other.data ?? []))).toBe(false);
  expect(await read(codec, one)).toEqual(VALUE);
});

test('rotation: the first key writes, each of them reads', async () => {
  const written = await sealedBy(codecOf(OLD));
  const rotated = codecOf(`${NEW},${OLD}`);
  expect(textOf(await sealedBy(rotated))).toMatch(/^binary\/encryptednew/);
  expect(await read(rotated, written)).toEqual(VALUE);
  expect(await read(codecOf(`${OLD},${NEW}`), await sealedBy(rotated))).toEqual(VALUE);
});

test('payloads from before encryption are read as they are', async () => {
  expect(await read(codecOf(OLD), defaultPayloadConverter.toPayload(VALUE))).toEqual(VALUE);
});

test('a key that is not known, another key of the same name, a payload that was changed', async () => {
  const sealed = await sealedBy(codecOf(OLD));
  await expect(read(codecOf(NEW), sealed)).rejects.toThrow(
    'a payload was encrypted with the key "old", and ENCRYPTION_KEYS has only new: add it there',
  );
  const wrong = `a payload can't be decrypted with the key "old": it was changed since, or ENCRYPTION_KEYS has another key under that name`;
  await expect(read(codecOf(`old=${key(3)}`), sealed)).rejects.toThrow(wrong);
  const { metadata = {}, data = new Uint8Array() } = sealed;
  for (const at of [0, 20, (data?.length ?? 0) - 1]) {
    const changed = Buffer.from(data ?? []);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await expect(read(codecOf(OLD), { metadata, data: changed })).rejects.toThrow(wrong);
  }
  await expect(read(codecOf(OLD), { metadata, data: Buffer.alloc(5) })).rejects.toThrow(wrong);
});

test.each([
  ['', 'there is no key to encrypt with: set ENCRYPTION_KEYS to id=base64'],
  ['nothing', 'an entry of ENCRYPTION_KEYS is not of the form id=base64'],
  [`${OLD},${OLD}`, 'ENCRYPTION_KEYS has the key "old" twice'],
  [
    'short=AAAA',
    'the key "short" of ENCRYPTION_KEYS has 3 bytes, not 32: make one with openssl rand -base64 32',
  ],
])('keys that are wrong are named, and not told: %s', (keys, message) => {
  expect(() => codecOf(keys)).toThrow(message);
});

test('the codec server decodes for the UI, and does nothing else', async () => {
  const origin = 'http://localhost:8233';
  const server = codecServer(codecOf(OLD), origin).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = (path: string, body: object) =>
    fetch(`${address}${path}`, { method: 'POST', body: JSON.stringify(body) });
  const json = ({ metadata, data }: Payload) => ({
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([name, bytes]) => [
        name,
        Buffer.from(bytes).toString('base64'),
      ]),
    ),
    data: Buffer.from(data ?? []).toString('base64'),
  });
  try {
    const payloads = [json(await sealedBy(codecOf(OLD)))];
    const decoded = await post('/decode', { payloads });
    expect(decoded.headers.get('access-control-allow-origin')).toBe(origin);
    expect(await decoded.json()).toEqual({
      payloads: [json(defaultPayloadConverter.toPayload(VALUE))],
    });
    const preflight = await fetch(`${address}/decode`, { method: 'OPTIONS' });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([
      204,
      'content-type,x-namespace,authorization',
    ]);
    expect((await post('/encode', { payloads })).status).toBe(404);
    const unknown = await post('/decode', { payloads: [json(await sealedBy(codecOf(NEW)))] });
    expect([unknown.status, await unknown.json()]).toEqual([
      400,
      { message: expect.stringContaining('"new"') },
    ]);
  } finally {
    server.close();
  }
});
