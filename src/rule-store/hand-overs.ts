// Hand-overs: a backtest has run rules up to certain offsets, and sessions go on from there. While one is under way the ingestors of
// its source stand still.
//
//   H1. It ends once: the rules are on and it is done in one transaction, or it was given up before.
//   H2. Who does it says so every second. Ingestors give one up of which they have heard nothing for long: it holds up no stream for
//       ever.
//   H3. After one that is done an ingestor goes on only under a revision that has its rules.

import type { Generated, Selectable } from 'kysely';
import { CepError } from '../errors.js';
import { transact } from '../store/sql-database.js';
import { again, appendAll, type RuleEdit, type RuleStore, type StoredRule } from './rule-store.js';

export type HandOverState =
  | 'under-way'
  /** The rules are on. */
  | 'done'
  /** A revision has them. */
  | 'in-force'
  | 'given-up';

export interface HandOver {
  readonly id: string;
  /** The topic, as ingestors name it. */
  readonly source: string;
  readonly state: HandOverState;
  /** Rises as long as somebody is at it. */
  readonly beat: number;
  readonly author: string;
}

export interface HandOversTable {
  id: string;
  source: string;
  state: HandOverState;
  beat: Generated<number>;
  author: string;
  created_at: Generated<Date>;
}

/** Partitions whose ingestor stands still. */
export interface PausesTable {
  hand_over: string;
  source_partition: number;
  owner: string;
}

export interface HandOvers {
  begin(handOver: Pick<HandOver, 'id' | 'source' | 'author'>): Promise<void>;
  find(id: string): Promise<HandOver | null>;
  /** Those that ingestors stand still for: under way, or done and not in force yet. */
  open(): Promise<HandOver[]>;
  /** H2. @returns whether it is under way still */
  beat(id: string): Promise<boolean>;
  /** Says that partitions are not read further. */
  pause(id: string, partitions: readonly number[], owner: string): Promise<void>;
  pausedPartitions(id: string): Promise<ReadonlySet<number>>;
  /** H1: writes the rules. @throws CepError `HAND_OVER_LOST` where it was given up */
  finish(id: string, edits: readonly RuleEdit[]): Promise<StoredRule[]>;
  inForce(id: string): Promise<void>;
  /** @param seen - gives up only what has not moved since; whatever it did by default */
  giveUp(id: string, seen?: number): Promise<void>;
}

export function handOversOf({ database }: RuleStore): HandOvers {
  const { db } = database;
  const move = async (id: string, from: HandOverState, to: HandOverState, seen?: number) => {
    const update = db
      .updateTable('cep_hand_overs')
      .set({ state: to })
      .where('id', '=', id)
      .where('state', '=', from);
    await (seen === undefined ? update : update.where('beat', '=', seen)).execute();
  };
  return {
    begin: async ({ id, source, author }) => {
      await db
        .insertInto('cep_hand_overs')
        .values({ id, source, author, state: 'under-way' })
        .execute();
    },
    find: async (id) => {
      const row = await db
        .selectFrom('cep_hand_overs')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst();
      return row ? handOver(row) : null;
    },
    open: async () => {
      const rows = await db
        .selectFrom('cep_hand_overs')
        .selectAll()
        .where('state', 'in', ['under-way', 'done'])
        .execute();
      return rows.map(handOver);
    },
    beat: async (id) => {
      const { numUpdatedRows } = await db
        .updateTable('cep_hand_overs')
        .set(({ eb }) => ({ beat: eb('beat', '+', 1) }))
        .where('id', '=', id)
        .where('state', '=', 'under-way')
        .executeTakeFirst();
      return numUpdatedRows > 0;
    },
    pause: async (id, partitions, owner) => {
      if (partitions.length === 0) return;
      await again(() =>
        transact(database, async (transaction) => {
          await transaction
            .deleteFrom('cep_hand_over_pauses')
            .where('hand_over', '=', id)
            .where('source_partition', 'in', partitions)
            .execute();
          await transaction
            .insertInto('cep_hand_over_pauses')
            .values(partitions.map((each) => ({ hand_over: id, source_partition: each, owner })))
            .execute();
        }),
      );
    },
    pausedPartitions: async (id) => {
      const rows = await db
        .selectFrom('cep_hand_over_pauses')
        .select('source_partition')
        .where('hand_over', '=', id)
        .execute();
      return new Set(rows.map((row) => row.source_partition));
    },
    finish: (id, edits) =>
      again(() =>
        transact(database, async (transaction) => {
          const { numUpdatedRows } = await transaction
            .updateTable('cep_hand_overs')
            .set({ state: 'done' })
            .where('id', '=', id)
            .where('state', '=', 'under-way')
            .executeTakeFirst();
          if (numUpdatedRows === 0n) throw lost(id);
          return await appendAll(transaction, edits);
        }),
      ),
    inForce: (id) => move(id, 'done', 'in-force'),
    giveUp: (id, seen) => move(id, 'under-way', 'given-up', seen),
  };
}

function handOver({ id, source, state, beat, author }: Selectable<HandOversTable>): HandOver {
  return { id, source, state, beat, author };
}

function lost(id: string): CepError {
  return new CepError(
    'HAND_OVER_LOST',
    'the ingestors have given the hand-over up, because they heard nothing of it for too long: nothing has changed; do it again, when the machine or the database is less busy',
    { details: { handOver: id } },
  );
}
