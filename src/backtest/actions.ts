// What sessions would ask of Temporal, as an estimate: how their events would come together in signals, and how often they would
// begin and end. docs/scaling.md has what was measured, and what it leads to.

import { DISPATCH_DEFAULTS } from '../ingest/dispatch.js';
import type { Session } from '../rules/session.js';
import { MIN_TIMESTAMP, type Millis, minutes, type Timestamp } from '../time.js';

/** Billable actions by kind. */
export interface ActionCounts {
  /** Workflows begun. */
  readonly starts: number;
  readonly signals: number;
  /** One of each for every workflow. */
  readonly timers: number;
  readonly questions: number;
  readonly upserts: number;
  /** Steps that found alerts: those of one session at one time. */
  readonly alerts: number;
}

/** One session's events on their way. */
export interface Traffic {
  events: number;
  lastAt: Timestamp;
  /** Until then an event joins the signal before it. */
  signalUntil: Timestamp;
  /** When it last had an alert. */
  alertAt: Timestamp;
}

export function newTraffic(): Traffic {
  return {
    events: 0,
    lastAt: MIN_TIMESTAMP,
    signalUntil: MIN_TIMESTAMP,
    alertAt: MIN_TIMESTAMP,
  };
}

/** An idle session ends once its offsets are committed. */
const LINGERS_MS: Millis = minutes(1);

export class ActionEstimate {
  #starts = 0;
  #signals = 0;
  #alerts = 0;
  readonly #patienceMs: Millis;

  /** @param patienceMs - how long an event waits that can complete no match */
  constructor(patienceMs: Millis) {
    this.#patienceMs = Math.max(patienceMs, DISPATCH_DEFAULTS.lingerMs);
  }

  get counts(): ActionCounts {
    const each = this.#starts;
    return {
      starts: each,
      signals: this.#signals,
      timers: each,
      questions: each,
      upserts: each,
      alerts: this.#alerts,
    };
  }

  /** An event that the session is about to take, which has seen all before it. */
  event(
    traffic: Traffic,
    session: Pick<Session, 'isIdle'>,
    at: Timestamp,
    isUrgent: boolean,
  ): void {
    const isFirst = traffic.events === 0;
    if (isFirst || (at - traffic.lastAt > LINGERS_MS && session.isIdle)) this.#starts++;
    traffic.events++;
    traffic.lastAt = at;
    const { lingerMs } = DISPATCH_DEFAULTS;
    if (at > traffic.signalUntil) {
      this.#signals++;
      traffic.signalUntil = at + (isUrgent ? lingerMs : this.#patienceMs);
    } else if (isUrgent) traffic.signalUntil = Math.min(traffic.signalUntil, at + lingerMs);
  }

  /** A session has found an alert. */
  alert(traffic: Traffic, at: Timestamp): void {
    if (at !== traffic.alertAt) this.#alerts++;
    traffic.alertAt = at;
  }
}

export function sumOfActions(all: readonly ActionCounts[]): ActionCounts {
  const sum = (of: keyof ActionCounts) => all.reduce((total, each) => total + each[of], 0);
  return {
    starts: sum('starts'),
    signals: sum('signals'),
    timers: sum('timers'),
    questions: sum('questions'),
    upserts: sum('upserts'),
    alerts: sum('alerts'),
  };
}
