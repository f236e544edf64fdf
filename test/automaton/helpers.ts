import { type CompilablePattern, compile } from '../../src/automaton/compile.js';
import {
  CepOperator,
  type OperatorOptions,
  type OperatorOutput,
} from '../../src/automaton/operator.js';
import type { CepEvent, EventData } from '../../src/event.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/time.js';

/** What the tests' events hold: a kind and, where a test needs one, a number. */
export interface Letter {
  readonly kind: string;
  readonly n?: number;
}

/** An event with its offset as its coordinates. */
export function eventOf(offset: number, timestamp: Timestamp, data: EventData): CepEvent {
  return { timestamp, source: 'test', partition: 0, offset, data };
}

/**
 * Events out of text: `a b@5 c@5`, a kind and a time. Without a time an event comes one millisecond
 * after the one before; the first at 1.
 */
export function eventsOf(text: string): CepEvent[] {
  let last = 0;
  return text.split(/\s+/).map((word, offset) => {
    const [kind = '', time] = word.split('@');
    last = time === undefined ? last + 1 : Number(time);
    return eventOf(offset, last, { kind });
  });
}

/** Events whose kind is one of the letters. */
export const is =
  (...kinds: string[]) =>
  (event: unknown): boolean =>
    kinds.includes((event as Letter).kind);

/** `{a[0] b[1,2]} at 7`, with the offsets of the events. */
export function outputLines(output: OperatorOutput): string[] {
  return output.map(({ type, events, at }) => {
    const stages = Object.entries(events).map(
      ([stage, taken]) => `${stage}[${taken.map(({ offset }) => offset)}]`,
    );
    return `${type} ${stages.join(' ')} at ${at}`;
  });
}

/** Runs a pattern over events in time order, with a watermark behind each timestamp, up to `end`. */
export function run(
  pattern: CompilablePattern,
  events: readonly CepEvent[],
  { end = MAX_TIMESTAMP, ...options }: OperatorOptions & { end?: Timestamp } = {},
): string[] {
  const operator = new CepOperator(compile(pattern), options);
  const output: OperatorOutput = [];
  events.forEach((event, i) => {
    operator.processElement(event);
    if (events[i + 1]?.timestamp !== event.timestamp) {
      operator.advanceWatermark(event.timestamp, output);
    }
  });
  return outputLines(operator.advanceWatermark(end, output));
}
