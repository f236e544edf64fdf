// Finds out which rules are in force, and gives each new set of them a number: the discoverer of Flink's dynamic CEP, for our table
// and for Flink's.
//
//   D1. A row that can't be used leaves its rule as it was, and touches no other.
//   D2. A table that can't be read leaves its rules as they were. Where no table can be read, nothing changes.
//   D3. A table is taken for empty when it was found so twice.
//   D4. Several may run at once, over the same tables: who finds that somebody has published since it began to read reads again, so
//       that an older reading never follows a newer one. Only who sees a change publishes; the others take over what there is.
//   D5. They may read different tables: what the tables of others have brought stays as those say. Of an id a journey has one rule,
//       whoever brought it: the module's, else that of the own table, which all read, else the one that was there first.
//   D6. A revision in force that the database has lost is written again: sessions ask for it, and a new one needs a number above it.

import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../assert.js';
import { CepError, type CepErrorCode, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { ConditionClasses } from '../rules/conditions.js';
import type { DefinedJourney } from '../rules/journey.js';
import type { RuleRevision } from '../rules/revision.js';
import type { Millis } from '../time.js';
import { type FlinkTable, type ReadRow, readFlinkTable } from './flink-table.js';
import { fingerprintOf, inOrder, Judge, type TableRows } from './judge.js';
import { contentHash, type RevisionHead, RULE_TABLE, type RuleStore } from './rule-store.js';
import type { RuleDatabase } from './schema.js';
import type { RuleFault } from './table-row.js';

export interface DiscovererOptions {
  readonly store: RuleStore;
  /** Tables of Flink's; none by default. */
  readonly tables?: readonly FlinkTable[];
  /** Where those are; in the store's database by default. */
  readonly tablesIn?: RuleDatabase;
  /** The conditions that patterns may name; none by default. */
  readonly classes?: ConditionClasses;
  /** The journeys that a module defines, with its own rules: a row must not have one of those too. A rule of another journey has to have a key. */
  readonly journeys: readonly DefinedJourney[];
  /** Registered effects. By default rules may name any. */
  readonly effects?: Iterable<string>;
  /** Between two polls; default 500. */
  readonly pollMs?: Millis;
  readonly log: Logger;
  /** Called with each revision after the one that `start()` returns, one at a time. */
  onRevision(revision: RuleRevision): void | Promise<void>;
}

/** What a discoverer has done so far. Read it at any time. */
export interface DiscoveryCounters {
  polls: number;
  /** Polls at which a table, or the database, could not be read or written. */
  failures: number;
  /** Rows that can't be used, at the last poll. */
  quarantined: number;
  /** The revision in force; 0 before there is one. */
  revision: number;
  /** Of the last poll at which everything could be read, in ms since the epoch; null before. */
  lastSuccessAt: Millis | null;
}

/** What is known of a table. */
interface Reading {
  readonly table: string;
  readonly read: () => Promise<readonly ReadRow[]>;
  /** As it was when it was last read; null before. */
  rows: readonly ReadRow[] | null;
  /** Whether it has been found empty once. */
  isEmptyOnce: boolean;
  /** Whether it could not be read at the last poll. */
  isAway: boolean;
}

export class RuleDiscoverer {
  readonly counters: DiscoveryCounters = {
    polls: 0,
    failures: 0,
    quarantined: 0,
    revision: 0,
    lastSuccessAt: null,
  };
  readonly #options: DiscovererOptions;
  readonly #judge: Judge;
  readonly #readings: readonly Reading[];
  readonly #stopped = new AbortController();
  #running: Promise<void> | null = null;
  #current: RuleRevision | null = null;
  /** Of the rows that were judged last and published, if they had to be. */
  #settled: string | null = null;
  #faults: string | null = null;
  /** Whether one of those rows is not in force for the sake of a rule that others have brought. */
  #gaveWay = false;
  /** Whether the store itself did not do what was asked of it at the last poll. */
  #isStoreAway = false;

  constructor(options: DiscovererOptions) {
    this.#options = options;
    const { store, tables = [], tablesIn = store.database, effects } = options;
    this.#judge = new Judge({
      classes: options.classes ?? {},
      journeys: options.journeys,
      effects: effects === undefined ? null : new Set(effects),
    });
    const reading = (table: string, read: Reading['read']): Reading => ({
      table,
      read,
      rows: null,
      isEmptyOnce: false,
      isAway: false,
    });
    this.#readings = [
      reading(RULE_TABLE, () => store.list()),
      ...tables.map((each) => reading(each.table, () => readFlinkTable(tablesIn, each))),
    ];
  }

  /**
   * Polls until it is known what is in force, and goes on polling. Where tables can't be read but there is a revision, that one is in
   * force.
   *
   * @throws CepError `DATABASE_UNREACHABLE` where the database does not answer; `SETTING_INVALID` where a table can't be read and there is
   *   no revision yet
   */
  async start(): Promise<RuleRevision> {
    for (;;) {
      assert(!this.#stopped.signal.aborted, 'a discoverer that was stopped is not started again');
      const error = await this.#poll();
      // An empty table is looked at again before it counts.
      if (this.#readings.some(({ isEmptyOnce }) => isEmptyOnce)) {
        await this.#pause();
        continue;
      }
      if (this.#current === null && error === null) continue;
      const revision = this.#current ?? (await this.#newest());
      if (revision === null) throw this.#unreadable('SETTING_INVALID', error);
      this.#take(revision);
      this.#running = this.#run();
      return revision;
    }
  }

  async #newest(): Promise<RuleRevision | null> {
    try {
      return await this.#options.store.newestRevision();
    } catch (error) {
      throw this.#unreadable('DATABASE_UNREACHABLE', error);
    }
  }

  #unreadable(code: CepErrorCode, cause: unknown): CepError {
    const { name } = this.#options.store.database;
    const away = this.#readings.filter(({ isAway }) => isAway).map(({ table }) => table);
    const [what, remedy] =
      away.length > 0
        ? [`of ${away.join(', ')} `, 'correct the name of the table, or make it']
        : ['', 'start the database, or correct its address'];
    return new CepError(
      code,
      `the rules ${what}in ${name} can't be read (${messageOf(cause)}): ${remedy}`,
      { details: { database: name, tables: away }, cause },
    );
  }

  /** Ends polling, after the poll that is under way. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#pause();
      if (this.#stopped.signal.aborted) return;
      const before = this.#current?.revision;
      await this.#poll();
      if (this.#current === null || this.#current.revision === before) continue;
      const { revision } = this.#current;
      try {
        await this.#options.onRevision(this.#current);
      } catch (error) {
        this.#options.log.error('A new revision of the rules could not be taken up', {
          revision,
          error: messageOf(error),
        });
      }
    }
  }

  async #pause(): Promise<void> {
    const { signal } = this.#stopped;
    await sleep(this.#options.pollMs ?? 500, undefined, { signal }).catch(() => {});
  }

  #take(revision: RuleRevision): void {
    this.#current = revision;
    this.counters.revision = revision.revision;
  }

  /** @returns what went wrong; null for nothing */
  async #poll(): Promise<unknown> {
    const { counters } = this;
    counters.polls += 1;
    let failure: unknown = null;
    try {
      failure = await this.#look();
      this.#back();
    } catch (error) {
      failure = error;
      this.#away(error);
    }
    if (failure === null) counters.lastSuccessAt = Date.now();
    else counters.failures += 1;
    return failure;
  }

  /** @returns why a table could not be read; null where all could */
  async #look(): Promise<unknown> {
    const { store } = this.#options;
    // D4: first, so that whatever is published by somebody who read later than this has a greater number.
    let head = await store.newestHead();
    if (this.#current && (head?.revision ?? 0) < this.#current.revision) {
      await this.#restore(this.#current);
      head = await store.newestHead();
    }
    let failure: unknown = null;
    for (const reading of this.#readings) failure = (await this.#read(reading)) ?? failure;
    // D2. At the start nothing is known of a table that is away.
    const tables = this.#readings.flatMap(({ table, rows }): TableRows[] =>
      rows === null ? [] : [{ table, rows }],
    );
    const isUnknown = tables.length < this.#readings.length;
    const fingerprint = tables.map(({ rows }) => fingerprintOf(rows)).join('\n');
    if (isUnknown || fingerprint === this.#settled) {
      // D4.
      if (!isUnknown || this.#current) await this.#takeOver(head);
      return failure;
    }
    const isCurrent = head?.revision === this.#current?.revision;
    const last = isCurrent ? this.#current : await store.newestRevision();
    const judged = this.#judge.judge(tables, last?.rules ?? []);
    const rules = [...judged.rules].sort(inOrder);
    const published = await store.publishRevision(rules, head?.revision ?? 0);
    // D4: somebody has published since. The next poll reads again.
    if (contentHash(published.rules) !== contentHash(rules)) return failure;
    this.#accept(published);
    for (const { table, row } of judged.displaced) {
      this.#options.log.warn(
        'A rule of a table that is not read here is out of force: the journeys module or the table of rules has one of that id',
        { table, rule: row.id, journey: row.journey },
      );
    }
    await this.#quarantine(judged.faults);
    this.#settled = fingerprint;
    this.#gaveWay = judged.gaveWay;
    return failure;
  }

  /** D6. */
  async #restore(revision: RuleRevision): Promise<void> {
    const { store, log } = this.#options;
    await store.restoreRevision(revision);
    // Faults may be lost as well.
    this.#settled = null;
    this.#faults = null;
    log.warn('The rule database has lost the revision in force: it is written again', {
      revision: revision.revision,
    });
  }

  async #takeOver(head: RevisionHead | null): Promise<void> {
    if (!head || head.revision <= (this.#current?.revision ?? 0)) return;
    const newest = await this.#options.store.newestRevision();
    if (newest) this.#accept(newest);
    // D5: the rule that it gave way to may be gone.
    if (this.#gaveWay) this.#settled = null;
  }

  #accept(revision: RuleRevision): void {
    if (revision.revision <= (this.#current?.revision ?? 0)) return;
    this.#take(revision);
    this.#options.log.info('A revision of the rules is in force', {
      revision: revision.revision,
      rules: revision.rules.length,
    });
  }

  async #quarantine(faults: readonly RuleFault[]): Promise<void> {
    this.counters.quarantined = faults.length;
    const text = JSON.stringify(faults);
    if (text === this.#faults) return;
    const tables = this.#readings.map(({ table }) => table);
    await this.#options.store.setFaults(faults, tables);
    this.#faults = text;
    for (const { table, id, message } of faults) {
      this.#options.log.warn('A row of a rule table cannot be used', { table, rule: id, message });
    }
  }

  /** @returns why it could not be read; null where it could */
  async #read(reading: Reading): Promise<unknown> {
    const { log } = this.#options;
    const { table } = reading;
    try {
      const rows = await reading.read();
      if (reading.isAway) log.info('A rule table can be read again', { table });
      reading.isAway = false;
      // D3. Where there were no rows before there is nothing to lose.
      const wasFull = reading.rows === null || reading.rows.length > 0;
      reading.isEmptyOnce = rows.length === 0 && wasFull && !reading.isEmptyOnce;
      if (!reading.isEmptyOnce) reading.rows = rows;
      return null;
    } catch (error) {
      if (!reading.isAway) {
        log.error('A rule table cannot be read: its rules stay as they are', {
          table,
          error: messageOf(error),
        });
      }
      reading.isAway = true;
      return error;
    }
  }

  #away(error: unknown): void {
    if (!this.#isStoreAway) {
      this.#options.log.error('The rule database did not answer: the rules stay as they are', {
        error: messageOf(error),
      });
    }
    this.#isStoreAway = true;
  }

  #back(): void {
    if (this.#isStoreAway) this.#options.log.info('The rule database answers again');
    this.#isStoreAway = false;
  }
}
