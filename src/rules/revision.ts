// Which rules are in force: rows of a rule table that were read, checked and given a number. Plain JSON.

import type { CepEvent } from '../event.js';
import type { RuleRow } from './rule-set.js';

/** What becomes of the matches that a rule has open when its text changes. */
export type OnChange =
  /** They go on under the old text, which begins no new ones. */
  | 'finish'
  /** They are dropped, as Flink's dynamic CEP does. */
  | 'reset';

/** A rule as a revision has it. */
export interface RuleInForce {
  /** Read, and valid. */
  readonly row: RuleRow;
  /** The journey's key field, where no journeys module defines the journey. */
  readonly key?: string;
  /** The table that it was read from. */
  readonly table: string;
  /** In the shadow it matches and is recorded, and sets nothing off. */
  readonly mode: 'on' | 'shadow';
  readonly onChange: OnChange;
  /** Where a hand-over began it; from the first event that comes otherwise. */
  readonly start?: RuleStart;
}

/** Up to where a backtest has run a rule, and its sessions have not: they begin with what it left open. */
export interface RuleStart {
  /** Id of the hand-over. */
  readonly handOver: string;
  /** The topic that the backtest has read. */
  readonly source: string;
  /** The first offset that is for the sessions, by partition. */
  readonly offsets: Readonly<Record<number, number>>;
}

/** Whether the backtest has had the event. Of another source, or a partition that was added since, it has had none. */
export function isBefore(start: RuleStart, event: CepEvent): boolean {
  return event.source === start.source && event.offset < (start.offsets[event.partition] ?? 0);
}

/** All rules that are in force from one moment on. Never changed once it has a number. */
export interface RuleRevision {
  /** From 1 on, each greater than all before. */
  readonly revision: number;
  readonly rules: readonly RuleInForce[];
}

/** What a revision has for one journey. */
export interface JourneyRules extends RuleRevision {
  readonly journey: string;
}

/** What a revision has for a journey: nothing, where it does not name it. */
export function rulesOf({ revision, rules }: RuleRevision, journey: string): JourneyRules {
  return { journey, revision, rules: rules.filter(({ row }) => row.journey === journey) };
}
