// The journeys of examples/five.json, whose rules come from tables.

import { defineJourneys } from 'temporal-cep';
import five from '../../examples/five.json' with { type: 'json' };

export default defineJourneys({
  eventTime: five.eventTime,
  journeys: five.journeys.map(({ id, key, description }) => ({ id, key, description })),
});
