// One session as the tests feed it: from a partition of its own, and asked what it makes of it.

import type { Client } from '@temporalio/client';
import type { SessionGateway } from '../../../src/ingest/gateway.js';
import {
  type BatchedEvent,
  type EventBatch,
  STATE_QUERY,
} from '../../../src/workflows/messages.js';
import type { SessionState } from '../../../src/workflows/session.js';
import { until } from '../../support/until.js';

/** Promises of a batch that are not what follows from its events: nothing is committed, the last event is the watermark. */
export type Promised = Partial<Omit<EventBatch, 'events'>>;

export interface FedSession {
  readonly client: Client;
  readonly gateway: SessionGateway;
  readonly journey: string;
  readonly key: string;
  readonly source?: string;
  readonly partition?: number;
}

export function feedSession(options: FedSession) {
  const { client, gateway, journey, key, source = 'clicks', partition = 0 } = options;
  const ref = { journey, key };
  const handle = client.workflow.getHandle(`${journey}/${key}`);
  const state = () => handle.query<SessionState>(STATE_QUERY);
  return {
    ref,
    handle,
    partition,
    state,
    send: async (events: readonly BatchedEvent[], promised: Promised = {}) => {
      const watermark = events.at(-1)?.timestamp ?? 0;
      const from = { source, partition, watermark, lowWater: 0 };
      await gateway.signalWithStart(ref, { ...from, events, ...promised });
    },
    took: (events: number) =>
      until(`it has taken ${events}`, async () => (await state()).counts.events === events),
  };
}
