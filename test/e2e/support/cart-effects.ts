// What the harness' carts set off: a reminder, and then a coupon, unless the purchase comes first.

import { defineEffects } from 'temporal-cep/worker';

export default defineEffects({
  zone: 'Europe/Berlin',
  goals: { bought: { when: "event.eventType == 'purchase'" } },
  effects: {
    sendCoupon: {
      send: { kind: 'function', name: 'sendCoupon' },
      delay: '30m',
      goal: 'bought',
      quietHours: { from: '21:00', to: '08:00' },
      caps: [{ max: 1, per: 'day', of: 'user' }],
      followUp: { after: '1d', effect: 'second' },
    },
    second: { send: { kind: 'function', name: 'second' } },
  },
});
