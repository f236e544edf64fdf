import { defineJourneys, minutes, patterns } from 'temporal-cep';

type Click = { eventType: string; productId: string; price: number; userSession: string };
const { begin } = patterns<Click>();

export default defineJourneys<Click>({
  journeys: [{
    id: 'shopping',
    key: 'userSession',
    rules: [{
      id: 'cart-abandonment',
      pattern: begin('cart')
        .where((e) => e.eventType === 'cart' && e.price > 200)
        .followedBy('purchase')
        .where((e) => e.eventType === 'purchase')
        .within(minutes(10)),
      onTimeout: { alert: 'CART_ABANDONMENT', message: '{{cart.0.productId}} was left in the cart' },
      onMatch: { alert: 'PURCHASE_COMPLETION' },
    }],
  }],
});
