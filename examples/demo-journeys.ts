// The journeys of the demo: those of the shop, and one with a window short enough to watch it end.

import { defineJourneys, type Journey, patterns, seconds } from 'temporal-cep';
import shop, { type Click } from './journeys.js';

const { begin } = patterns<Click>();

const liveCart: Journey<Click> = {
  id: 'live-cart',
  description: 'A cart that is left while you watch',
  key: 'userSession',
  accepts: (e) => e.userSession.startsWith('live-cart-'),
  rules: [
    {
      id: 'cart-abandonment-30s',
      description: 'A cart worth over 200, and no purchase within thirty seconds',
      pattern: begin('cart')
        .where((e) => e.eventType === 'cart' && e.price > 200)
        .followedBy('purchase')
        .where((e) => e.eventType === 'purchase')
        .within(seconds(30)),
      onTimeout: {
        alert: 'CART_ABANDONMENT',
        message: 'Product {{cart.0.productId}} at {{cart.0.price}} was left in the cart, just now',
      },
    },
  ],
};

export default defineJourneys<Click>({ ...shop, journeys: [...shop.journeys, liveCart] });
