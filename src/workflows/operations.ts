// What people may ask of a session and do to it: queries and updates, from the Temporal UI, any CLI or client.
//
//   P1. An update is validated before anything is written: a refused one leaves no trace in the history.
//   P2. Handlers do all they do at once and await nothing: no update is half done when a run ends.
//   P3. Who did what, and why, stands in the timeline and in the history.
//   P4. While a session is paused its event time stands: no match, no timeout, no alert. What comes waits, within
//       bounds. It neither ends nor arms a timer.

import { defineQuery, defineUpdate, setHandler } from '@temporalio/workflow';
import { explainNowText } from '../automaton/explain-now.js';
import type { CepEvent } from '../event.js';
import type { PlannedAlert } from '../rules/alert.js';
import type { Session } from '../rules/session.js';
import { formatTimestamp, type Timestamp } from '../time.js';
import { EXPLAIN_QUERY, type SessionRef, TIMELINE_QUERY, UPDATES } from './messages.js';
import { RecentEvents } from './recent-events.js';
import { Timeline, type TimelineEntry } from './timeline.js';
import {
  type Authored,
  checkAuthored,
  checkDrop,
  type DropRequest,
  refusal,
} from './update-arguments.js';

/** What may wait in a paused session, as JSON in characters: the next run gets it in one payload. */
const PAUSED_LENGTH_MAX = 500_000;

/** Somebody paused the session, or closed it. */
export interface Done extends Authored {
  /** By the clock of the workflow, in ms since the epoch. */
  readonly at: Timestamp;
}

/** Answer of the `explain` query. */
export interface SessionExplanation extends SessionRef {
  /** For people. */
  readonly text: string;
  readonly watermark: Timestamp;
  readonly paused: Done | null;
  readonly rules: ReturnType<Session['explain']>;
}

/** What is known beside the rules, for the next run. */
export interface OperationsSnapshot {
  readonly timeline: readonly TimelineEntry[];
  readonly recent: readonly CepEvent[];
  readonly paused?: PausedSnapshot;
  readonly closed?: Done;
}

interface PausedSnapshot extends Done {
  /** Of what waits, as JSON in characters. */
  readonly length: number;
}

export const explainQuery = defineQuery<SessionExplanation>(EXPLAIN_QUERY);
export const timelineQuery = defineQuery<TimelineEntry[]>(TIMELINE_QUERY);
/** Drops one partial match, or all of a rule. */
export const dropUpdate = defineUpdate<{ dropped: number }, [DropRequest]>(UPDATES.drop);
/** Lets event time stand. */
export const pauseUpdate = defineUpdate<{ waiting: number }, [Authored]>(UPDATES.pause);
/** Lets event time go on. `waiting` is the number of events that did. */
export const resumeUpdate = defineUpdate<{ waiting: number }, [Authored]>(UPDATES.resume);
/** Drops all that is open: the session ends as soon as nothing it took can be delivered again. */
export const closeUpdate = defineUpdate<{ dropped: number; refused: number }, [Authored]>(
  UPDATES.close,
);

/** The session that is operated. */
export interface Operated {
  readonly session: Session;
  readonly ref: SessionRef;
  /** Takes alerts that came of it. */
  plan(alerts: readonly PlannedAlert[]): void;
  /** Takes events that waited for the watermark and that no rule will look at. */
  discard(events: readonly CepEvent[]): void;
  /** Event time stands from now on. */
  paused(): void;
  /** It goes on. */
  resumed(): void;
}

export class Operations {
  readonly timeline: Timeline;
  readonly #recent: RecentEvents;
  #paused: PausedSnapshot | null;
  #closed: Done | null;
  /** Whether somebody has done something that is not shown yet. */
  #isNews = false;

  constructor(snapshot?: OperationsSnapshot) {
    this.timeline = new Timeline(snapshot?.timeline);
    this.#recent = new RecentEvents(snapshot?.recent);
    this.#paused = snapshot?.paused ?? null;
    this.#closed = snapshot?.closed ?? null;
    this.timeline.now(Date.now());
    if (snapshot) this.timeline.did({ what: 'CONTINUED' });
  }

