// Sessions as people operate them, on a real server: what they ask (explain, timeline), what they do (drop, pause,
// resume, close), what is refused and how, and that a pause outlives the run of the workflow. Then the same from the
// command line, which also finds sessions by the stage they stand in.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CepEvent, EventData } from '../../src/event.js';
import type { SessionGateway } from '../../src/ingest/gateway.js';
import type { Alert } from '../../src/rules/rule.js';
import { findTemporalCli } from '../../src/servers/dev-server.js';
import { days, formatTimestamp, minutes, type Timestamp } from '../../src/time.js';
import {
  type BatchedEvent,
  EXPLAIN_QUERY,
  type NotTakenReason,
  type PartitionProgress,
  TIMELINE_QUERY,
  type UPDATES,
} from '../../src/workflows/messages.js';
import type { SessionExplanation } from '../../src/workflows/operations.js';
import type { SessionResult } from '../../src/workflows/session.js';
import type { TimelineEntry } from '../../src/workflows/timeline.js';
import { until } from '../support/until.js';
import {
  bundleJourneys,
  createWorker,
  memoryLedger,
  openStore,
  temporalGateway,
} from './support/built.js';
import { environment, run } from './support/cli.js';
import { type Dev, startDev } from './support/dev.js';
import { eventsOf } from './support/history.js';
import { feedSession } from './support/session.js';

const MODULE = new URL('support/session-journeys.ts', import.meta.url);
/** Far enough ahead that no timer of a deadline fires. */
const T0 = Date.now() + days(1);
/** Far behind: deadlines have passed on the clock, and only the watermark says when. */
const PAST = Date.now() - days(30);
/** History events after which the server suggests to continue as new. */
const SUGGEST_AFTER = 60;
const BY = { author: 'ann', reason: 'stock is being counted' };

const alerts: Alert[] = [];
const late: { key: string; events: readonly CepEvent[]; reason: NotTakenReason }[] = [];
/** What the ingestor of the source `clicks` says of its partitions. */
const progress = new Map<number, PartitionProgress>();
let dev: Dev;
let bundle: WorkflowBundleWithSourceMap;
let gateway: SessionGateway;
let partitions = 0;

beforeAll(async () => {
  dev = await startDev({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': SUGGEST_AFTER },
  });
  bundle = await bundleJourneys(MODULE);
  gateway = temporalGateway({
    client: dev.client,
    settings: { outOfOrdernessMs: 0, publicationIntervalMs: 0 },
  });
  const { effects, close } = await openStore({ memory: true }, { migrate: true });
  dev.onStop(close);
  const worker = await createWorker({
    journeys: MODULE,
    bundle,
    connection: dev.connection,
    store: {
      progress: { read: async (_, partition) => progress.get(partition) ?? null },
      ledger: memoryLedger(),
      effects,
    },
    alerts: { publish: async (step) => void alerts.push(...step) },
    late: {
      publish: async ({ key }, events, reason) => void late.push({ key, events, reason }),
    },
    activities: { coupon: async () => {}, broken: async () => {} },
  });
  const running = worker.run();
  dev.onStop(() => {
    worker.shutdown();
    return running;
  });
});
afterAll(() => dev?.stop());

function sessionOf(journey: string, key: string) {
  const { client } = dev;
  const session = feedSession({ client, gateway, journey, key, partition: partitions++ });
  const { handle, state } = session;
  return {
    ...session,
    update: <T>(name: keyof typeof UPDATES, request: object = BY): Promise<T> =>
      handle.executeUpdate<T, [object]>(name, { args: [request] }),
    /** What a refused update says. */
    refusal: async (name: keyof typeof UPDATES, request: unknown): Promise<string> => {
      const error = await handle.executeUpdate(name, { args: [request] }).catch((e) => e);
      expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
      return (error as WorkflowUpdateFailedError).cause?.message ?? '';
    },
    open: async (rule = 0) => (await state()).rules[rule]?.open ?? [],
    timeline: () => handle.query<TimelineEntry[]>(TIMELINE_QUERY),
    explain: () => handle.query<SessionExplanation>(EXPLAIN_QUERY),
    result: (): Promise<SessionResult> => handle.result(),
    alerts: () => alerts.filter((alert) => alert.key === key).map(({ type }) => type),
  };
}

function click(
  offset: number,
  eventType: string,
  productId = 'p1',
  timestamp: Timestamp = T0 + offset * 1_000,
): BatchedEvent {
  return { offset, timestamp, data: { eventType, productId, eventTime: timestamp } as EventData };
}

