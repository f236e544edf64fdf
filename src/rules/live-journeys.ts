// Journeys as an ingestor has them while it runs: who asks an entry asks the revision of that moment.

import type { CompiledJourney, CompiledJourneys } from './compiled.js';
import { RuleBook } from './in-force.js';
import type { JourneySet } from './journey.js';
import { type RuleRevision, rulesOf } from './revision.js';

/** The journeys of a module with the rules of the newest revisions. */
export class LiveJourneys implements CompiledJourneys {
  readonly set: JourneySet;
  readonly #book: RuleBook;
  readonly #byId: Map<string, CompiledJourney>;
  readonly #only: ReadonlySet<string> | null;
  /** What is behind an entry at this moment. */
  readonly #now: Map<string, CompiledJourney>;
  /** At which each journey's rules changed last. */
  readonly #revisions = new Map<string, number>();
  #revision = 0;

  /** @param only - the journeys that there are; all by default */
  constructor(journeys: CompiledJourneys, only?: readonly string[]) {
    this.set = journeys.set;
    this.#only = only === undefined ? null : new Set(only);
    this.#book = new RuleBook(journeys);
    this.#now = new Map([...journeys.byId].filter(([id]) => this.#isWanted(id)));
    this.#byId = new Map([...this.#now.keys()].map((id) => [id, this.#entry(id)]));
  }

  get byId(): ReadonlyMap<string, CompiledJourney> {
    return this.#byId;
  }

  revisionOf(journey: string): number | undefined {
    return this.#revisions.get(journey);
  }

  /**
   * From now on journeys have these rules; a revision that is no newer changes nothing.
   *
   * @throws RuleError, MalformedPatternError for a row that this process can't read; then nothing changes
   */
  take(revision: RuleRevision): void {
    if (revision.revision <= this.#revision) return;
    const named = revision.rules.map(({ row }) => row.journey);
    const ids = new Set([...this.#byId.keys(), ...named].filter((id) => this.#isWanted(id)));
    const changed = [...ids].flatMap((id) => {
      const { rules } = rulesOf(revision, id);
      const journey = this.#book.journey(id, rules);
      // Sessions of the others need not hear of it.
      return journey === this.#now.get(id) ? [] : [{ id, journey }];
    });
    this.#revision = revision.revision;
    for (const { id, journey } of changed) {
      this.#now.set(id, journey);
      this.#revisions.set(id, revision.revision);
      if (!this.#byId.has(id)) this.#byId.set(id, this.#entry(id));
    }
  }

  #isWanted(id: string): boolean {
    return this.#only?.has(id) ?? true;
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
