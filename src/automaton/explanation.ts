// What an explanation says: plain data, which explain.ts makes and explain-text.ts writes out.

import type { CepEvent } from '../event.js';
import type { Timestamp } from '../time.js';
import type { Asked } from './asked.js';
import type { OperatorSnapshot } from './operator.js';

/**
 * What became of a run, or of a match of it:
 *
 * - `BEGAN`, `TOOK`: the event is the first one of the run, or one more.
 * - `BRANCHED`: beside what else became of it, the run goes on a second way, as a run of its own.
 * - `IGNORED`: the event was passed over, and the run waits on.
 * - `DIED`: the event could be neither taken nor passed over.
 * - `STOPPED`: the event is one that must not come: a NOT stage was hit.
 * - `TIMED_OUT`: its window, or its limit between neighbours, was over.
 * - `PRUNED`: the skip strategy of a match discarded the run, or a match that it had finished.
 * - `MATCHED`: it finished a match, which came out.
 * - `HELD_BACK`: it finished a match, which waits for runs that began earlier.
 * - `RELEASED`: such a match came out.
 * - `NOT_BEGUN`: the event began no run.
 */
export type RunFate =
  | 'BEGAN'
  | 'TOOK'
  | 'BRANCHED'
  | 'IGNORED'
  | 'DIED'
  | 'STOPPED'
  | 'TIMED_OUT'
  | 'PRUNED'
  | 'MATCHED'
  | 'HELD_BACK'
  | 'RELEASED'
  | 'NOT_BEGUN';

/** Where an event came from and when it was. */
export type EventRef = Pick<CepEvent, 'source' | 'partition' | 'offset' | 'timestamp'>;

/** Events by stage, without their data. */
export type RefsByStage = Readonly<Record<string, readonly EventRef[]>>;

/** Why a stage took an event, or did not. */
export interface Reason {
  readonly stage: string;
  /** What was asked, as far as it decided. */
  readonly asked: readonly Asked[];
}

/** What became of one run at one event, or as time passed. */
export interface RunStep {
  /** Number of the run, from 1; 0 for `NOT_BEGUN`. */
  readonly run: number;
  /** The event that the run began with; absent for `NOT_BEGUN`. */
  readonly first?: EventRef;
  readonly what: RunFate;
  /** The stage that took the event, or whose absence was asked for; null where none did. */
  readonly stage: string | null;
  /**
   * Of `BEGAN`, `TOOK`: the stage that took the event; of `DIED`, `IGNORED`, `NOT_BEGUN`: those that did not; of
   * `STOPPED`: the one that must not have.
   */
  readonly because: readonly Reason[];
  /** Of `BRANCHED`: the run that it branched off. */
  readonly from?: number;
  /** Of `TIMED_OUT`: when. */
  readonly at?: Timestamp;
  /** What the run has taken, where the step is its last or made a match. */
  readonly events?: RefsByStage;
  /** Of `PRUNED`: the events of the match whose skip strategy discarded it. */
  readonly by?: RefsByStage;
  /** Of `TIMED_OUT`: what it still waited for. */
  readonly awaits?: readonly Awaited[];
  /** Of `TIMED_OUT`: the last event that it passed over, and why. */
  readonly refused?: { readonly event: EventRef; readonly because: readonly Reason[] };
}

/** What happened at an event, or between events. */
export type Moment =
  | {
      readonly type: 'EVENT';
      readonly at: Timestamp;
      readonly event: CepEvent;
      /** It came behind the watermark, and changed nothing. */
      readonly late: boolean;
      readonly steps: readonly RunStep[];
      /** What ended the explanation here: the engine fails as Flink's job does. */
      readonly failure?: string;
    }
  | {
      readonly type: 'TIME';
      readonly at: Timestamp;
      readonly steps: readonly RunStep[];
      readonly failure?: string;
    };

/** What a run waits for. */
export interface Awaited {
  /** `EVENT`: an event that a stage takes. `NO_EVENT`: it must not come. `OTHER`: any event but that. `TIME`: its deadline. */
  readonly type: 'EVENT' | 'NO_EVENT' | 'OTHER' | 'TIME';
  readonly stage: string;
  /** The condition's text; null for every event. */
  readonly condition: string | null;
}

/** A run that is still alive. */
export interface LiveRun {
  readonly run: number;
  readonly events: RefsByStage;
  readonly awaits: readonly Awaited[];
  /** Null where nothing limits it. */
  readonly deadline: Timestamp | null;
}

/** The first run that ended without a match; where none ever began, the first event that began none. */
export interface NearMiss {
  readonly step: RunStep;
  /** The event at which it ended; null of a timeout, whose last event is `step.refused`. */
  readonly event: CepEvent | null;
  readonly at: Timestamp;
  /** Of a timeout: the first later event that the run would have taken, and why. */
  readonly tooLate?: { readonly event: CepEvent; readonly because: readonly Reason[] };
}

/** What a stream did to a pattern. Plain data. */
export interface Explanation {
  /** The runs that were open before the first event. */
  readonly before: readonly LiveRun[];
  readonly moments: readonly Moment[];
  readonly matches: readonly { readonly events: RefsByStage; readonly at: Timestamp }[];
  readonly timeouts: readonly { readonly events: RefsByStage; readonly at: Timestamp }[];
  readonly live: readonly LiveRun[];
  /** Finished matches that still wait for runs that began earlier. */
  readonly heldBack: readonly { readonly run: number; readonly events: RefsByStage }[];
  readonly nearMiss: NearMiss | null;
  /** The time that was reached. */
  readonly until: Timestamp;
}

export interface ExplainOptions {
  /** Goes on from an operator's state, with the events that it buffers. A fresh state by default. */
  readonly from?: OperatorSnapshot;
  /** Lets time pass up to here. Default: the time of the last event. `MAX_TIMESTAMP` ends every window. */
  readonly until?: Timestamp;
}
