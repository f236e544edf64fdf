// Two builds of the journeys of versioning.test.ts: a rule that stays as it is, one that changes, one that goes and one
// that comes.

import { defineJourneys, minutes, patterns, type Rule } from 'temporal-cep';

export interface Click {
  eventTime: number;
  eventType: 'view' | 'cart' | 'purchase';
  userSession: string;
}

const { begin } = patterns<Click>();

const cart = (id: string, version: number): Rule => ({
  id,
  version,
  pattern: begin('cart')
    .where((event) => event.eventType === 'cart')
    .followedBy('purchase')
    .where((event) => event.eventType === 'purchase')
    .within(minutes(10)),
  onMatch: { alert: id.toUpperCase(), message: `version ${version}` },
});

export const journeysOfBuild = (build: 1 | 2) =>
  defineJourneys<Click>({
    journeys: [
      {
        id: 'shop',
        key: 'userSession',
        rules: [cart('same', 1), cart('changed', build), cart(build === 1 ? 'gone' : 'new', 1)],
      },
    ],
  });
