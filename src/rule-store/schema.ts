// The tables of rules as Kysely sees them.

import type { Generated } from 'kysely';
import type { SqlDatabase } from '../store/sql-database.js';
import type { HandOversTable, PausesTable } from './hand-overs.js';

/** An open database with rules in it, or with tables of Flink's. */
export type RuleDatabase = SqlDatabase<RuleSchema>;

export interface RuleSchema {
  cep_rules: RulesTable;
  cep_rule_revisions: RevisionsTable;
  cep_rule_faults: FaultsTable;
  cep_hand_overs: HandOversTable;
  cep_hand_over_pauses: PausesTable;
}

/** Every change of every rule; the last one of an id is the rule as it is. */
export interface RulesTable {
  id: string;
  /** 1, 2, 3 and so on for each id. */
  change: Generated<number>;
  /** Of what the rule says: it rises where that changes. */
  version: Generated<number>;
  journey: string;
  /** The journey's key field, where no journeys module defines the journey. */
  key: string | null;
  /** draft, shadow, on or off. */
  state: Generated<string>;
  /** JSON. */
  pattern: string;
  function: string | null;
  /** finish or reset. */
  on_change: Generated<string>;
  /** JSON. */
  on_match: string | null;
  /** JSON. */
  on_timeout: string | null;
  description: string | null;
  author: Generated<string>;
  note: string | null;
  /** Of what the rule says; null for a row that was written by hand. */
  hash: string | null;
  /** `RuleStart` as JSON, where a hand-over began the rule. */
  start: string | null;
  changed_at: Generated<Date>;
}

/** Every revision there was. */
export interface RevisionsTable {
  revision: number;
  hash: string;
  /** `RuleInForce[]` as JSON. */
  rules: string;
  created_at: Generated<Date>;
}

/** Rows that can't be put in force. */
export interface FaultsTable {
  table_name: string;
  id: string;
  version: number | null;
  code: string;
  /** JSON path into the row. */
  path: string | null;
  message: string;
  since: Generated<Date>;
}