function step(n: number): BatchedEvent {
  return { offset: n, timestamp: T0 + n * 1_000, data: { n } };
}

describe.concurrent('what people ask', () => {
  test('the timeline tells what happened, with rule, stages and coordinates, and outlives a run', async () => {
    const session = sessionOf('cart', 'timeline');
    const at = (offset: number) => `clicks/${session.partition}/${offset}`;
    await session.send([click(0, 'cart'), click(1, 'view'), click(2, 'purchase')]);
    await session.took(3);
    await session.send([click(1, 'view'), click(3, 'cart', 'p2')]);
    await session.send([click(9, 'cart', 'p3', T0 + 1_000)]);
    await until('it is told', async () => (await session.timeline()).length === 5);
    const told = (await session.timeline()).map(({ at: wall, ...entry }) => {
      expect(Math.abs(Date.now() - wall)).toBeLessThan(minutes(5));
      return entry;
    });
    const rule = 'abandonment';
    expect(told).toEqual([
      { what: 'TOOK', rule, stages: ['cart'], eventTime: T0, events: [at(0)] },
      { what: 'TOOK', rule, stages: ['purchase'], eventTime: T0 + 2_000, events: [at(2)] },
      { what: 'MATCH', rule, eventTime: T0 + 2_000, events: [at(0), at(2)], count: 2 },
      { what: 'TOOK', rule, stages: ['cart'], eventTime: T0 + 3_000, events: [at(3)] },
      { what: 'LATE', eventTime: T0 + 1_000, events: [at(9)], count: 1 },
    ]);
    const { runId } = await session.handle.describe();
    for (let n = 10; (await session.handle.describe()).runId === runId; n++) {
      await session.send([click(n, 'view')]);
      await session.took(n - 5);
    }
    expect((await session.timeline()).map(({ what }) => what)).toEqual([
      ...['TOOK', 'TOOK', 'MATCH', 'TOOK', 'LATE', 'CONTINUED'],
    ]);
    await session.handle.terminate();
  });

  test('explain tells how far a rule got, and which condition said no to which event', async () => {
    const session = sessionOf('cart', 'explained');
    await session.send([click(0, 'cart'), click(1, 'view'), click(2, 'purchase', 'p2')]);
    await session.took(3);
    const { text, rules } = await session.explain();
    const [rule] = rules;
    expect(rule?.farthest).toMatchObject({ stage: 'purchase', deadline: T0 + minutes(10) });
    expect(rule?.farthest?.id).toBe((await session.open())[0]?.id);
    expect(rule?.answers.map(({ event, what }) => [event.offset, what])).toEqual([
      [1, 'REFUSED'],
      [2, 'REFUSED'],
    ]);
    expect(rule?.answers[1]?.because[0]?.asked[0]?.values).toContainEqual({
      path: 'event.productId',
      value: 'p2',
    });
    const lines = text.split('\n');
    expect(lines[0]).toBe(`cart/explained: event time has reached ${formatTimestamp(T0 + 2_000)}`);
    expect(lines[2]).toBe('abandonment: 1 open');
    expect(text).toContain('cart took');
    expect(text).toMatch(/#2 .*eventType=purchase.*: not taken: purchase: .*productId/);
    // Asking changes nothing: the purchase that is waited for still comes.
    await session.send([click(3, 'purchase')]);
    await until('it matched', () => session.alerts().length > 0);
    expect(session.alerts()).toEqual(['PURCHASE_COMPLETION']);
    expect((await session.explain()).text).toContain('nothing is open');
    await session.handle.terminate();
  });

  test('a batch that changes no stage writes no search attributes', async () => {
    const session = sessionOf('cart', 'attributes');
    await session.send([click(0, 'cart')]);
    await session.took(1);
    for (let n = 1; n <= 3; n++) {
      await session.send([click(n, 'view')]);
      await session.took(n + 1);
    }
    const upserts = (await eventsOf(dev.client, session.handle.workflowId)).flatMap(
      (event) => event.upsertWorkflowSearchAttributesEventAttributes ?? [],
    );
    expect(upserts.length).toBe(1);
    const { searchAttributes } = await session.handle.describe();
    expect(searchAttributes).toMatchObject({
      CepRules: ['abandonment'],
      CepStages: ['abandonment/purchase'],
    });
    await session.handle.terminate();
  });
});

describe.concurrent('drop', () => {
  test('takes one partial match of several that are one, or all of a rule', async () => {
    const session = sessionOf('limited', 'dropped');
    const startsOf = async () =>
      (await session.open()).map(({ events }) => events.steps?.[0]?.offset);
    await session.send([step(0), step(1), step(2)]);
    await session.took(3);
    expect(await startsOf()).toEqual([0, 1, 2]);
    const ids = (await session.open()).map(({ id }) => id);
    const dropped = { ...BY, rule: 'few', match: ids[1] };
    expect(await session.update('drop', dropped)).toEqual({ dropped: 1 });
    expect(await startsOf()).toEqual([0, 2]);
    expect(await session.refusal('drop', dropped)).toBe(
      `rule "few" has no match "${ids[1]}" open; an id changes when its match takes an event. Open are ${ids[0]}, ${ids[2]}`,
    );
    await session.send([{ ...step(3), data: { n: 1_000 } }]);
    await until('they matched', () => session.alerts().length === 2);
    expect(alerts.filter(({ key }) => key === 'dropped').map(({ message }) => message)).toEqual([
      'from 0',
      'from 2',
    ]);
    expect(await session.update('drop', { ...BY, rule: 'few' })).toEqual({ dropped: 1 });
    const { rules } = await session.state();
    expect(rules[0]).toMatchObject({ openCount: 0, counts: { timeouts: 0, dropped: 2 } });
    expect((await session.timeline()).filter(({ what }) => what === 'DROP')).toMatchObject([
      { rule: 'few', count: 1, ...BY },
      { rule: 'few', count: 1, ...BY },
    ]);
    await session.handle.terminate();
  });

  test('what is wrong with an update is said in one line, and leaves no trace', async () => {
    const session = sessionOf('cart', 'refusals');
    await session.send([click(0, 'cart')]);
    await session.took(1);
    const { historyLength } = await session.handle.describe();
    const text = (field: string, max: number) =>
      `"${field}" must be a text of 1 to ${max} characters`;
    for (const [name, request, message] of [
      ['drop', { ...BY, rule: 'no' }, 'there is no rule "no": open are "abandonment"'],
      ['drop', BY, text('rule', 200)],
      ['drop', { ...BY, rule: 'abandonment', match: '' }, text('match', 200)],
      [
        'drop',
        { ...BY, rules: 'abandonment' },
        'unknown field "rules": use author, reason, rule, match',
      ],
      ['pause', { author: 'ann' }, text('reason', 1_000)],
      ['pause', { author: ' ', reason: 'x' }, text('author', 200)],
      ['pause', { author: 'a'.repeat(201), reason: 'x' }, text('author', 200)],
      [
        'close',
        'ann',
        'give one JSON object, such as {"author": "ann", "reason": "stock is being counted"}',
      ],
      ['resume', BY, 'it is not paused'],
    ] as const) {
      expect(await session.refusal(name, request), name).toBe(message);
    }
    expect((await session.handle.describe()).historyLength).toBe(historyLength);
    await session.update('drop', { ...BY, rule: 'abandonment' });
    expect(await session.refusal('drop', { ...BY, rule: 'abandonment' })).toBe(
      'nothing is open of rule "abandonment": none is open',
    );
    await session.handle.terminate();
  });
});

describe.concurrent('pause', () => {
  test('event time stands; deadlines that pass meanwhile fire on resume', async () => {
    const session = sessionOf('cart', 'paused');
    await session.send([click(0, 'cart', 'p1', PAST)]);
    await session.took(1);
    expect(await session.update('pause')).toEqual({ waiting: 0 });
    expect(await session.refusal('pause', BY)).toMatch(
      /^it is paused already, since \S+ by ann: stock is being counted$/,
    );
    const bought = click(2, 'purchase', 'p2', PAST + minutes(2));
    await session.send([click(1, 'cart', 'p2', PAST + minutes(1)), bought]);
    await session.send([click(3, 'cart', 'p3', PAST + minutes(30))]);
    progress.set(session.partition, {
      watermark: PAST + minutes(60),
      lowWater: 4,
      finished: false,
    });
    await session.took(4);
    const { paused, watermark, rules } = await session.state();
    expect([watermark, paused]).toEqual([PAST, { ...BY, at: expect.any(Number) }]);
    expect(rules[0]?.counts).toMatchObject({ matches: 0, timeouts: 0 });
    expect((await session.handle.describe()).searchAttributes).toMatchObject({ CepPaused: [true] });
    expect((await session.explain()).text).toContain('PAUSED since');
    expect(session.alerts()).toEqual([]);
    expect(await session.update('resume', { author: 'bob', reason: 'counted' })).toEqual({
      waiting: 3,
    });
    const result = await session.result();
    expect(session.alerts().toSorted()).toEqual([
      ...['CART_ABANDONMENT', 'CART_ABANDONMENT', 'PURCHASE_COMPLETION'],
    ]);
    expect(result.counts).toMatchObject({ events: 4, alerts: 3, late: 0, refused: 0 });
    const { searchAttributes } = await session.handle.describe();
    expect(searchAttributes.CepPaused).toEqual([false]);
  });

  test('what has no room in a paused session goes where refused events go', async () => {
    const session = sessionOf('limited', 'full');
    await session.send([step(0)]);
    await session.took(1);
    await session.update('pause');
    await session.send([step(1), step(2), step(3), step(4)]);
    await session.took(5);
    expect((await session.state()).counts.refused).toBe(0);
    await session.send([step(5)]);
    await until('they are published', () => late.some(({ key }) => key === 'full'));
    const refused = late.filter(({ key }) => key === 'full');
    expect(refused.map(({ reason }) => reason)).toEqual(['NO_ROOM_IN_SESSION']);
    expect(refused[0]?.events.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5]);
    await session.handle.terminate();
  });

  test('it outlives the run, and the session does not end', async () => {
    const session = sessionOf('cart', 'outlived');
    await session.send([click(0, 'cart', 'p1', PAST)]);
    await session.took(1);
    await session.update('pause');
    const { runId } = await session.handle.describe();
    let n = 1;
    for (; (await session.handle.describe()).runId === runId; n++) {
      await session.send([click(n, 'view', 'p1', PAST + n)], { lowWater: n });
      await session.took(n + 1);
    }
    const { paused, rules } = await session.state();
    expect(paused).toMatchObject(BY);
    expect(rules[0]).toMatchObject({ openCount: 1 });
    await session.send([click(n, 'purchase', 'p1', PAST + n)], { lowWater: n + 1 });
    await session.took(n + 1);
    expect(session.alerts()).toEqual([]);
    await session.update('resume');
    await session.result();
    expect(session.alerts()).toEqual(['PURCHASE_COMPLETION']);
  });
});

