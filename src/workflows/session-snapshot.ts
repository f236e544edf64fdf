// What a session hands to its next run, and how that one reads it: written by this release, by an earlier one, or
// by a later one. A layout that changes gets the next number and one function in UPGRADES; what lies in test/replay
// of earlier releases then shows that they are still read.

import type { OperatorSnapshot } from '../automaton/operator.js';
import { CepError } from '../errors.js';
import type { CepEvent } from '../event.js';
import type { PlannedAlert } from '../rules/alert.js';
import type { JourneyRules } from '../rules/revision.js';
import type { HandedOver, SessionRulesSnapshot } from '../rules/session.js';
import { EventTable } from '../rules/shared-events.js';
import type { Timestamp } from '../time.js';
import type { EventBatch, NotTakenReason } from './messages.js';
import type { OperationsSnapshot } from './operations.js';
import type { SessionCounts } from './session.js';
import type { PartitionSnapshot } from './sources.js';

/** What a session hands to its next run. */
export interface SessionSnapshot {
  /** Of this layout; raised when it changes. */
  readonly format: typeof SNAPSHOT_FORMAT;
  readonly rules: SessionRulesSnapshot;
  readonly sources: readonly PartitionSnapshot[];
  readonly counts: SessionCounts;
  /** Time of the event it began with; null before there was one. */
  readonly since: Timestamp | null;
  /** Signals that were accepted and not yet taken: the batches of each. */
  readonly inbox: readonly (readonly EventBatch[])[];
  /** Alerts that are found and not yet told. */
  readonly planned: readonly PlannedAlert[];
  /** Events that were not taken, and not yet told of. */
  readonly notTaken: readonly NotTaken[];
  /** Absent in what format 1 became. */
  readonly operations?: OperationsSnapshot;
  /** The revision that it runs, where its rules come from a table: what ran never depends on what the table has today. */
  readonly inForce?: JourneyRules;
  /** What was handed over for rules that are not in force yet; absent where there is none. */
  readonly handedOver?: readonly HandedOver[];
}

/** Events for the late output, as many as one activity takes. */
export interface NotTaken {
  readonly events: readonly CepEvent[];
  readonly reason: NotTakenReason;
}

/** A snapshot of any format. */
export interface StoredSnapshot {
  readonly format: number;
}

/** Makes of a snapshot one of the next format. */
export type SnapshotUpgrade = (snapshot: StoredSnapshot) => StoredSnapshot;

/** The first makes format 2 of format 1. */
const UPGRADES: readonly SnapshotUpgrade[] = [withEventsOnce, withoutTables, withEffectsApart];

/** The format that this release writes: the one behind the last upgrade. */
export const SNAPSHOT_FORMAT = 4;

/**
 * Reads a snapshot of this release or an earlier one.
 *
 * @throws CepError `SNAPSHOT_MISMATCH` for one of a later release. It fails the workflow task, which is tried again until
 *   a worker comes that can read it; the session is not lost.
 */
export function readSnapshot(stored: StoredSnapshot): SessionSnapshot {
  return upgraded(stored, UPGRADES) as SessionSnapshot;
}

/** Brings a snapshot to the format behind the last of the upgrades, step by step. */
export function upgraded(
  stored: StoredSnapshot,
  upgrades: readonly SnapshotUpgrade[],
): StoredSnapshot {
  const newest = upgrades.length + 1;
  const { format } = stored;
  if (!Number.isInteger(format) || format < 1 || format > newest) {
    throw new CepError(
      'SNAPSHOT_MISMATCH',
      `the state of this session has format ${format}, and this worker reads formats up to ${newest}: a later release of temporal-cep wrote it, so run workers of that release or of one after it`,
      { details: { format, newest } },
    );
  }
  return upgrades.slice(format - 1).reduce((snapshot, upgrade) => upgrade(snapshot), stored);
}

type Format1 = Omit<SessionSnapshot, 'format' | 'rules' | 'planned' | 'notTaken'> & {
  readonly format: number;
  readonly rules: {
    readonly watermark: Timestamp;
    readonly rules: Readonly<
      Record<
        string,
        Omit<SessionRulesSnapshot['rules'][string], 'operator'> & {
          readonly operator: OperatorSnapshot;
        }
      >
    >;
  };
};

/** Format 1: each rule wrote the events that it held for itself, and no alert was carried. */
function withEventsOnce(stored: StoredSnapshot): StoredSnapshot {
  const { rules: before, ...rest } = stored as Format1;
  const table = new EventTable();
  const rules = Object.entries(before.rules).map(([id, rule]) => [
    id,
    { ...rule, operator: table.pack(rule.operator) },
  ]);
  const { watermark } = before;
  const packed = { watermark, events: table.events, rules: Object.fromEntries(rules) };
  return { ...rest, format: 2, rules: packed, planned: [], notTaken: [] } as StoredSnapshot;
}

/** Format 2: all rules were of a journeys module. A release that knows no others must not lose them. */
function withoutTables(stored: StoredSnapshot): StoredSnapshot {
  return { ...stored, format: 3 };
}

type Format3 = Omit<SessionSnapshot, 'format' | 'counts' | 'planned'> & {
  readonly counts: SessionCounts & { readonly failedEffects?: number };
  readonly planned: readonly (Omit<PlannedAlert, 'alert'> & {
    readonly alert: Omit<PlannedAlert['alert'], 'ruleVersion'>;
  })[];
};

/** Format 3: sessions ran effects themselves and counted those that failed, and alerts did not know the version of their rule. */
function withEffectsApart(stored: StoredSnapshot): StoredSnapshot {
  const { counts: before, planned, ...rest } = stored as unknown as Format3;
  const { failedEffects: _, ...counts } = before;
  const told = planned.map(({ alert, effects }) => ({
    alert: { ruleVersion: 1, ...alert },
    effects,
  }));
  return { ...rest, counts, planned: told, format: 4 } as StoredSnapshot;
}
