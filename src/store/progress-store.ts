// Progress of the ingestors in SQL.
//
//   S1. A row changes only under the generation of its last claim: who was replaced is refused.
//   S2. Whoever changes several rows locks them first, in the order of source and partition. So two
//       never wait for each other.
//   S3. Of the sources of one topic only the last claimed one is not continued by another. So the way to
//       a successor has an end.

import type { Kysely, Transaction } from 'kysely';
import { sql } from 'kysely';
import { assert } from '../assert.js';
import { type OriginsState, originLowWater } from '../ingest/origins.js';
import type { Claim, ProgressStore, Publication, StoredProgress } from '../ingest/progress.js';
import { MIN_TIMESTAMP } from '../time.js';
import type { PartitionProgress, SourcePartition } from '../workflows/messages.js';
import type { Database } from './database.js';
import type { Schema } from './schema.js';

/** What a session may know of a partition, and who has taken its source's place. */
export interface ProgressRow extends SourcePartition, PartitionProgress {
  /** Null as long as nobody has. */
  readonly continuedBy: string | null;
  /** Of a repartitioned topic: what is known of its source. */
  readonly origins?: OriginsState;
}

/** A {@link ProgressStore} in SQL. */
export interface SqlProgressStore extends ProgressStore {
  /** All partitions of all sources, in the order of source and partition. */
  readAll(): Promise<ProgressRow[]>;
  /** The same with what people ask about them. */
  overview(): Promise<ProgressOverview[]>;
}

/** A partition, for people. */
export interface ProgressOverview extends ProgressRow {
  /** The offset after the last record that was read. */
  readonly readTo: number;
  /** Who claimed it last. */
  readonly owner: string;
  /** Whether it is a stream of the present, which moves with the clock when it is quiet. */
  readonly isLive: boolean;
  /** When anything was last published of it; null for never. */
  readonly publishedAt: Date | null;
}

/** What kind of stream it is, in words: `live`, `historic`, `ended`, `made anew` or `repartitioned, ...`. */
export function streamOf({ finished, continuedBy, origins, isLive }: ProgressOverview): string {
  if (finished) return 'ended';
  if (continuedBy !== null) return 'made anew';
  if (origins) return `repartitioned${behindOf(origins)}`;
  return isLive ? 'live' : 'historic';
}

/** The source partition that the others wait for. */
function behindOf({ partitions }: OriginsState): string {
  const silent = partitions.indexOf(null);
  if (silent >= 0) return `, waits for source partition ${silent}`;
  const watermarks = partitions.map((known) => known?.watermark ?? MIN_TIMESTAMP);
  return `, least source partition ${watermarks.indexOf(Math.min(...watermarks))}`;
}

/** Keeps progress in the table `cep_progress`. Many processes may use it at once. */
export function sqlProgressStore({ db }: Pick<Database, 'db'>): SqlProgressStore {
  return {
    claim: async (source, partitions, owner, topic) => {
      if (partitions.length === 0) return [];
      return await db.transaction().execute(async (trx) => {
        await lockSources(trx, source, topic);
        await beginAnew(trx, source, partitions);
        const claims = await take(trx, { source, partitions, owner, topic });
        if (topic !== undefined) await continueOthers(trx, source, topic);
        return claims;
      });
    },

    publish: async (publications) => {
      if (publications.length === 0) return [];
      return await db.transaction().execute(async (trx) => {
        const rows = await lockPublished(trx, publications);
        const holding = (publication: Publication) => {
          const row = rows.get(nameOf(publication));
          return row?.generation === publication.generation ? row : undefined;
        };
        const accepted = publications.flatMap((publication) => {
          const row = holding(publication);
          if (row === undefined) return [];
          assertForward(publication, row);
          return [{ publication, row }];
        });
        if (accepted.length > 0) await write(trx, accepted);
        return publications.filter((publication) => holding(publication) === undefined);
      });
    },

    read: async (source, partition, origin) => {
      const row = await db
        .selectFrom('cep_progress')
        .select(['watermark', 'low_water', 'finished', 'quiet_since', 'origins'])
        .where('source', '=', source)
        .where('partition', '=', partition)
        .executeTakeFirst();
      if (row === undefined) return null;
      const { watermark, finished, quiet_since, origins } = row;
      const lowWater = origin ? originLowWater(origins ?? undefined, origin) : row.low_water;
      return { watermark, lowWater, finished, ...(quiet_since !== null && { isLive: true }) };
    },

    overview: async () => {
      const rows = await db
        .selectFrom('cep_progress')
        .select(['source', 'partition', 'watermark', 'low_water as lowWater', 'finished', 'owner'])
        .select([
          'continued_by as continuedBy',
          'quiet_since',
          'read_to as readTo',
          'updated_at as publishedAt',
          'origins',
        ])
        .orderBy('source')
        .orderBy('partition')
        .execute();
      return rows.map(({ quiet_since, origins, ...row }) => ({
        ...row,
        isLive: quiet_since !== null,
        ...(origins === null ? {} : { origins }),
      }));
    },

    readAll: async () => {
      const rows = await db
        .selectFrom('cep_progress')
        .select(['source', 'partition', 'watermark', 'low_water as lowWater', 'finished'])
        .select(['continued_by as continuedBy', 'quiet_since', 'origins'])
        .orderBy('source')
        .orderBy('partition')
        .execute();
      return rows.map(({ quiet_since, origins, ...row }) => ({
        ...row,
        ...(quiet_since !== null && { isLive: true }),
        ...(origins === null ? {} : { origins }),
      }));
    },
  };
}

