// What the panels of the page show, and where it is read. An alert's events, users and answers of receivers stay in the database.

import type { Kysely } from 'kysely';
import { latestRecharge, latestVisits } from '../analytics-store/figures.js';
import type { AnalyticsDatabase, AnalyticsSchema } from '../analytics-store/schema.js';
import { CepError } from '../errors.js';
import type { RuleStore } from '../rule-store/rule-store.js';
import type { RuleRevision } from '../rules/revision.js';
import type { Database } from '../store/database.js';
import { countDeadEffects, deadEffects } from '../store/dead-effects.js';
import { parkedOverview, sqlParkedSessions } from '../store/parked.js';
import { type ProgressOverview, sqlProgressStore, streamOf } from '../store/progress-store.js';
import { alertsByMinute, newestAlerts } from '../store/recorded-alerts.js';
import { readOnly } from '../store/sql-database.js';
import { isMissingTable } from '../store/sql-state.js';
import { DATE_MAX, MAX_TIMESTAMP, MIN_TIMESTAMP, minutes, type Timestamp } from '../time.js';
import { AlertRates } from './alert-rates.js';
import { Absent, type Source } from './feed.js';

/** How much of each is shown. What there is beyond it is counted. */
const ALERTS = 50;
const ROWS_MAX = 100;
const VISIT_DAYS = 14;
const VISIT_MINUTES = 180;
const RECHARGE_DAYS = 14;
const RECHARGE_APPS = 6;
/** Texts are cut: a message is what a rule and its events make it. */
const TEXT_MAX = 400;
/** An ingestor that says nothing for so long has a problem, or is none any more. */
const SILENT_MS = minutes(1);

/** Where workflows can be looked at. */
export interface WorkflowLinks {
  session(ref: { readonly journey: string; readonly key: string }): string;
  effects(alertId: string): string;
}

/** Alerts, what became of what they set off, and how far all is. */
export function storeSource(
  database: Database,
  links: WorkflowLinks,
): Source<'alerts' | 'rates' | 'effects' | 'parked' | 'progress'> {
  const rates = new AlertRates();
  return {
    name: database.name,
    panels: ['alerts', 'rates', 'effects', 'parked', 'progress'],
    read: () =>
      readOnly({ db: database.db, dialect: 'postgres' }, async (db) => ({
        alerts: await alerts(db, links),
        rates: rates.take(await alertsByMinute({ db }, rates.wanted)),
        effects: await effects(db, links),
        parked: await parked(db, links),
        progress: await progress(db),
      })),
  };
}

type StoreDb = Database['db'];

async function alerts(db: StoreDb, links: WorkflowLinks) {
  const newest = await newestAlerts({ db }, ALERTS);
  return newest.map(({ id, journey, rule, key, type, message, at, ...alert }) => ({
    ...{ id, journey, rule, type },
    key: cut(key),
    message: cut(message),
    at: timeOf(at),
    recordedAt: alert.recordedAt.getTime(),
    timedOut: alert.timedOut ?? false,
    shadow: alert.shadow ?? false,
    session: links.session({ journey, key }),
    effects: alert.hasEffects ? links.effects(id) : null,
  }));
}

async function effects(db: StoreDb, links: WorkflowLinks) {
  const dead = await deadEffects({ db }, { limit: ROWS_MAX });
  return {
    count: dead.length < ROWS_MAX ? dead.length : await countDeadEffects({ db }),
    rows: dead.map(({ id, alertId, effect, rule, channel, reason, attempts, endedAt }) => ({
      ...{ id, effect, rule, channel, reason, attempts },
      at: endedAt,
      effects: links.effects(alertId),
    })),
  };
}

async function parked(db: StoreDb, links: WorkflowLinks) {
  const sessions = await parkedOverview(sqlParkedSessions({ db }));
  return {
    count: sessions.length,
    rows: sessions.slice(0, ROWS_MAX).map(({ journey, key, reason, parkedAt, signals }) => ({
      ...{ journey, signals },
      key: cut(key),
      reason: cut(reason),
      at: parkedAt,
      session: links.session({ journey, key }),
    })),
  };
}

