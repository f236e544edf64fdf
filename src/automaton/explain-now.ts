// Explain what is open at this moment: how far the partial match is that came farthest, what it waits for, and what
// its conditions say to the events that came after its last one. For a session that runs: it has its state and the
// last few events, not the stream. explain.ts tells the whole story, from the events.
//
//   N1. It works on a copy of the state, and changes nothing.
//   N2. An event is put to the match as it stands: one that came after the last event in it was put to it so when it
//       came; what came before was put to what it was then, and is left out.

import type { CepEvent, EventData } from '../event.js';
import { formatTimestamp, MAX_TIMESTAMP, type Timestamp } from '../time.js';
import { endOf, openMatches } from './automaton.js';
import { awaited, reasons } from './explain-text.js';
import type { Awaited, Reason } from './explanation.js';
import { type EventsByStage, eventsByStage } from './match.js';
import type { NFA } from './nfa.js';
import { openMatchId } from './open-match-id.js';
import type { OperatorSnapshot } from './operator.js';
import type { PartialMatch } from './partial-match.js';
import { readState } from './snapshot.js';
import { alongPath, pathsOf, Taken } from './taken.js';
import { Walker } from './walk.js';

/** Partial matches that are looked at for the one that came farthest. */
const LOOKED_AT_MAX = 1_000;
const DATA_LENGTH_MAX = 160;

/** What was made of an event. */
export interface Answer {
  readonly event: CepEvent;
  /**
   * `REFUSED`: no stage takes it. `TAKES`: one does, and what has come of that is another partial match by now, or a
   * match. `STOPS`: it must not come. `WAITS`: event time has not reached it, nobody was asked.
   */
  readonly what: 'REFUSED' | 'TAKES' | 'STOPS' | 'WAITS';
  /** Which condition said no, or yes; empty where none was asked. */
  readonly because: readonly Reason[];
}

/** The partial match with events of the most stages; among those the one with the most events, then the oldest. */
export interface Farthest {
  readonly id: string;
  /** Where it stands. */
  readonly stage: string;
  readonly events: EventsByStage;
  readonly awaits: readonly Awaited[];
  /** Null where nothing limits it. */
  readonly deadline: Timestamp | null;
}

/** What is open of one pattern, and why not more. Plain data. */
export interface NowExplanation {
  /** Null when nothing is open: the answers are those of the beginning then. */
  readonly farthest: Farthest | null;
  /** Of the recent events, those that came after the farthest match's last one, by time. */
  readonly answers: readonly Answer[];
}

/**
 * Explains the state of an operator.
 *
 * @param recent - the last events that it was given, in order of arrival
 * @throws CepError `SNAPSHOT_MISMATCH` when the state belongs to another pattern
 */
export function explainNow(
  nfa: NFA,
  state: OperatorSnapshot,
  recent: readonly CepEvent[],
): NowExplanation {
  const walker = new Walker(nfa);
  const found = farthestOf(nfa, state);
  const last = found && asList(found.taken);
  const answers = [...recent]
    .filter((event) => !last || isBehind(event, last.event))
    .sort((a, b) => a.timestamp - b.timestamp)
    .map((event): Answer => {
      if (event.timestamp > state.watermark) return { event, what: 'WAITS', because: [] };
      const { taking, stops, refusals } = walker.walk(
        found?.match.state ?? nfa.start,
        last,
        event,
        Number.MAX_SAFE_INTEGER,
      );
      if (stops.length > 0) return { event, what: 'STOPS', because: stops };
      if (taking.length > 0) return { event, what: 'TAKES', because: taking };
      return { event, what: 'REFUSED', because: refusals };
    });
  return { farthest: found && describe(nfa, walker, found), answers };
}

interface FoundList {
  readonly match: PartialMatch;
  readonly taken: readonly Taken[];
}

function farthestOf(nfa: NFA, { matches }: OperatorSnapshot): FoundList | null {
  const lists = openMatches(readState(nfa, matches)).flatMap((match) =>
    match.last === null
      ? []
      : pathsOf(match.last, MAX_TIMESTAMP, LOOKED_AT_MAX).map(({ path }) => ({
          match,
          taken: alongPath(path),
        })),
  );
  const stages = ({ taken }: FoundList) => new Set(taken.map(({ stage }) => stage)).size;
  const start = ({ taken }: FoundList) => (taken[0] as Taken).sequence;
  const [farthest = null] = lists.sort(
    (a, b) => stages(b) - stages(a) || b.taken.length - a.taken.length || start(a) - start(b),
  );
  return farthest;
}

/** The list by itself, which does not fork. */
function asList(taken: readonly Taken[]): Taken | null {
  return taken.reduce<Taken | null>(
    (last, { stage, event, sequence }) =>
      new Taken(stage, event, sequence, last, last?.origin ?? null),
    null,
  );
}

/** N2. Of events of one time nobody knows any longer which was put to it first: they are told too. */
function isBehind(event: CepEvent, last: CepEvent): boolean {
  const isLast =
    event.offset === last.offset &&
    event.partition === last.partition &&
    event.source === last.source;
  return !isLast && event.timestamp >= last.timestamp;
}

function describe(nfa: NFA, walker: Walker, { match: { state }, taken }: FoundList): Farthest {
  const [first, last] = [taken[0], taken.at(-1)] as [Taken, Taken];
  const deadline = endOf(nfa, state, first.event, last.event);
  return {
    id: openMatchId(state, taken),
    stage: walker.stageOf(state),
    events: eventsByStage(taken, nfa.stageNames),
    awaits: walker.awaits(state),
    deadline: deadline < MAX_TIMESTAMP ? deadline : null,
  };
}

/** The explanation as lines of text. */
export function explainNowText({ farthest, answers }: NowExplanation): string[] {
  return [
    ...(farthest ? farthestText(farthest) : ['nothing is open']),
    ...(answers.length === 0 ? ['  no event has come since that is still known'] : []),
    ...answers.map(
      ({ event, what, because }) => `  ${eventText(event)}: ${answerText(what, because, farthest)}`,
    ),
  ];
}

function farthestText({ id, events, awaits, deadline }: Farthest): string[] {
  const wanted = awaits.filter(({ type }) => type !== 'NO_EVENT').map(awaited);
  const unless = awaits.filter(({ type }) => type === 'NO_EVENT').map(awaited);
  return [
    `farthest: match ${id}`,
    ...Object.entries(events).flatMap(([stage, taken]) =>
      taken.map((event) => `  ${stage} took ${eventText(event)}`),
    ),
    [
      `  waits for ${wanted.join(', or for ') || 'nothing'}`,
      ...unless.map((what) => `unless ${what} comes`),
      deadline === null ? 'for ever' : `until ${formatTimestamp(deadline)}`,
    ].join('; '),
  ];
}

function answerText(
  what: Answer['what'],
  because: readonly Reason[],
  farthest: Farthest | null,
): string {
  if (what === 'WAITS') return 'event time has not reached it';
  const why = reasons(because);
  if (what === 'STOPS') return `must not come: ${why}`;
  if (what === 'REFUSED') return farthest ? `not taken: ${why}` : `began nothing: ${why}`;
  return farthest ? `taken, in a match of its own: ${why}` : `began a match that has ended: ${why}`;
}

function eventText({ source, partition, offset, timestamp, data }: CepEvent): string {
  const fields = Object.entries(data as EventData).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const text = fields.join(' ');
  const cut = text.length > DATA_LENGTH_MAX ? `${text.slice(0, DATA_LENGTH_MAX - 3)}...` : text;
  return `${source}/${partition}#${offset} ${formatTimestamp(timestamp)} ${cut}`.trimEnd();
}