describe.concurrent('close', () => {
  test('drops what is open, ends when nothing can come again, and says who did it', async () => {
    const session = sessionOf('cart', 'closed');
    await session.send([click(0, 'cart'), click(1, 'cart', 'p2')], { watermark: T0 });
    await session.took(2);
    expect(await session.update('close')).toEqual({ dropped: 1, refused: 1 });
    expect((await session.state()).rules[0]).toMatchObject({ openCount: 0 });
    await until('it is published', () => late.some(({ key }) => key === 'closed'));
    expect(late.filter(({ key }) => key === 'closed')).toMatchObject([
      { events: [{ offset: 1 }], reason: 'SESSION_CLOSED' },
    ]);
    // A repeat finds it still there, and begins nothing.
    await session.send([click(0, 'cart')], { watermark: T0 });
    await until('it was seen', async () => (await session.state()).counts.repeats === 1);
    const { runId } = await session.handle.describe();
    progress.set(session.partition, { watermark: T0, lowWater: 2, finished: false });
    const result = await session.result();
    expect(result).toMatchObject({
      closed: { ...BY, at: expect.any(Number) },
      counts: { events: 2, repeats: 1, refused: 1, alerts: 0 },
      rules: { abandonment: { matches: 0, timeouts: 0, dropped: 1 } },
    });
    // What comes later begins afresh.
    await session.send([click(2, 'cart', 'p3')]);
    await session.took(1);
    expect((await session.handle.describe()).runId).not.toBe(runId);
    expect((await session.timeline()).map(({ what }) => what)).toEqual(['TOOK']);
    await session.handle.terminate();
    expect(session.alerts()).toEqual([]);
  });
});

