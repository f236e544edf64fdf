import type { CepEvent } from '../event.js';
import type { Logger } from '../log.js';
import type { CompiledJourney } from '../rules/compiled.js';
import type { SourcePartition } from '../workflows/messages.js';
import type { DispatchCounts, Outgoing } from './dispatch.js';
import type { Publication } from './progress.js';

/** Where events go once it is known whom they are for: to sessions, or into a topic keyed by their keys. */
export interface Outlet {
  /** Deliveries taken in and not yet settled. */
  readonly held: number;
  readonly counts: DispatchCounts;
  /** Takes an event for one session. */
  add(journey: CompiledJourney, key: string, outgoing: Outgoing): void;
  /** Forgets what waits: another ingestor, or this one once more, reads it again. */
  abandon(): void;
  /** Resolves once no more than `max` deliveries are held. */
  room(max: number): Promise<void>;
  /** Resolves when all is settled. */
  drain(): Promise<void>;
  /** Sends nothing more; what waits stays unsettled. */
  stop(): void;
  /** Whether more of this partition should wait for others. */
  isAhead?(partition: SourcePartition): boolean;
  /** Told of what was published. */
  published?(publications: readonly Published[]): void;
}

/** A publication that the store took. */
export interface Published extends Publication {
  /** Of a historic partition at its end: nothing has come for longer than the grace. */
  readonly isSilent: boolean;
}

/** What an outlet asks of the ingest that it belongs to. */
export interface OutletDeps {
  readonly log: Logger;
  /** Takes an event that can't go out; resolves when it is among the dead letters. */
  refuse(event: CepEvent, code: string, reason: string): Promise<void>;
  /** Told of what must not happen. */
  fail(error: unknown): void;
}
