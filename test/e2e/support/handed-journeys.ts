// A journey whose rules all come from a table: it is what a hand-over begins in.

import { defineJourneys } from 'temporal-cep';

export default defineJourneys({
  eventTime: 'eventTime',
  eventId: 'id',
  fields: { eventType: 'string', userSession: 'string' },
  journeys: [{ id: 'visits', key: 'userSession' }],
});
