// Journeys as an ingestor has them while it runs: who asks an entry asks the revision of that moment.

import type { CompiledJourney, CompiledJourneys } from './compiled.js';
import { RuleBook } from './in-force.js';
import type { JourneySet } from './journey.js';
import type { RuleRevision } from './revision.js';

/** The journeys of a module with the rules of the newest revisions. */
export class LiveJourneys implements CompiledJourneys {
  readonly set: JourneySet;
  readonly #book: RuleBook;
  readonly #byId: Map<string, CompiledJourney>;
  /** What is behind an entry at this moment. */
  readonly #now: Map<string, CompiledJourney>;
  readonly #revisions = new Map<string, number>();

  constructor(journeys: CompiledJourneys) {
    this.set = journeys.set;
    this.#book = new RuleBook(journeys);
    this.#now = new Map(journeys.byId);
    this.#byId = new Map([...this.#now.keys()].map((id) => [id, this.#entry(id)]));
  }

  get byId(): ReadonlyMap<string, CompiledJourney> {
    return this.#byId;
  }

  /** The revision of a journey's rules; undefined where none has come. */
  revisionOf(journey: string): number | undefined {
    return this.#revisions.get(journey);
  }

  /**
   * From now on the journey has these rules; an older revision than it has changes nothing.
   *
   * @throws RuleError, MalformedPatternError for a row that this process can't read; then nothing changes
   */
  take({ journey, revision, rules }: RuleRevision): void {
    if (revision <= (this.#revisions.get(journey) ?? 0)) return;
    this.#now.set(journey, this.#book.journey(journey, rules));
    this.#revisions.set(journey, revision);
    if (!this.#byId.has(journey)) this.#byId.set(journey, this.#entry(journey));
  }

  #entry(id: string): CompiledJourney {
    const now = () => this.#now.get(id) as CompiledJourney;
    return {
      get journey() {
        return now().journey;
      },
      get rules() {
        return now().rules;
      },
      get shortestWindowMs() {
        return now().shortestWindowMs;
      },
      canBegin: (event) => now().canBegin(event),
      canComplete: (event) => now().canComplete(event),
    };
  }
}
