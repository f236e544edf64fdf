// Aggregates in SQL, each event once.
//
//   A1. What a batch adds and how far it goes stand in one transaction: both, or neither.
//   A2. A row for each aggregate and partition says which record is next, and whoever counts holds it. What lies below is a repeat. So
//       consumers that all take a partition for theirs count nothing twice, and none has to be fenced off.
//   A3. A batch that begins behind that record is refused: what lies between would be lost.
//   A4. Rows are taken in one order: offsets, apps and days, days. Who waits for each other all the same is undone, and done again.
//   A5. What is late follows from the records before it in its partition, whose largest time is kept with the offset: read again, it is
//       decided as before.
//   A6. Late events and dead letters are written before the transaction ends: at least once.

import { sql, type Transaction } from 'kysely';
import { type Aggregate, type Counted, isLate } from '../analytics/aggregate.js';
import type { PageView } from '../analytics/page-views.js';
import type { Recharge } from '../analytics/recharge.js';
import { counted } from '../counted.js';
import { CepError, type DecodeError, messageOf } from '../errors.js';
import type { RawRecord } from '../ingest/record.js';
import type { Reject, RejectSink } from '../ingest/rejects.js';
import type { Database, DatabaseAddress } from '../store/database.js';
import { checkMigrated, migrate } from '../store/migrate.js';
import { openSqlDatabase, read, transact } from '../store/sql-database.js';
import { isPassing, sqlStateOf } from '../store/sql-state.js';
import { formatDuration, formatTimestamp } from '../time.js';
import { analyticsMigrations } from './migrations/index.js';
import type { Prepared } from './prepare.js';
import { countRecharges } from './recharge-days.js';
import type { AnalyticsDatabase, AnalyticsSchema } from './schema.js';
import { insertMissing, upsert } from './statements.js';
import { CONSUME, prepareTable, SUMMARY } from './tables.js';
import { countPageViews, forgetVisitors } from './visit-days.js';

const OFFSETS = 'cep_aggregate_offsets';
const OFFSETS_KEY = ['aggregate', 'source', 'source_partition'];
const RESULTS = { recharge: CONSUME, 'page-views': SUMMARY } as const;

/** A part of a partition's records. */
export interface Range {
  /** Right behind the batch before. */
  readonly from: number;
  /** Right behind this one. */
  readonly next: number;
}

/** Records of one source. */
export interface Batch {
  readonly source: string;
  readonly ranges: ReadonlyMap<number, Range>;
  /** In the order in which they arrived. */
  readonly records: readonly Prepared[];
}

/** What became of an aggregate's records: of each exactly one of these. */
export interface Tally {
  counted: number;
  late: number;
  /** Not meant, by the aggregate's `where`. */
  skipped: number;
  /** Counted before. */
  repeats: number;
  /** By code. */
  dead: Record<string, number>;
}

/** Where late events and dead letters go. */
export interface Rejects {
  readonly late: RejectSink;
  readonly dead: RejectSink;
}

/** How far the aggregates are with a partition. */
export interface Reached {
  /** The least next record of those that have begun. */
  readonly next: number;
  /** Whether all have. */
  readonly isComplete: boolean;
}

export interface AnalyticsStore {
  readonly database: AnalyticsDatabase;
  readonly aggregates: readonly Aggregate[];
  /** How far they are, by partition; one that none of them has begun is missing. */
  reached(source: string): Promise<Map<number, Reached>>;
  /** How many partitions a source had when it was first read: these, if nothing is known of it. */
  firstPartitions(source: string, partitions: number): Promise<number>;
  /**
   * Says where partitions begin, for aggregates that have not begun them.
   *
   * @param starts - by partition
   */
  begin(source: string, starts: ReadonlyMap<number, number>): Promise<void>;
  /**
   * Counts a batch, once, whoever else counts it (A1 to A6).
   *
   * @param rejects - a sink may be given a record again when a transaction is done again
   * @returns what became of its records, by aggregate
   * @throws CepError `SETTING_INVALID` where the database has not what lies before the batch (A3), or refuses a row
   * @throws Error of the database's for what passes (`isPassing`)
   */
  count(batch: Batch, rejects: Rejects): Promise<Map<string, Tally>>;
  /** Deletes the visitors of days for which nothing has come for long. @returns of how many days */
  forget(): Promise<number>;
  /** Lets go of the database, if it was opened here. */
  close(): Promise<void>;
}

/**
 * Opens a database for aggregates, and makes what is missing in it: tables of its own, and those for people under their names.
 *
 * @param at - an address, or an open database
 * @throws CepError `SETTING_INVALID`, `DATABASE_UNREACHABLE`, `ALREADY_RUNNING`
 */
