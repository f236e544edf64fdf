// The journey of the steady and the open scenario: a visit that stays open, with an alert now and then.

import { days, defineJourneys, minutes, patterns } from '../../src/index.js';

export interface Step {
  readonly type: 'login' | 'view' | 'cart' | 'purchase' | 'logout';
  readonly key: string;
  readonly eventTime: number;
}

const { begin } = patterns<Step>();
const is = (type: Step['type']) => (step: Step) => step.type === type;

export default defineJourneys<Step>({
  journeys: [
    {
      id: 'visit',
      key: 'key',
      rules: [
        {
          id: 'open',
          pattern: begin('login')
            .where(is('login'))
            .followedBy('logout')
            .where(is('logout'))
            .within(days(365)),
          onMatch: { alert: 'LEFT' },
        },
        {
          id: 'bought',
          pattern: begin('cart')
            .where(is('cart'))
            .followedBy('purchase')
            .where(is('purchase'))
            .within(minutes(10)),
          onMatch: { alert: 'BOUGHT' },
        },
      ],
    },
  ],
});
