// The journeys of the session driver: one per vector. Evaluated inside the workflow bundle.

import type { EventData } from '../event.js';
import { decode } from '../rules/decode.js';
import type { PatternDocument } from '../rules/document.js';
import { defineJourneys, type JourneySet } from '../rules/journey.js';

/** A journey's id for a case: names of cases may hold what ids may not. */
export function vectorJourneyId(name: string): string {
  return name.replace(/[^\w.-]/g, '_');
}

/** A journey per case, with one rule that alerts on every match and timeout. */
export function vectorJourneys(
  cases: readonly { name: string; document: PatternDocument }[],
): JourneySet<EventData> {
  return defineJourneys<EventData>({
    journeys: cases.map(({ name, document }) => ({
      id: vectorJourneyId(name),
      key: 'key',
      rules: [
        {
          id: 'vector',
          pattern: decode(document),
          timers: 'flink',
          onMatch: { alert: 'match' },
          onTimeout: { alert: 'timeout' },
        },
      ],
    })),
  });
}