  /** Who paused the session and why; null while it is not. */
  get paused(): Done | null {
    if (this.#paused === null) return null;
    const { author, reason, at } = this.#paused;
    return { author, reason, at };
  }

  /** Who closed it last and why. */
  get closed(): Done | null {
    return this.#closed;
  }

  get isNews(): boolean {
    return this.#isNews;
  }

  /** The activation begins: what was done is about to be shown. */
  begin(): void {
    this.#isNews = false;
    this.timeline.now(Date.now());
  }

  /** Whether the event may wait, as far as a pause is concerned. */
  hasRoomFor(event: CepEvent): boolean {
    if (this.#paused === null) return true;
    return this.#paused.length + lengthOf(event) <= PAUSED_LENGTH_MAX;
  }

  took(event: CepEvent): void {
    this.#recent.add(event);
    if (this.#paused === null) return;
    const length = this.#paused.length + lengthOf(event);
    this.#paused = { ...this.#paused, length };
  }

  /** Nothing waits any longer. */
  refused(): void {
    if (this.#paused !== null) this.#paused = { ...this.#paused, length: 0 };
  }

  snapshot(): OperationsSnapshot {
    return {
      timeline: this.timeline.snapshot(),
      recent: this.#recent.snapshot(),
      ...(this.#paused && { paused: this.#paused }),
      ...(this.#closed && { closed: this.#closed }),
    };
  }

  /** Begins to answer. */
  serve(on: Operated): void {
    setHandler(timelineQuery, () => this.timeline.entries());
    setHandler(explainQuery, () => this.#explain(on));
    setHandler(dropUpdate, (request) => this.#drop(on, request), {
      validator: (request) => checkDrop(request, on.session),
    });
    setHandler(pauseUpdate, (by) => this.#pause(on, by), {
      validator: (by) => {
        checkAuthored(by);
        if (this.#paused) throw refusal(`it is paused already, ${saidBy(this.#paused)}`);
      },
    });
    setHandler(resumeUpdate, (by) => this.#resume(on, by), {
      validator: (by) => {
        checkAuthored(by);
        if (!this.#paused) throw refusal('it is not paused');
      },
    });
    setHandler(closeUpdate, (by) => this.#close(on, by), { validator: checkAuthored });
  }

  // ---- queries

  #explain({ session, ref }: Operated): SessionExplanation {
    const rules = session.explain(this.#recent.all());
    const { paused } = this;
    const text = [
      `${ref.journey}/${ref.key}: event time has reached ${formatTimestamp(session.watermark)}`,
      ...(paused ? [`PAUSED ${saidBy(paused)}`] : []),
      ...rules.flatMap(({ rule, openCount, ...explanation }) => [
        '',
        `${rule}: ${openCount} open`,
        ...explainNowText(explanation).map((line) => `  ${line}`),
      ]),
    ].join('\n');
    return { ...ref, text, watermark: session.watermark, paused, rules };
  }

  // ---- updates; P2

  #drop({ session, plan }: Operated, request: DropRequest): { dropped: number } {
    const { rule, match, author, reason } = request;
    this.#note();
    const { dropped, alerts } = session.drop(rule, match ?? null);
    this.timeline.did({ what: 'DROP', rule, count: dropped, author, reason });
    plan(alerts);
    return { dropped };
  }

  #pause({ session, paused }: Operated, { author, reason }: Authored): { waiting: number } {
    this.#note();
    const length = lengthOf(session.waiting);
    this.#paused = { author, reason, at: Date.now(), length };
    this.timeline.did({ what: 'PAUSE', author, reason });
    paused();
    return { waiting: session.waiting.length };
  }

  #resume({ session, resumed }: Operated, { author, reason }: Authored): { waiting: number } {
    this.#note();
    const waiting = session.waiting.length;
    this.#paused = null;
    this.timeline.did({ what: 'RESUME', count: waiting, author, reason });
    resumed();
    return { waiting };
  }

  #close(
    { session, plan, discard }: Operated,
    { author, reason }: Authored,
  ): { dropped: number; refused: number } {
    this.#note();
    const { dropped, alerts } = session.drop(null);
    plan(alerts);
    const waiting = session.discardWaiting();
    discard(waiting);
    this.#paused = null;
    this.#closed = { author, reason, at: Date.now() };
    this.timeline.did({ what: 'CLOSE', count: dropped, author, reason });
    return { dropped, refused: waiting.length };
  }

  #note(): void {
    this.#isNews = true;
    this.timeline.now(Date.now());
  }
}

function lengthOf(value: unknown): number {
  return JSON.stringify(value).length;
}

/** `since 2026-01-31T12:00:00.000Z by ann: stock is being counted`. */
function saidBy({ at, author, reason }: Done): string {
  return `since ${formatTimestamp(at)} by ${author}: ${reason}`;
}
