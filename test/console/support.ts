// A console over databases of the test, in this process, and figures to put into them.

import type { AnalyticsSchema } from '../../src/analytics-store/schema.js';
import { CONSUME, prepareTable, SUMMARY } from '../../src/analytics-store/tables.js';
import { consoleAccess } from '../../src/console/access.js';
import { Feed, type Source } from '../../src/console/feed.js';
import {
  analyticsSources,
  rulesSource,
  storeSource,
  type WorkflowLinks,
} from '../../src/console/panels.js';
import { type RunningConsole, serveConsole } from '../../src/console/server.js';
import { createLogger } from '../../src/log.js';
import { openRuleStore } from '../../src/rule-store/rule-store.js';
import type { Alert } from '../../src/rules/rule.js';
import { openSqlDatabase } from '../../src/store/sql-database.js';
import type { Store } from '../../src/store/store.js';
import type { Millis } from '../../src/time.js';

export const TABLES = { visits: 'result_cps_total_summary_pvuv_min', recharge: 'consume' };

export const LINKS: WorkflowLinks = {
  session: ({ journey, key }) => `http://localhost:8233/${encodeURIComponent(`${journey}/${key}`)}`,
  effects: (alertId) => `http://localhost:8233/${encodeURIComponent(`effect/${alertId}`)}`,
};

export interface TestConsole extends RunningConsole {
  readonly feed: Feed;
  stop(): Promise<void>;
}

interface Settings {
  readonly token?: string;
  readonly pollMs?: Millis;
  readonly answerMs?: Millis;
  readonly absentMs?: Millis;
  readonly heartbeatMs?: Millis;
  readonly stallMs?: Millis;
}

/** Serves what the sources say. */
export async function startConsole(
  sources: readonly Source[],
  settings: Settings = {},
): Promise<TestConsole> {
  const { token, heartbeatMs, stallMs, ...timing } = settings;
  const log = createLogger('silent');
  const host = '127.0.0.1';
  const feed = new Feed({ sources, log, pollMs: 50, absentMs: 100, ...timing });
  const server = await serveConsole({
    ...{ feed, log, host, port: 0, access: consoleAccess({ host, token }) },
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
    ...(stallMs === undefined ? {} : { stallMs }),
  });
  const stop = async () => {
    await server.close();
    await feed.stop();
  };
  return { ...server, feed, stop };
}

/** All there is in the database of a store. */
export async function sourcesOf({ database }: Store): Promise<Source[]> {
  const analytics = await openSqlDatabase<AnalyticsSchema>(database);
  return [
    storeSource(database, LINKS),
    rulesSource(() => openRuleStore(database)),
    ...analyticsSources(analytics, TABLES),
  ];
}

/** The tables of aggregates, empty. */
export async function prepareAnalytics({ database }: Store) {
  const analytics = await openSqlDatabase<AnalyticsSchema>(database);
  await prepareTable(analytics, TABLES.visits, SUMMARY);
  await prepareTable(analytics, TABLES.recharge, CONSUME);
  return analytics.db;
}

export function alert(id: string, rest: Partial<Alert> = {}): Alert {
  return {
    ...{ id, journey: 'shopping', rule: 'cart', ruleVersion: 1, key: `session ${id}` },
    ...{ userId: 'a-person', userSession: `session ${id}`, type: 'CART', message: `cart ${id}` },
    ...{ at: Date.UTC(2026, 0, 31, 12), match: { cart: [{ email: 'a-person@example.com' }] } },
    ...rest,
  };
}
