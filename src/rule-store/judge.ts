// From rows to rules in force: what is good goes in, what is not stays as it last was.

import { messageOf } from '../errors.js';
import { definesRule } from '../rules/journey.js';
import type { RuleInForce } from '../rules/revision.js';
import type { ReadRow } from './flink-table.js';
import { RULE_TABLE } from './rule-store.js';
import { faultOf, invalid, type Known, type RuleFault, ruleInForce } from './table-row.js';

/** The rows of a table as they were read. */
export interface TableRows {
  readonly table: string;
  readonly rows: readonly ReadRow[];
}

export interface Judgement {
  /** Of these tables, and of those that others read. */
  readonly rules: readonly RuleInForce[];
  readonly faults: readonly RuleFault[];
  /** Rules of tables that others read, which are no longer in force: the module or the table of rules has one of their id. */
  readonly displaced: readonly RuleInForce[];
  /** Whether a row is not in force because a table that others read has brought a rule of its id. */
  readonly gaveWay: boolean;
}

type Checked = { readonly rule: RuleInForce } | { readonly error: unknown };

/** Looks at each row once: one that stays as it was is not parsed again. */
export class Judge {
  #checked = new Map<string, Checked>();
  readonly #known: Known;

  constructor(known: Known) {
    this.#known = known;
  }

  /**
   * Says which rules are in force. Of two with one journey and id, the one of the earlier table is; a rule that stays as a table of
   * others has brought it goes before all but those of the table of rules, which everybody reads.
   *
   * @param last - the rules in force until now: a bad row leaves its rule as it is there, and so do tables that are not read here
   */
  judge(tables: readonly TableRows[], last: readonly RuleInForce[]): Judgement {
    const read = new Set(tables.map(({ table }) => table));
    // One that the module has by now must not go on beside it.
    const isTheModules = ({ row }: RuleInForce) =>
      definesRule(this.#known.journeys, row.journey, row.id);
    const kept = last.filter((rule) => !isTheModules(rule));
    const others = last.filter(({ table }) => !read.has(table));
    const ofOthers = new Map(
      others
        .filter((rule) => !isTheModules(rule))
        .map((rule) => [nameOf(rule.row.journey, rule.row.id), rule]),
    );
    let gaveWay = false;
    const checked = new Map<string, Checked>();
    const rules = new Map<string, { rule: RuleInForce; table: string }>();
    const keys = new Map<string, string>();
    const bad: { table: string; row: ReadRow }[] = [];
    const faults: RuleFault[] = [];
    for (const { table, rows } of tables) {
      for (const row of rows) {
        // A draft need not be one piece yet, and what is off does not matter.
        if (row.state === 'draft' || row.state === 'off') continue;
        const text = JSON.stringify([table, row]);
        const found = this.#checked.get(text) ?? this.#check(row, table);
        checked.set(text, found);
        try {
          if ('error' in found) throw found.error;
          const { rule } = found;
          const name = nameOf(rule.row.journey, row.id);
          const other = rules.get(name);
          if (other) {
            throw invalid(
              '$.id',
              `the table ${other.table} has a rule of that id for journey "${row.journey}": rename one`,
              row.id,
            );
          }
          const first = table === RULE_TABLE ? undefined : ofOthers.get(name);
          if (first) {
            gaveWay = true;
            throw invalid(
              '$.id',
              `the table ${first.table}, which another ingestor reads or has read, has a rule of that id for journey "${row.journey}": rename this one, or delete that one while an ingestor reads it`,
              row.id,
            );
          }
          const key = keys.get(row.journey);
          if (rule.key !== undefined && key !== undefined && key !== rule.key) {
            throw invalid(
              '$.key',
              `another rule of journey "${row.journey}" has the key "${key}", and a journey has one: write that`,
              row.id,
            );
          }
          if (rule.key !== undefined) keys.set(row.journey, rule.key);
          rules.set(name, { rule, table });
        } catch (error) {
          bad.push({ table, row });
          faults.push(faultOf(table, row, error));
        }
      }
    }
    // Last, so that a bad row takes no good one's place.
    for (const { table, row } of bad) {
      const rule = lastGood(row, kept);
      if (rule === undefined) continue;
      const name = nameOf(rule.row.journey, row.id);
      if (!rules.has(name)) rules.set(name, { rule, table });
    }
    this.#checked = checked;
    for (const [name, rule] of ofOthers) {
      if (!rules.has(name)) rules.set(name, { rule, table: rule.table });
    }
    const inForce = [...rules.values()].map(({ rule }) => rule);
    const displaced = others.filter((rule) => !inForce.includes(rule));
    return { rules: inForce, faults, displaced, gaveWay };
  }

  #check(row: ReadRow, table: string): Checked {
    try {
      if (row.fault) throw row.fault;
      return { rule: ruleInForce(row, table, this.#known) };
    } catch (error) {
      return { error };
    }
  }
}

/** Of the same journey; or else of another, which the row may have left with the fault. */
function lastGood({ id, journey }: ReadRow, last: readonly RuleInForce[]): RuleInForce | undefined {
  const ofId = last.filter(({ row }) => row.id === id);
  return (
    ofId.find(({ row }) => row.journey === journey) ?? (ofId.length === 1 ? ofId[0] : undefined)
  );
}

function nameOf(journey: string, id: string): string {
  return `${journey} ${id}`;
}

/** By journey and id, so that two who read the same rows say the same. */
export function inOrder({ row: a }: RuleInForce, { row: b }: RuleInForce): number {
  const [first, second] = a.journey === b.journey ? [a.id, b.id] : [a.journey, b.journey];
  return first < second ? -1 : 1;
}

/** What tells two readings of a table apart; JSON leaves out what an error says. */
export function fingerprintOf(rows: readonly ReadRow[]): string {
  return JSON.stringify(rows.map(({ fault, ...row }) => (fault ? [row, messageOf(fault)] : [row])));
}
