// Carts that are left, customer by customer; examples/retention-effects.json says what comes of it.

import { defineJourneys, minutes, patterns } from 'temporal-cep';

export type Click = {
  eventType: string;
  productId: string;
  price: number;
  userId: string;
  email: string;
  zone: string;
};
const { begin } = patterns<Click>();

export default defineJourneys<Click>({
  journeys: [
    {
      id: 'carts',
      description: 'What a customer puts into the cart',
      key: 'userId',
      rules: [
        {
          id: 'cart-abandonment',
          description: 'A cart, and no purchase within ten minutes',
          pattern: begin('cart')
            .where((e) => e.eventType === 'cart')
            .followedBy('purchase')
            .where((e) => e.eventType === 'purchase')
            .within(minutes(10)),
          onTimeout: {
            alert: 'CART_ABANDONMENT',
            message: '{{cart.0.productId}} was left in the cart',
            effects: ['cart-reminder'],
          },
        },
      ],
    },
  ],
});
