// S3 as a property: however the watermarks are spaced, and wherever the session is written to JSON and
// read back, the same events give the same alerts with the same ids. Random patterns and streams.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CepEvent } from '../../src/event.js';
import { compileJourneys } from '../../src/rules/compiled.js';
import type { Alert } from '../../src/rules/rule.js';
import { type RuleCounts, Session } from '../../src/rules/session.js';
import { MAX_TIMESTAMP } from '../../src/time.js';
import {
  type AnyPattern,
  choices,
  eventsArbitrary,
  patternArbitrary,
} from '../automaton/arbitraries.js';

function journeyOf(patterns: readonly AnyPattern[]) {
  const rules = patterns.map((pattern, i) => ({
    id: `rule-${i}`,
    pattern,
    onMatch: { alert: 'MATCH' },
    onTimeout: { alert: 'TIMEOUT' },
  }));
  const journey = compileJourneys({
    eventTime: 'timestamp',
    fields: {},
    journeys: [{ id: 'journey', key: 'key', rules }],
  }).byId.get('journey');
  if (!journey) throw new Error('the journey was compiled');
  return journey;
}

type Outcome = { alerts: Record<string, Alert[]>; counts: RuleCounts[] };

/** @param isWatermark - whether a watermark comes at the end of a millisecond */
function outcomeOf(
  journey: ReturnType<typeof journeyOf>,
  events: readonly CepEvent[],
  isWatermark: (timestamp: number) => boolean,
  isRestored: (step: number) => boolean,
): Outcome {
  let session = new Session(journey, 'key');
  const alerts: Outcome['alerts'] = {};
  const advance = (watermark: number) => {
    for (const { alert } of session.advance(watermark)) {
      alerts[alert.rule] = [...(alerts[alert.rule] ?? []), alert];
    }
    if (isRestored(watermark)) {
      session = new Session(journey, 'key', JSON.parse(JSON.stringify(session.snapshot())));
    }
  };
  const end = (events.at(-1)?.timestamp ?? 0) + 30;
  let i = 0;
  for (let now = 0; now <= end; now++) {
    while (events[i]?.timestamp === now) {
      expect(session.accept(events[i++] as CepEvent)).toBe('TAKEN');
    }
    if (isWatermark(now)) advance(now);
  }
  advance(MAX_TIMESTAMP);
  return { alerts, counts: session.view().map(({ counts }) => ({ ...counts })) };
}

test('S3: the spacing of watermarks changes neither alerts nor their ids nor the counts', () => {
  fc.assert(
    fc.property(
      fc.array(patternArbitrary, { minLength: 1, maxLength: 2 }),
      eventsArbitrary,
      choices,
      choices,
      (patterns, events, watermarks, restored) => {
        const journey = journeyOf(patterns);
        const atOnce = outcomeOf(
          journey,
          events,
          () => false,
          () => false,
        );
        const everyMs = outcomeOf(
          journey,
          events,
          () => true,
          () => false,
        );
        expect(everyMs).toEqual(atOnce);
        const sometimes = outcomeOf(
          journey,
          events,
          (ms) => watermarks[ms % watermarks.length] === true,
          (ms) => restored[ms % restored.length] === true,
        );
        expect(sometimes).toEqual(atOnce);
      },
    ),
    { numRuns: 1_000 },
  );
});