async function progress(db: StoreDb) {
  const partitions = await sqlProgressStore({ db }).overview();
  const now = Date.now();
  const isSilent = ({ finished, continuedBy, publishedAt }: ProgressOverview) =>
    !finished && continuedBy === null && now - (publishedAt?.getTime() ?? now) > SILENT_MS;
  // What has to be seen to is seen first, and what is over gives way to it.
  const rank = (partition: ProgressOverview) =>
    isSilent(partition) ? 0 : partition.finished || partition.continuedBy !== null ? 2 : 1;
  return {
    count: partitions.length,
    silent: partitions.filter(isSilent).length,
    rows: partitions
      .toSorted((a, b) => rank(a) - rank(b))
      .slice(0, ROWS_MAX)
      .map((partition) => ({
        source: cut(partition.source),
        partition: partition.partition,
        watermark: timeOf(partition.watermark),
        lowWater: partition.lowWater === MAX_TIMESTAMP ? null : partition.lowWater,
        stream: streamOf(partition),
        ingestor: cut(partition.owner),
        publishedAt: partition.publishedAt?.getTime() ?? null,
        isSilent: isSilent(partition),
      })),
  };
}

/**
 * Rules in force, by the newest revision.
 *
 * @param open - called until it opens something
 */
export function rulesSource(open: () => Promise<RuleStore>): Source<'rules'> {
  let store: RuleStore | null = null;
  let known: (RuleRevision & { readonly createdAt: Date }) | null = null;
  return {
    name: 'rules',
    panels: ['rules'],
    read: async () => {
      store ??= await open().catch((error) => {
        if (!(error instanceof CepError && error.code === 'SETTING_INVALID')) throw error;
        throw new Absent(
          'Rules come from the journeys module. Rules in tables would be listed here: temporal-cep setup makes the tables, temporal-cep rules apply fills them.',
        );
      });
      const head = await store.newestHead();
      if (head && head.revision !== known?.revision) {
        const revision = await store.revision(head.revision);
        known = revision && { ...revision, createdAt: head.createdAt };
      }
      const rules = head === null ? [] : (known?.rules ?? []);
      const faults = await store.faults();
      return {
        rules: {
          revision: head?.revision ?? null,
          since: head?.createdAt.getTime() ?? null,
          count: rules.length,
          rows: rules.slice(0, ROWS_MAX).map(({ row, mode, table }) => ({
            ...{ rule: row.id, version: row.version ?? 1, journey: row.journey, mode, table },
            description: cut(row.description ?? ''),
          })),
          faults: faults.slice(0, ROWS_MAX).map(({ table, id, message, since }) => ({
            ...{ table, rule: id },
            message: cut(message),
            since: since.getTime(),
          })),
        },
      };
    },
  };
}

/** The tables of results, by their names. */
export interface ResultTables {
  readonly visits: string;
  readonly recharge: string;
}

/** Page views, visitors and recharges. Each table may be missing by itself. */
export function analyticsSources(
  database: AnalyticsDatabase,
  tables: ResultTables,
): readonly Source[] {
  const source = <Panel extends string>(
    panel: Panel,
    table: string,
    query: (db: Kysely<AnalyticsSchema>) => Promise<unknown>,
  ): Source<Panel> => ({
    name: `${panel} in ${database.name}`,
    panels: [panel],
    read: async () => {
      try {
        const data = await readOnly(database, query);
        return { [panel]: data } as Record<Panel, unknown>;
      } catch (error) {
        if (!isMissingTable(error)) throw error;
        throw new Absent(
          `The database has no table ${table}: temporal-cep analytics makes it and keeps it up to date.`,
        );
      }
    },
  });
  const { visits, recharge } = tables;
  return [
    source('visits', visits, (db) =>
      latestVisits(db, { table: visits, days: VISIT_DAYS, minutes: VISIT_MINUTES }),
    ),
    source('recharge', recharge, (db) =>
      latestRecharge(db, { table: recharge, days: RECHARGE_DAYS, apps: RECHARGE_APPS }),
    ),
  ];
}

/** Null for the two ends of time, which are no dates. */
function timeOf(at: Timestamp): Timestamp | null {
  return at > MIN_TIMESTAMP && at <= DATE_MAX ? at : null;
}

function cut(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
}
