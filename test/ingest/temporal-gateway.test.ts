// What is asked of Temporal for a session, and what is made of its answers. The client is a stand-in; real
// servers are met in test/e2e.

import { createHmac } from 'node:crypto';
import {
  type Client,
  ServiceError,
  WorkflowNotFoundError,
  type WorkflowSignalWithStartOptions,
} from '@temporalio/client';
import type { TypedSearchAttributes } from '@temporalio/common';
import { expect, test } from 'vitest';
import { SessionRefused } from '../../src/ingest/gateway.js';
import { temporalGateway } from '../../src/ingest/temporal-gateway.js';
import { sessionWorkflowId } from '../../src/workflows/session-id.js';
import { journeysOf } from './helpers.js';

const batch = { source: 'test', partition: 0, events: [], watermark: 1, lowWater: 0 };
const settings = { outOfOrdernessMs: 2_000, publicationIntervalMs: 1_000 };

/** The part of a client that the gateway uses; each call answers or throws what `answer` says. */
function setUp(answer: () => unknown = () => {}) {
  const asked: unknown[][] = [];
  const ask = async (...args: unknown[]) => {
    asked.push(args);
    return answer();
  };
  const client = {
    withDeadline: (_: number, make: () => Promise<unknown>) => make(),
    workflow: {
      signalWithStart: ask,
      getHandle: (id: string) => ({
        signal: (...args: unknown[]) => ask(id, ...args),
        query: (name: string) => ask(id, name),
      }),
    },
  } as unknown as Client;
  const gateway = temporalGateway({ client, settings, taskQueue: 'queue', journeys: journeysOf() });
  return { gateway, asked };
}

function grpcError(code: number, details: string): ServiceError {
  const cause = Object.assign(new Error(details), { code, details, metadata: {} });
  return new ServiceError('Failed to signal Workflow', { cause });
}

test('a session is started under its id, with what it and people must know', async () => {
  const { gateway, asked } = setUp();
  await gateway.signalWithStart({ journey: 'shop', key: 'k' }, batch);
  expect(asked).toMatchObject([
    [
      'session',
      {
        workflowId: 'shop/k',
        taskQueue: 'queue',
        args: [{ journey: 'shop', key: 'k', settings }],
        signal: 'events',
        signalArgs: [batch],
        memo: { journey: 'shop', key: 'k' },
        staticSummary: 'shop of k',
        staticDetails: expect.stringContaining('**a-then-b**'),
      },
    ],
  ]);
});

test('a session is asked whether it is busy', async () => {
  const answers = [true, false];
  const { gateway, asked } = setUp(() => answers.shift());
  const ref = { journey: 'shop', key: 'k' };
  expect(await gateway.isBusy(ref)).toBe(true);
  expect(await gateway.isBusy(ref)).toBe(false);
  expect(asked).toEqual([
    ['shop/k', 'busy'],
    ['shop/k', 'busy'],
  ]);
});

test('a session is started with what it will show in the list, so that it need not say it', async () => {
  const { gateway, asked } = setUp();
  const events = [{ offset: 0, timestamp: 7, data: { type: 'a', t: 7, key: 'k' } }];
  await gateway.signalWithStart({ journey: 'shop', key: 'k' }, { ...batch, events, watermark: 7 });
  // Nothing is open after this one.
  const both = [...events, { offset: 1, timestamp: 8, data: { type: 'b', t: 8, key: 'k' } }];
  await gateway.signalWithStart(
    { journey: 'shop', key: 'k' },
    { ...batch, events: both, watermark: 8 },
  );
  const shown = asked.map(([, options]) => {
    const { typedSearchAttributes } = options as { typedSearchAttributes: TypedSearchAttributes };
    return Object.fromEntries(
      typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]),
    );
  });
  expect(shown).toEqual([
    { CepJourney: 'shop', CepKey: 'k', CepRules: ['a-then-b'], CepStages: ['a-then-b/b'] },
    { CepJourney: 'shop', CepKey: 'k' },
  ]);
});