/** S2, for a claim: of its source all rows, of the topic those that it may have to point to it. */
async function lockSources(trx: Transaction<Schema>, source: string, topic: string | undefined) {
  await trx
    .selectFrom('cep_progress')
    .select('partition')
    .where((eb) =>
      topic === undefined
        ? eb('source', '=', source)
        : eb.or([eb('source', '=', source), eb('topic', '=', topic)]),
    )
    .orderBy('source')
    .orderBy('partition')
    .forUpdate()
    .execute();
}

/** What has ended says nothing about the source's next run. */
async function beginAnew(trx: Transaction<Schema>, source: string, partitions: readonly number[]) {
  await trx
    .updateTable('cep_progress')
    .set({ watermark: MIN_TIMESTAMP, ordering_watermark: MIN_TIMESTAMP })
    .set({ low_water: 0, next_offset: 0, read_to: 0, quiet_since: null })
    .set({ finished: false, updated_at: null, origins: null })
    .where('source', '=', source)
    .where('partition', 'in', partitions)
    .where('finished', '=', true)
    .execute();
}

async function take(
  trx: Transaction<Schema>,
  claim: {
    source: string;
    partitions: readonly number[];
    owner: string;
    topic: string | undefined;
  },
): Promise<Claim[]> {
  const { source, partitions, owner, topic = null } = claim;
  const taken = await trx
    .insertInto('cep_progress')
    .values(
      inOrder(partitions).map((partition) => ({ source, partition, owner, topic, generation: 1 })),
    )
    .onConflict((conflict) =>
      conflict.columns(['source', 'partition']).doUpdateSet((eb) => ({
        generation: eb('cep_progress.generation', '+', 1),
        owner,
        topic: eb.fn.coalesce('excluded.topic', 'cep_progress.topic'),
      })),
    )
    .returningAll()
    .execute();
  const rows = new Map(taken.map((row) => [row.partition, row]));
  return partitions.map((partition) => {
    const row = rows.get(partition);
    assert(row !== undefined, 'a claim takes every partition it is asked for');
    const progress: StoredProgress = {
      watermark: row.watermark,
      lowWater: row.low_water,
      nextOffset: row.next_offset,
      readTo: row.read_to,
      orderingWatermark: row.ordering_watermark,
      quietSince: row.quiet_since,
      finished: row.finished,
      ...(row.origins === null ? {} : { origins: row.origins }),
    };
    const { generation } = row;
    return { source, partition, generation, progress: row.updated_at === null ? null : progress };
  });
}

/** S3. */
async function continueOthers(trx: Transaction<Schema>, source: string, topic: string) {
  await trx
    .updateTable('cep_progress')
    .set((eb) => ({
      continued_by: eb.case().when('source', '=', source).then(null).else(source).end(),
    }))
    .where('topic', '=', topic)
    .where((eb) =>
      eb.or([
        eb.and([eb('source', '=', source), eb('continued_by', 'is not', null)]),
        eb.and([eb('source', '!=', source), eb('continued_by', 'is distinct from', source)]),
      ]),
    )
    .execute();
}

type Held = Awaited<ReturnType<typeof lockPublished>> extends Map<string, infer Row> ? Row : never;

/** S1 and S2, for a publication. */
async function lockPublished(trx: Transaction<Schema>, publications: readonly SourcePartition[]) {
  const rows = await trx
    .selectFrom('cep_progress')
    .select(['source', 'partition', 'owner', 'generation', 'watermark', 'low_water'])
    .where((eb) =>
      eb(
        eb.refTuple('source', 'partition'),
        'in',
        publications.map(({ source, partition }) => eb.tuple(source, partition)),
      ),
    )
    .orderBy('source')
    .orderBy('partition')
    .forUpdate()
    .execute();
  return new Map(rows.map((row) => [nameOf(row), row]));
}

function assertForward({ progress, ...of }: Publication, row: Held): void {
  const place = `${of.source}, partition ${of.partition}`;
  const { watermark, lowWater } = progress;
  assert(
    watermark >= row.watermark,
    `a watermark never goes back (${place}: ${watermark} after ${row.watermark})`,
  );
  assert(
    lowWater >= row.low_water,
    `a low-water mark never goes back (${place}: ${lowWater} after ${row.low_water})`,
  );
}

/** An upsert because that changes many rows in one statement; the rows are there, and locked. */
async function write(
  trx: Kysely<Schema>,
  accepted: readonly { readonly publication: Publication; readonly row: Held }[],
) {
  await trx
    .insertInto('cep_progress')
    .values(
      accepted.map(({ publication: { progress }, row }) => ({
        source: row.source,
        partition: row.partition,
        generation: row.generation,
        owner: row.owner,
        watermark: progress.watermark,
        low_water: progress.lowWater,
        next_offset: progress.nextOffset,
        read_to: progress.readTo,
        ordering_watermark: progress.orderingWatermark,
        quiet_since: progress.quietSince,
        finished: progress.finished,
        origins: progress.origins ? JSON.stringify(progress.origins) : null,
        updated_at: sql<Date>`current_timestamp`,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['source', 'partition']).doUpdateSet((eb) => ({
        watermark: eb.ref('excluded.watermark'),
        low_water: eb.ref('excluded.low_water'),
        next_offset: eb.ref('excluded.next_offset'),
        read_to: eb.ref('excluded.read_to'),
        ordering_watermark: eb.ref('excluded.ordering_watermark'),
        quiet_since: eb.ref('excluded.quiet_since'),
        finished: eb.ref('excluded.finished'),
        origins: eb.ref('excluded.origins'),
        updated_at: eb.ref('excluded.updated_at'),
      })),
    )
    .execute();
}

function inOrder(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

function nameOf({ source, partition }: SourcePartition): string {
  return `${partition} ${source}`;
}
