// The vectors: what Apache Flink itself made of a pattern and a stream (test/vectors/FORMAT.md). A case is
// a list of steps (an event, a watermark); a driver is whatever turns the steps into matches and
// timeouts. The pure drivers are here, the one through the session workflow is in session-driver.ts.

import { compile } from '../automaton/compile.js';
import { CepOperator, type OperatorOutput, type OperatorSnapshot } from '../automaton/operator.js';
import { CepError, messageOf } from '../errors.js';
import type { CepEvent, EventData } from '../event.js';
import { decode } from '../rules/decode.js';
import { type PatternDocument, parseDocument } from '../rules/document.js';
import { encode } from '../rules/encode.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';

/** Positions of events in the case, by stage. */
type StageIndices = Record<string, number[]>;

/** One case of a vector file. */
export interface VectorCase {
  readonly name: string;
  readonly about: string;
  readonly pattern: unknown;
  readonly events: readonly (EventData & { timestamp: Timestamp })[];
  /** Arrival order is not time order: a bounded-out-of-orderness watermark of 2 s applies. */
  readonly outOfOrder?: boolean;
  /** The last watermark; the end of time when absent. */
  readonly endWatermark?: Timestamp;
  readonly expected: {
    readonly matches?: readonly { match: StageIndices }[];
    readonly timeouts?: readonly { match: StageIndices; timeout: Timestamp }[];
    readonly late?: readonly number[];
    readonly error?: string;
    readonly runtimeError?: string;
  };
}

export interface VectorFile {
  readonly suite: string;
  readonly cases: readonly VectorCase[];
}

/** What a driver made of a case, in the form of `expected`. */
export interface VectorOutcome {
  matches: { match: StageIndices }[];
  timeouts: { match: StageIndices; timeout: Timestamp }[];
  late: number[];
  /** The pattern was refused. */
  error?: string;
  /** Processing failed; what came before stands in the lists. */
  runtimeError?: string;
}

/** One step of a case: an event by its position, or a watermark. */
export type VectorStep = { readonly event: number } | { readonly watermark: Timestamp };

/** Hands a case's steps to some implementation. */
export type VectorDriver = (vector: VectorCase) => VectorOutcome | Promise<VectorOutcome>;

const OUT_OF_ORDERNESS_MS = 2_000;

/** The events and watermarks of a case in the order in which Flink saw them. */
export function* stepsOf(vector: VectorCase): Generator<VectorStep> {
  const { events } = vector;
  let watermark: Timestamp = MIN_TIMESTAMP;
  let largest: Timestamp = MIN_TIMESTAMP;
  for (let i = 0; i < events.length; i++) {
    const { timestamp } = events[i] as VectorCase['events'][number];
    yield { event: i };
    if (vector.outOfOrder) {
      largest = Math.max(largest, timestamp);
      const next = largest - OUT_OF_ORDERNESS_MS - 1;
      if (next > watermark) {
        watermark = next;
        yield { watermark };
      }
    } else if (events[i + 1]?.timestamp !== timestamp) {
      yield { watermark: timestamp };
    }
  }
  yield { watermark: vector.endWatermark ?? MAX_TIMESTAMP };
}

/** The case's event at a position, with the position as its offset. */
export function eventOf(vector: VectorCase, index: number): CepEvent {
  const data = vector.events[index] as VectorCase['events'][number];
  return { timestamp: data.timestamp, source: 'vector', partition: 0, offset: index, data };
}

/** Adds an operator's output to an outcome. */
export function collect(outcome: VectorOutcome, output: OperatorOutput): void {
  for (const { type, events, at } of output) {
    const match = Object.fromEntries(
      Object.entries(events).map(([stage, taken]) => [stage, taken.map(({ offset }) => offset)]),
    );
    if (type === 'match') outcome.matches.push({ match });
    else outcome.timeouts.push({ match, timeout: at });
  }
}

type Prepare = (document: PatternDocument) => PatternDocument;

/** The operator under `timers: 'flink'`, as it is. */
export const operatorDriver: VectorDriver = (vector) => drive(vector, (d) => d, false);

/** The operator, written to JSON and read by a freshly compiled automaton after every step. */
export const jsonDriver: VectorDriver = (vector) => drive(vector, (d) => d, true);