test('a long key is in the memo alone: id, search attribute and summary have limits', async () => {
  const { gateway, asked } = setUp();
  const key = 'é'.repeat(3_000);
  await gateway.signalWithStart({ journey: 'shop', key }, batch);
  const [, options] = asked[0] as [string, Record<string, unknown>];
  expect(options.workflowId).toMatch(/^shop\/[0-9a-f]{64}$/);
  expect(options.memo).toEqual({ journey: 'shop', key });
  expect(Buffer.byteLength(options.staticSummary as string)).toBeLessThan(400);
});

test('ids: bytes count, not characters, and different keys have different ids', () => {
  const id = (key: string) => sessionWorkflowId({ journey: 'shop', key });
  expect(id('x'.repeat(200))).toBe(`shop/${'x'.repeat(200)}`);
  expect(id('é'.repeat(100))).toBe(`shop/${'é'.repeat(100)}`);
  expect(id('é'.repeat(101))).toMatch(/^shop\/[0-9a-f]{64}$/);
  expect(id('x'.repeat(201))).not.toBe(id('x'.repeat(202)));
});

test('a signal goes to the running session, or says that there is none', async () => {
  const running = setUp();
  expect(await running.gateway.signal({ journey: 'shop', key: 'k' }, batch)).toBe('accepted');
  expect(running.asked).toEqual([['shop/k', 'events', batch]]);
  const gone = setUp(() => {
    throw new WorkflowNotFoundError('not found', 'shop/k', undefined);
  });
  expect(await gone.gateway.signal({ journey: 'shop', key: 'k' }, batch)).toBe('not-found');
});

test.each([
  ['INVALID_ARGUMENT', 3, 'Blob data size exceeds limit.'],
  ['RESOURCE_EXHAUSTED by size', 8, 'grpc: received message larger than max (5 vs. 4)'],
  ['FAILED_PRECONDITION by a limit', 9, 'signal count limit'],
])('%s is for good', async (_, code, details) => {
  const { gateway } = setUp(() => {
    throw grpcError(code, details);
  });
  const ref = { journey: 'shop', key: 'k' };
  await expect(gateway.signalWithStart(ref, batch)).rejects.toThrow(SessionRefused);
  await expect(gateway.signal(ref, batch)).rejects.toThrow(details);
});

test.each([
  ['DEADLINE_EXCEEDED', 4],
  ['RESOURCE_EXHAUSTED', 8],
  ['INTERNAL', 13],
  ['UNAVAILABLE', 14],
])('%s may pass', async (name, code) => {
  const error = grpcError(code, name);
  const { gateway } = setUp(() => {
    throw error;
  });
  await expect(gateway.signal({ journey: 'shop', key: 'k' }, batch)).rejects.toBe(error);
});

test('under a secret neither id nor search attribute tells the key, and both stay the same', async () => {
  const asked: unknown[][] = [];
  const ask = async (...args: unknown[]) => void asked.push(args);
  const client = {
    withDeadline: (_: number, make: () => Promise<unknown>) => make(),
    workflow: { signalWithStart: ask, getHandle: (id: string) => ({ signal: () => ask(id) }) },
  } as unknown as Client;
  const gateway = temporalGateway({ client, settings, keySecret: 'secret' });
  await gateway.signalWithStart({ journey: 'shop', key: 'ann' }, batch);
  await gateway.signal({ journey: 'shop', key: 'ann' }, batch);
  // printf ann | openssl dgst -sha256 -hmac secret
  const name = createHmac('sha256', 'secret').update('ann').digest('hex');
  const [[, started], [signalled]] = asked as [[string, WorkflowSignalWithStartOptions], [string]];
  expect([started.workflowId, signalled]).toEqual([`shop/${name}`, `shop/${name}`]);
  const attributes = started.typedSearchAttributes as TypedSearchAttributes;
  expect(attributes.getAll().map(({ value }) => value)).toEqual(['shop', name]);
});
