// Sessions on a real server under rules that come from a table: taken up with the next event and at the next deadline,
// over the end of a run, while the table is away, and in the shadow.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { HandOverNews, RuleReader } from '../../src/activities/index.js';
import type { EventData } from '../../src/event.js';
import type { SessionGateway } from '../../src/ingest/gateway.js';
import { loadJourneys } from '../../src/journeys-module.js';
import { RuleBook } from '../../src/rules/in-force.js';
import type { JourneyRules, OnChange, RuleInForce } from '../../src/rules/revision.js';
import type { Alert } from '../../src/rules/rule.js';
import { Session } from '../../src/rules/session.js';
import { seconds } from '../../src/time.js';
import { CONTINUE_SIGNAL, type ProgressAnswer } from '../../src/workflows/messages.js';
import { until } from '../support/until.js';
import {
  createWorker,
  memoryLedger,
  openStore,
  temporalGateway,
  temporalHandOver,
} from './support/built.js';
import { type Dev, startDev } from './support/dev.js';
import { localActivity, runsOf, scheduledActivity } from './support/history.js';
import { feedSession } from './support/session.js';

const MODULE = new URL('support/ruled-journeys.ts', import.meta.url);
const WINDOW_MS = seconds(5);
const TIMES = { outOfOrdernessMs: 0, publicationIntervalMs: 0 };

const published: Alert[] = [];
const thanked: string[] = [];
const recorded: Alert[] = [];
const progress = new Map<number, ProgressAnswer>();
const revisions: JourneyRules[] = [];
const handOvers = new Map<string, HandOverNews>();
let isAway = false;
let dev: Dev;
let gateway: SessionGateway;
let partitions = 0;

const rules: RuleReader = {
  read: async (journey, revision) => {
    if (isAway) throw new Error('the database is away');
    return revisions.find((r) => r.journey === journey && r.revision === revision) ?? null;
  },
  newest: async (journey) => revisions.findLast((r) => r.journey === journey) ?? null,
  handOver: async (_, id) => handOvers.get(id) ?? { isOver: false },
};

beforeAll(async () => {
  dev = await startDev();
  gateway = temporalGateway({ client: dev.client, settings: TIMES });
  const ledger = memoryLedger();
  const { effects, close } = await openStore({ memory: true }, { migrate: true });
  dev.onStop(close);
  const worker = await createWorker({
    journeys: MODULE,
    connection: dev.connection,
    rules,
    store: {
      progress: { read: async (_, partition) => progress.get(partition) ?? null },
      ledger: {
        ...ledger,
        record: (alerts) => {
          recorded.push(...alerts);
          return ledger.record(alerts);
        },
      },
      effects,
    },
    progressWaitMs: 0,
    alerts: { publish: async (alerts) => void published.push(...alerts) },
    activities: { thank: async ({ key, type }) => void thanked.push(`${key} ${type}`) },
  });
  const running = worker.run();
  dev.onStop(() => {
    worker.shutdown();
    return running;
  });
});
afterAll(() => dev?.stop());
beforeEach(() => {
  isAway = false;
});

/** A cart of more than so much, then no purchase within five seconds. */
function cartsOver(
  price: number,
  version: number,
  changes: Partial<RuleInForce> & { onChange?: OnChange } = {},
): RuleInForce {
  const stage = (name: string, condition: object) => ({
    name,
    type: 'ATOMIC',
    quantifier: { properties: ['SINGLE'] },
    condition,
  });
  const isExpensive = { type: 'CLASS', className: 'shop.Expensive', args: [String(price)] };
  return {
    row: {
      id: 'abandonment',
      version,
      journey: 'carts',
      pattern: {
        nodes: [
          stage('cart', isExpensive),
          stage('purchase', { type: 'AVIATOR', expression: "eventType == 'purchase'" }),
        ],
        edges: [{ source: 'cart', target: 'purchase', type: 'NOT_FOLLOW' }],
        window: { type: 'FIRST_AND_LAST', time: { unit: 'MILLISECONDS', size: WINDOW_MS } },
      },
      onMatch: { alert: `LEFT_${price}`, effects: ['thank'] },
    },
    table: 'cep_rules',
    mode: 'on',
    onChange: 'finish',
    ...changes,
  };
}

/** Puts rules in force. @returns their revision */
function inForce(...list: RuleInForce[]): number {
  const revision = revisions.length + 1;
  revisions.push({ journey: 'carts', revision, rules: list });
  return revision;
}

function sessionOf(key: string) {
  const partition = partitions++;
  const { client } = dev;
  const session = feedSession({ client, gateway, journey: 'carts', key, partition });
  const begin = Date.now();
  let offset = 0;
  return {
    ...session,
    cart: (price: number, revision: number) => {
      const timestamp = begin + offset;
      const data = { eventType: 'cart', price, userSession: key } as EventData;
      return session.send([{ offset: offset++, timestamp, data }], { revision });
    },
    /** The ingestor promises that all windows have passed. */
    /** Brings it what a backtest has open of a cart, for a rule that is not in force yet. */
    handOver: async (handOver: string, price: number, version: number) => {
      const { journeys } = await loadJourneys(MODULE);
      const rules = new RuleBook(journeys).journey('carts', [cartsOver(price, version)]);
      const past = new Session(rules, key);
      const timestamp = begin + offset;
      const data = { eventType: 'cart', price: price + 1, userSession: key } as EventData;
      past.accept({ source: 'clicks', partition, offset: offset++, timestamp, data });
      past.advance(timestamp);
      const tell = temporalHandOver({ client, settings: TIMES });
      for (const open of past.handOver(handOver)) {
        await tell({ journey: 'carts', key }, open);
        // As by a call whose answer was lost.
        await tell({ journey: 'carts', key }, open);
      }
    },
    promise: () => {
      const watermark = begin + offset + WINDOW_MS;
      progress.set(partition, { watermark, lowWater: offset, finished: false });
    },
    alerts: () => published.filter((alert) => alert.key === key).map(({ type }) => type),
    runs: () => runsOf(client, `carts/${key}`),
  };
}

