import { days } from 'temporal-cep';
import { startJourneyTest } from 'temporal-cep/testing';
import { expect, test } from 'vitest';

test('a customer who does not come back for a week is about to leave', async () => {
  const shop = await startJourneyTest({ journeys: './examples/journeys.ts', journey: 'loyalty' });
  for (let i = 0; i < 10; i++) await shop.send({ eventType: 'view', userId: 'ann' });
  await shop.skip(days(6));
  expect(shop.alerts).toEqual([]);
  await shop.skip(days(1));
  expect(shop.alerts).toMatchObject([{ type: 'CHURN_RISK', userId: 'ann' }]);
  await shop.stop();
});