export async function openAnalyticsStore(
  at: DatabaseAddress | Database,
  aggregates: readonly Aggregate[],
): Promise<AnalyticsStore> {
  const database = await openSqlDatabase<AnalyticsSchema>(at);
  try {
    const migrations = analyticsMigrations(database.dialect);
    // Who runs it need not be allowed to make tables.
    await checkMigrated(database, migrations).catch(() => migrate(database, migrations));
    for (const { kind, declaration } of aggregates) {
      await prepareTable(database, declaration.table, RESULTS[kind]);
    }
  } catch (error) {
    await database.close();
    throw error;
  }
  return new SqlAnalytics(database, aggregates);
}

/** An event and the record that it is of. */
interface Arrived {
  readonly event: Counted;
  readonly record: RawRecord;
}

interface Offset {
  next: number;
  largest: number | null;
}

class SqlAnalytics implements AnalyticsStore {
  readonly database: AnalyticsDatabase;
  readonly aggregates: readonly Aggregate[];

  constructor(database: AnalyticsDatabase, aggregates: readonly Aggregate[]) {
    this.database = database;
    this.aggregates = aggregates;
  }

  async reached(source: string): Promise<Map<number, Reached>> {
    const rows = await read(this.database, (db) =>
      db
        .selectFrom(OFFSETS)
        .select(['source_partition', 'next_offset'])
        .where('source', '=', source)
        .where('aggregate', 'in', this.#names())
        .execute(),
    );
    const offsets = new Map<number, number[]>();
    for (const { source_partition: partition, next_offset } of rows) {
      offsets.set(partition, [...(offsets.get(partition) ?? []), next_offset]);
    }
    return new Map(
      [...offsets].map(([partition, of]) => [
        partition,
        { next: Math.min(...of), isComplete: of.length === this.aggregates.length },
      ]),
    );
  }

  async firstPartitions(source: string, partitions: number): Promise<number> {
    const { db, dialect } = this.database;
    await insertMissing(db, dialect, {
      ...{ table: 'cep_aggregate_sources', key: ['source'] },
      rows: [{ source, first_partitions: partitions }],
    });
    const row = await db
      .selectFrom('cep_aggregate_sources')
      .select('first_partitions')
      .where('source', '=', source)
      .executeTakeFirstOrThrow();
    return row.first_partitions;
  }

  async begin(source: string, starts: ReadonlyMap<number, number>): Promise<void> {
    const { dialect } = this.database;
    await this.#transact(async (transaction) => {
      for (const [partition, offset] of starts) {
        await insertMissing(transaction, dialect, {
          ...{ table: OFFSETS, key: OFFSETS_KEY },
          rows: this.#names().map((aggregate) => ({
            ...{ aggregate, source, source_partition: partition, next_offset: offset },
          })),
        });
      }
    });
  }

  async count(batch: Batch, { late, dead }: Rejects): Promise<Map<string, Tally>> {
    try {
      return await this.#transact(async (transaction) => {
        const offsets = await this.#lock(transaction, batch);
        const tallies = new Map<string, Tally>();
        for (const [index, aggregate] of this.aggregates.entries()) {
          const own = offsets.get(aggregate.name) as Map<number, Offset>;
          const { tally, events, rejects } = sort(batch, index, aggregate, own);
          const tooLate = await this.#add(transaction, aggregate, events);
          for (const { event, record } of events) {
            if (!tooLate.has(event as PageView)) continue;
            const why = `its day, ${event.day}, is closed: nothing had come for it for so long that its visitors are forgotten`;
            rejects.push({ sink: 'late', reject: lateEvent(aggregate, record, why) });
          }
          tally.counted -= tooLate.size;
          tally.late += tooLate.size;
          // A6.
          await Promise.all(
            rejects.map(({ sink, reject }) => (sink === 'late' ? late : dead)(reject)),
          );
          tallies.set(aggregate.name, tally);
        }
        await this.#advance(transaction, batch, offsets);
        return tallies;
      });
    } catch (error) {
      if (isPassing(error) || sqlStateOf(error) === null) throw error;
      const { name } = this.database;
      throw new CepError(
        'SETTING_INVALID',
        `the database ${name} refuses what was counted (${messageOf(error)}): see that the tables are as docs/analytics.md has them`,
        { details: { database: name }, cause: error },
      );
    }
  }

  async forget(): Promise<number> {
    let days = 0;
    for (const aggregate of this.aggregates) {
      if (aggregate.kind === 'page-views') days += await forgetVisitors(this.database, aggregate);
    }
    return days;
  }

  close(): Promise<void> {
    return this.database.close();
  }

  #names(): string[] {
    return this.aggregates.map(({ name }) => name);
  }

  /** What others have written meanwhile is seen by each statement: whoever has taken a row reads what stands there now. */
  #transact<T>(act: (transaction: Transaction<AnalyticsSchema>) => Promise<T>): Promise<T> {
    return transact(this.database, act, 'read committed');
  }

  /** A2 and A3. By aggregate and partition. */
  async #lock(
    transaction: Transaction<AnalyticsSchema>,
    { source, ranges }: Batch,
  ): Promise<Map<string, Map<number, Offset>>> {
    const rows = await transaction
      .selectFrom(OFFSETS)
      .select(['aggregate', 'source_partition', 'next_offset', 'largest_time'])
      .where('aggregate', 'in', this.#names())
      .where('source', '=', source)
      .where('source_partition', 'in', [...ranges.keys()])
      .orderBy('aggregate')
      .orderBy('source_partition')
      .forUpdate()
      .execute();
    const offsets = new Map(this.#names().map((name) => [name, new Map<number, Offset>()]));
    for (const { aggregate, source_partition, next_offset, largest_time } of rows) {
      const offset = { next: next_offset, largest: largest_time };
      offsets.get(aggregate)?.set(source_partition, offset);
    }
    for (const [partition, { from }] of ranges) {
      for (const own of offsets.values()) {
        const next = own.get(partition)?.next ?? -1;
        if (next < from) throw this.#setBack(source, partition, next, from);
      }
    }
    return offsets;
  }

  #setBack(source: string, partition: number, next: number, from: number): CepError {
    const { name } = this.database;
    const known = next < 0 ? 'knows nothing' : `knows ${counted(next, 'record')}`;
    return new CepError(
      'SETTING_INVALID',
      `the database ${name} ${known} of partition ${partition} of ${source}, of which ${from} were read: it was set back or emptied; start again, and it goes on from what the database knows`,
      { details: { source, partition, next, from } },
    );
  }

  /** @returns events that are too late after all */
  async #add(
    transaction: Transaction<AnalyticsSchema>,
    aggregate: Aggregate,
    arrived: readonly Arrived[],
  ): Promise<ReadonlySet<PageView>> {
    const { dialect } = this.database;
    const events = arrived.map(({ event }) => event);
    if (aggregate.kind === 'page-views') {
      return await countPageViews(transaction, dialect, aggregate, events as PageView[]);
    }
    await countRecharges(transaction, dialect, aggregate, events as Recharge[]);
    return new Set();
  }

  async #advance(
    transaction: Transaction<AnalyticsSchema>,
    { source, ranges }: Batch,
    offsets: ReadonlyMap<string, ReadonlyMap<number, Offset>>,
  ): Promise<void> {
    const rows = [...offsets].flatMap(([aggregate, own]) =>
      [...own].map(([partition, { next, largest }]) => ({
        ...{ aggregate, source, source_partition: partition },
        next_offset: Math.max(next, ranges.get(partition)?.next ?? 0),
        largest_time: largest ?? sql`null`,
        updated_at: sql`current_timestamp(3)`,
      })),
    );
    await upsert(transaction, this.database.dialect, { table: OFFSETS, key: OFFSETS_KEY, rows });
  }
}

