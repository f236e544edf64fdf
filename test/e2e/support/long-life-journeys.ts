// Journeys of long-life.test.ts.

import { defineJourneys, type Journey, minutes, patterns, skipPastLastEvent } from 'temporal-cep';

/** An event with a number; those of a session count from 0. */
export interface Step {
  eventTime: number;
  n: number;
  userSession: string;
  padding: string;
}

const steps = patterns<Step>();

const counting: Journey<Step> = {
  id: 'counting',
  key: 'userSession',
  rules: [
    {
      // Matches only where no event is missing, doubled or out of its place.
      id: 'seventy',
      pattern: steps
        .begin('steps')
        .where((event, { steps }) => {
          const last = steps.at(-1);
          return last ? event.n === last.n + 1 : event.n % 70 === 0;
        })
        .times(70)
        .consecutive()
        .afterMatch(skipPastLastEvent()),
      onMatch: { alert: 'SEVENTY', message: 'from {{steps.0.n}} to {{steps.69.n}}' },
    },
    {
      // Open from the first event on: between two matches of the other rule the session could end, and begin again.
      id: 'whole',
      pattern: steps
        .begin('first')
        .where((event) => event.n === 0)
        .followedBy('never')
        .where((event) => event.n < 0),
    },
  ],
};

const hoarding: Journey<Step> = {
  id: 'hoarding',
  key: 'userSession',
  rules: [0, 1, 2].map((rest) => ({
    id: `every-third-${rest}`,
    pattern: steps
      .begin('first')
      .where((event) => event.n < 1_000 && event.n % 3 === rest)
      .followedBy('end')
      .where((event) => event.n === 1_000),
    onMatch: { alert: 'END', message: 'since {{first.0.n}}' },
  })),
};

const pairs: Journey<Step> = {
  id: 'pairs',
  key: 'userSession',
  rules: [
    {
      id: 'first-and-last',
      pattern: steps
        .begin('first')
        .where((event) => event.n === 0)
        .followedBy('last')
        .where((event) => event.n === 69)
        .within(minutes(10)),
      onMatch: { alert: 'PAIR', message: 'both' },
    },
  ],
};

export default defineJourneys<Step>({ journeys: [counting, hoarding, pairs] });