describe('from the command line', () => {
  const temporalCep = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(args, {
      env: environment({ TEMPORAL_ADDRESS: dev.address }),
    });
    return { code, said: `${stdout}${stderr}`.trim() };
  };
  const at = (key: string) => ['--journey', 'cart', '--key', key];
  const by = ['--author', 'ann', '--reason', "it's a test"];

  test('find lists sessions by rule, stage, deadline and key, whatever stands in it', async () => {
    const key = `o'neil" OR CepKey != 'x`;
    const session = sessionOf('cart', key);
    await session.send([click(0, 'cart')]);
    await session.took(1);
    const find = async (...args: string[]) => {
      const { code, said } = await temporalCep('find', '--key', key, '--json', ...args);
      expect(code, said).toBe(0);
      return JSON.parse(said) as object[];
    };
    const ours = {
      journey: 'cart',
      key,
      stages: ['abandonment/purchase'],
      nextDeadline: formatTimestamp(T0 + minutes(10)),
      paused: false,
      workflowId: `cart/${key}`,
    };
    await until('it is listed', async () => (await find()).length > 0);
    expect(await find('--rule', 'abandonment', '--stage', 'purchase')).toEqual([ours]);
    expect(await find('--rule', 'abandonment', '--stage', 'cart')).toEqual([]);
    expect(await find('--rule', "aban'donment")).toEqual([]);
    expect(await find('--journey', 'cart', '--due-before', `${T0 + minutes(11)}`)).toEqual([ours]);
    expect(await find('--due-before', formatTimestamp(T0 + minutes(10)))).toEqual([]);
    expect(await find('--paused')).toEqual([]);
    expect((await temporalCep('find', '--key', key)).said).toContain('abandonment/purchase');
    expect(await temporalCep('find', '--stage', 'purchase')).toEqual({
      code: 1,
      said: 'temporal-cep: --stage is a stage of a rule: name it with --rule',
    });
    await session.handle.terminate();
  });

  test('a session is looked into and operated', async () => {
    const key = 'from-cli';
    const session = sessionOf('cart', key);
    await session.send([click(0, 'cart'), click(1, 'cart', 'p2')]);
    await session.took(2);
    const ids = (await session.open()).map(({ id }) => id as string);
    const state = await temporalCep('session', 'state', ...at(key));
    for (const id of ids) expect(state.said).toContain(id);
    expect((await temporalCep('session', 'pause', ...at(key), ...by)).said).toBe('paused');
    expect((await temporalCep('session', 'state', ...at(key))).said).toContain(
      "by ann: it's a test",
    );
    expect(await temporalCep('session', 'pause', ...at(key), ...by)).toEqual({
      code: 1,
      said: expect.stringMatching(
        /^temporal-cep: session cart\/from-cli refuses it: it is paused already, since .* by ann: it's a test$/,
      ),
    });
    const which = ['--rule', 'abandonment', '--match', ids[1] as string];
    expect((await temporalCep('session', 'drop', ...at(key), ...by, ...which)).said).toBe(
      '1 partial match dropped',
    );
    expect((await temporalCep('session', 'resume', ...at(key), ...by)).said).toBe(
      'resumed; 0 events had waited',
    );
    expect((await temporalCep('session', 'explain', ...at(key))).said).toContain(ids[0]);
    const timeline = await temporalCep('session', 'timeline', ...at(key));
    expect(timeline.said.match(/TOOK|PAUSE|DROP|RESUME/g)).toEqual([
      ...['TOOK', 'TOOK', 'PAUSE', 'DROP', 'RESUME'],
    ]);
    expect((await temporalCep('session', 'close', ...at(key), ...by)).said).toBe(
      'closed: 1 partial match dropped; in the late output: 0 events that waited',
    );
    progress.set(session.partition, { watermark: T0, lowWater: 2, finished: false });
    await session.result();
    expect(await temporalCep('session', 'state', ...at(key))).toEqual({
      code: 1,
      said: expect.stringContaining('no session of journey "cart" is open for the key "from-cli"'),
    });
  });

  test("Temporal's own does the same, with one JSON object", async () => {
    const session = sessionOf('cart', 'by-temporal');
    await session.send([click(0, 'cart')]);
    await session.took(1);
    const cli = await findTemporalCli();
    const temporal = (...args: string[]) =>
      promisify(execFile)(cli, [
        ...['workflow', ...args, '--address', dev.address, '--workflow-id', 'cart/by-temporal'],
      ]);
    const input = '{"author":"bob","reason":"counted"}';
    await temporal('update', 'execute', '--name', 'pause', '--input', input);
    expect((await session.state()).paused).toMatchObject({ author: 'bob', reason: 'counted' });
    expect((await temporal('query', '--type', 'explain')).stdout).toContain('PAUSED');
    await temporal('update', 'execute', '--name', 'resume', '--input', input);
    expect((await session.state()).paused).toBeNull();
    await session.handle.terminate();
  });
});
