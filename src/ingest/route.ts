// CepEvent -> the sessions it belongs to.

import { DecodeError, messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import type { CompiledJourney, CompiledJourneys } from '../rules/compiled.js';
import type { Journey } from '../rules/journey.js';

/** One session that an event is for. */
export interface Route {
  readonly journey: CompiledJourney;
  readonly key: string;
}

/** Where an event goes, and which of its journeys could not be told the key. */
export interface Routes {
  readonly routes: readonly Route[];
  readonly errors: readonly DecodeError[];
}

/**
 * Finds an event's sessions: one per journey that accepts it.
 *
 * @param only - the one journey that is asked; all by default
 */
export function routeEvent(event: CepEvent, journeys: CompiledJourneys, only?: string): Routes {
  const routes: Route[] = [];
  const errors: DecodeError[] = [];
  const asked = only === undefined ? null : journeys.byId.get(only);
  if (asked === undefined) return { routes, errors: [unknownJourney(only as string)] };
  for (const journey of asked === null ? journeys.byId.values() : [asked]) {
    const { id, key } = journey.journey;
    try {
      if (!accepts(event, journey.journey)) continue;
      const found = keyOf(event, key);
      if (found !== null) {
        routes.push({ journey, key: found });
        continue;
      }
      const where = typeof key === 'string' ? `field "${key}"` : 'its key function';
      errors.push(
        new DecodeError(
          'RECORD_WITHOUT_KEY',
          `journey "${id}" accepts the event, but ${where} gives no key: correct the producer, or narrow the journey's accepts()`,
          { details: { journey: id } },
        ),
      );
    } catch (cause) {
      errors.push(
        new DecodeError(
          'RECORD_WRONG_TYPE',
          `accepts() or key() of journey "${id}" threw: ${messageOf(cause)}`,
          { details: { journey: id }, cause },
        ),
      );
    }
  }
  return { routes, errors };
}

/** @throws whatever the journey's function throws */
export function accepts({ data }: CepEvent, journey: Journey): boolean {
  return !journey.accepts || Boolean(journey.accepts(data));
}

/**
 * An event's key, by name or function of a journey; null where it has none.
 *
 * @throws whatever the function throws
 */
export function keyOf({ data }: CepEvent, key: Journey['key']): string | null {
  const value = typeof key === 'string' ? data[key] : key(data);
  return isKey(value) ? String(value) : null;
}

/** The sessions that `repartition` has found already. */
export function routeNamed(
  { journeys: ids, key }: { readonly journeys: readonly string[]; readonly key: string },
  journeys: CompiledJourneys,
): Routes {
  const routes: Route[] = [];
  const errors: DecodeError[] = [];
  for (const id of ids) {
    const journey = journeys.byId.get(id);
    if (journey) routes.push({ journey, key });
    else errors.push(unknownJourney(id));
  }
  return { routes, errors };
}

function unknownJourney(id: string): DecodeError {
  return new DecodeError(
    'RECORD_WRONG_TYPE',
    `the event is for journey "${id}", which this ingestor does not have: run repartition, ingest and worker with the same journeys module`,
    { details: { journey: id } },
  );
}

/** Node has it since 20; TypeScript's library of that year does not. */
type WellFormed = string & { isWellFormed(): boolean };

function isKey(value: unknown): value is string | number {
  if (typeof value === 'number') return Number.isFinite(value);
  // A lone surrogate has no UTF-8, and a workflow id is UTF-8.
  return typeof value === 'string' && value !== '' && (value as WellFormed).isWellFormed();
}
