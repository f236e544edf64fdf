import type { Timestamp } from './time.js';

/** What a record holds once it is decoded: the user's own event type, any JSON object. */
export type EventData = Record<string, unknown>;

/**
 * An event on its way through a session, with where it came from.
 *
 * `source`, `partition` and `offset` are its coordinates: unique, and the same again when the record
 * is delivered again. They identify the event in alerts and let a session drop repeats.
 */
export interface CepEvent<E = EventData> {
  /** Event time. */
  readonly timestamp: Timestamp;
  /** A topic, or one file: `file:clicks.ndjson`. */
  readonly source: string;
  readonly partition: number;
  /** Position in the partition; for a file the line, counted from 0. */
  readonly offset: number;
  /** The record's own id, when it has one: a second event with an id the session holds is a repeat. */
  readonly id?: string;
  readonly data: E;
}

/** `source/partition/offset`, the text form of an event's coordinates. */
export function coordinates(
  event: Pick<CepEvent<unknown>, 'source' | 'partition' | 'offset'>,
): string {
  return `${event.source}/${event.partition}/${event.offset}`;
}

/** The events of a match, by stage, oldest first, without envelopes. Stages that took none are absent. */
export type MatchedEvents<E = unknown> = Readonly<Record<string, readonly E[]>>;

/** The first value of a field in the events of a match, as text; null when none has it. */
export function firstOf(match: MatchedEvents, field: string): string | null {
  for (const events of Object.values(match)) {
    for (const event of events) {
      const value = (event as EventData)[field];
      if (value !== undefined && value !== null) return String(value);
    }
  }
  return null;
}