test('a threshold changes with the next event; what is open ends under its own text, in later runs too', async () => {
  const first = inForce(cartsOver(200, 1));
  const session = sessionOf('finish');
  await session.cart(250, first);
  await session.cart(150, first);
  const second = inForce(cartsOver(100, 2));
  await session.cart(150, second);
  await session.took(3);
  const state = await session.state();
  expect(state.revision).toBe(second);
  expect(
    state.rules.map(({ version, openCount, isRetiring }) => [version, openCount, isRetiring]),
  ).toEqual([
    [2, 1, undefined],
    [1, 1, true],
  ]);
  await session.handle.signal(CONTINUE_SIGNAL);
  await until('it goes on in another run', async () => (await session.runs()).length === 2);
  expect((await session.state()).rules).toHaveLength(2);
  session.promise();
  await session.handle.result();
  expect(session.alerts().sort()).toEqual(['LEFT_100', 'LEFT_200']);
  const [before = [], after = []] = await session.runs();
  // Each run has what it ran in its own history: asked for, or handed on.
  expect(before.filter((event) => localActivity(event) === 'readRules')).toHaveLength(2);
  expect(after.filter((event) => localActivity(event) === 'readRules')).toHaveLength(0);
});

test('a rule deleted before its deadline sends nothing, though no event comes', async () => {
  const session = sessionOf('deleted');
  await session.cart(250, inForce(cartsOver(200, 1)));
  await session.took(1);
  const last = inForce();
  session.promise();
  const { rules: counts } = (await session.handle.result()) as { rules: object };
  expect(session.alerts()).toEqual([]);
  expect(counts).toEqual({});
  const revision = revisions.at(-1)?.revision;
  expect(revision).toBe(last);
});

test('an older revision does not come back', async () => {
  const session = sessionOf('order');
  const older = inForce(cartsOver(200, 3));
  const newer = inForce(cartsOver(100, 4));
  await session.cart(150, newer);
  await session.cart(150, older);
  await session.took(2);
  expect((await session.state()).revision).toBe(newer);
  session.promise();
  await session.handle.result();
  expect(session.alerts()).toEqual(['LEFT_100', 'LEFT_100']);
});

test('while the table is away a session waits for what it needs, and loses nothing', async () => {
  const session = sessionOf('away');
  await session.cart(250, inForce(cartsOver(200, 5)));
  await session.took(1);
  isAway = true;
  const revision = inForce(cartsOver(100, 6));
  await session.cart(150, revision);
  await until('it has asked in vain', async () =>
    (await session.runs()).flat().some((event) => scheduledActivity(event) === 'readRules'),
  );
  expect((await session.state()).counts.events).toBe(1);
  isAway = false;
  await session.took(2);
  session.promise();
  await session.handle.result();
  expect(session.alerts().sort()).toEqual(['LEFT_100', 'LEFT_200']);
});

test('a rule in the shadow is recorded and sets nothing off', async () => {
  const session = sessionOf('shadow');
  const shadow = cartsOver(100, 7, { mode: 'shadow' });
  const other = { ...shadow, mode: 'on' as const, row: { ...cartsOver(200, 1).row, id: 'other' } };
  await session.cart(250, inForce(shadow, other));
  session.promise();
  await session.handle.result();
  expect(session.alerts()).toEqual(['LEFT_200']);
  const mine = recorded.filter(({ key }) => key === 'shadow');
  expect(mine.map(({ rule, shadow: isShadow }) => [rule, isShadow])).toEqual([
    ['abandonment', true],
    ['other', undefined],
  ]);
  await until('the other has its effect', async () => thanked.includes('shadow LEFT_200'));
  expect(thanked).not.toContain('shadow LEFT_100');
});

test('what is handed over waits, in later runs too, and begins with its rules, though no event comes', async () => {
  const session = sessionOf('handed');
  await session.handOver('h1', 200, 8);
  await session.handle.signal(CONTINUE_SIGNAL);
  await until('it goes on in another run', async () => (await session.runs()).length === 2);
  expect(await session.state()).toMatchObject({ rules: [], handedOver: ['abandonment'] });
  session.promise();
  const start = { handOver: 'h1', source: 'clicks', offsets: { [session.partition]: 1 } };
  const revision = inForce(cartsOver(200, 8, { start }));
  handOvers.set('h1', { revision });
  await session.handle.result();
  expect(session.alerts()).toEqual(['LEFT_200']);
});

test('a hand-over that was given up leaves nothing behind; people send none', async () => {
  const session = sessionOf('given-up');
  await session.handOver('h2', 200, 9);
  const refused = session.handle.executeUpdate('takeOver', { args: [{ rule: 'carts' }] });
  await expect(refused).rejects.toMatchObject({
    cause: { message: 'this is what temporal-cep backtest --hand-over sends, and nobody else' },
  });
  session.promise();
  handOvers.set('h2', { isOver: true });
  await session.handle.result();
  expect(session.alerts()).toEqual([]);
});