/** The operator on the pattern decoded from the encoded, decoded document. */
export const roundtripDriver: VectorDriver = (vector) =>
  drive(
    vector,
    (document) => parseDocument(JSON.parse(JSON.stringify(encode(decode(document))))),
    false,
  );

/** The pure drivers by name. */
export const PURE_DRIVERS: Readonly<Record<string, VectorDriver>> = {
  operator: operatorDriver,
  json: jsonDriver,
  roundtrip: roundtripDriver,
};

function drive(vector: VectorCase, prepare: Prepare, throughJson: boolean): VectorOutcome {
  const outcome: VectorOutcome = { matches: [], timeouts: [], late: [] };
  let operator: CepOperator;
  let reload: (snapshot: OperatorSnapshot) => CepOperator;
  try {
    const document = prepare(parseDocument(vector.pattern));
    const build = (snapshot?: OperatorSnapshot) =>
      new CepOperator(compile(decode(document)), { timers: 'flink' }, snapshot);
    operator = build();
    reload = (snapshot) => build(JSON.parse(JSON.stringify(snapshot)));
  } catch (error) {
    if (!(error instanceof CepError)) throw error;
    return { ...outcome, error: messageOf(error) };
  }
  for (const step of stepsOf(vector)) {
    if ('event' in step) {
      if (!operator.processElement(eventOf(vector, step.event))) outcome.late.push(step.event);
    } else {
      const output: OperatorOutput = [];
      try {
        operator.advanceWatermark(step.watermark, output);
      } catch (error) {
        if (!(error instanceof CepError)) throw error;
        outcome.runtimeError = messageOf(error);
      }
      collect(outcome, output);
      if (outcome.runtimeError !== undefined) return outcome;
    }
    if (throughJson) operator = reload(operator.snapshot());
  }
  return outcome;
}

/**
 * Holds what a driver made of a case against what Flink made of it. Under a skip strategy order counts; under
 * NO_SKIP what one step finds comes out by start event, and among equal starts Flink's order is that of
 * its heap, which changes nothing (docs/semantics.md), so there the lists are compared without it.
 *
 * @param options.anyOrder - the driver does not keep the order of a list under any strategy
 * @returns null when they agree, else a sentence that says where they part
 */
export function differenceOf(
  { expected, pattern }: VectorCase,
  actual: VectorOutcome,
  options: { anyOrder?: boolean } = {},
): string | null {
  const refused = expected.error !== undefined;
  if (refused !== (actual.error !== undefined)) {
    return refused
      ? `Flink refuses the pattern (${expected.error}), here it was accepted`
      : `the pattern was refused: ${actual.error}`;
  }
  if (refused) return null;
  for (const list of ['matches', 'timeouts', 'late'] as const) {
    const want = (expected[list] ?? []).map((entry) => JSON.stringify(entry));
    const got = actual[list].map((entry) => JSON.stringify(entry));
    if (options.anyOrder || !skips(pattern)) {
      want.sort();
      got.sort();
    }
    const at = want.findIndex((entry, i) => entry !== got[i]);
    if (at >= 0 || got.length > want.length) {
      const i = at >= 0 ? at : want.length;
      return `${list}[${i}]: expected ${want[i] ?? 'no more'}, got ${got[i] ?? 'no more'} (${want.length} expected, ${got.length} found)`;
    }
  }
  if ((expected.runtimeError !== undefined) !== (actual.runtimeError !== undefined)) {
    return `processing should ${expected.runtimeError ? `fail (${expected.runtimeError})` : 'not fail'}, but ${actual.runtimeError ?? 'did not fail'}`;
  }
  return null;
}

function skips(pattern: unknown): boolean {
  return decode(parseDocument(pattern)).afterMatchSkip.type !== 'NO_SKIP';
}

/** Result of {@link runVectors}. */
export interface VectorReport {
  passed: number;
  failures: { name: string; difference: string }[];
}

/** Runs cases through a driver, one after the other. */
export async function runVectors(
  cases: Iterable<VectorCase>,
  driver: VectorDriver,
  options: { anyOrder?: boolean } = {},
): Promise<VectorReport> {
  const report: VectorReport = { passed: 0, failures: [] };
  for (const vector of cases) {
    const difference = differenceOf(vector, await driver(vector), options);
    if (difference === null) report.passed++;
    else report.failures.push({ name: vector.name, difference });
  }
  return report;
}