interface Rejected {
  readonly sink: 'late' | 'dead';
  readonly reject: Reject;
}

/** What becomes of an aggregate's records; raises the largest times: A5. */
function sort(
  { records }: Batch,
  index: number,
  aggregate: Aggregate,
  offsets: ReadonlyMap<number, Offset>,
): { tally: Tally; events: Arrived[]; rejects: Rejected[] } {
  const tally: Tally = { counted: 0, late: 0, skipped: 0, repeats: 0, dead: {} };
  const events: Arrived[] = [];
  const rejects: Rejected[] = [];
  for (const { record, readings } of records) {
    const offset = offsets.get(record.partition) as Offset;
    const reading = readings[index];
    if (record.offset < offset.next) {
      tally.repeats++;
    } else if (!reading) {
      tally.skipped++;
    } else if ('fault' in reading) {
      const { code } = reading.fault;
      tally.dead[code] = (tally.dead[code] ?? 0) + 1;
      rejects.push({ sink: 'dead', reject: deadLetter(aggregate, record, reading.fault) });
    } else if (isLate(reading.event.time, offset.largest, aggregate.lateness)) {
      tally.late++;
      const why = `${formatTimestamp(reading.event.time)} is more than ${formatDuration(aggregate.lateness)} before the latest event of its partition, ${formatTimestamp(offset.largest as number)}`;
      rejects.push({ sink: 'late', reject: lateEvent(aggregate, record, why) });
    } else {
      tally.counted++;
      offset.largest = Math.max(offset.largest ?? reading.event.time, reading.event.time);
      events.push({ event: reading.event, record });
    }
  }
  return { tally, events, rejects };
}

function lateEvent({ name }: Aggregate, record: RawRecord, why: string): Reject {
  const { source, partition, offset, value, envelope = value } = record;
  const message = `${name}: ${why}`;
  return { source, partition, offset, reason: 'LATE', message, record: envelope };
}

function deadLetter({ name }: Aggregate, record: RawRecord, fault: DecodeError): Reject {
  const { source, partition, offset, value, envelope = value } = record;
  const message = `${name}: ${fault.message}`;
  return { source, partition, offset, reason: fault.code, message, record: envelope };
}
