// A worker that sets effects off on the time-skipping server, with a database in memory, for one test file.

import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Alert, CreateWorkerOptions } from 'temporal-cep/worker';
import type { EffectLedger } from '../../../src/effects/ledger.js';
import { startTimeSkipping } from '../../../src/servers/test-server.js';
import type { Store } from '../../../src/store/index.js';
import type { Timestamp } from '../../../src/time.js';
import {
  EFFECT_WORKFLOW,
  type EffectInput,
  effectWorkflowId,
} from '../../../src/workflows/effect-messages.js';
import { TASK_QUEUE } from '../../../src/workflows/messages.js';
import { createWorker, openStore, quietTemporal } from './built.js';

export interface EffectsInSkippedTime {
  readonly env: TestWorkflowEnvironment;
  readonly store: Store;
  /** Starts the workflow of an alert's effects as a session does. */
  setOff(
    input: EffectInput,
    options?: { startDelay: number },
  ): ReturnType<TestWorkflowEnvironment['client']['workflow']['start']>;
  stop(): Promise<void>;
}

export interface EffectsOptions
  extends Pick<CreateWorkerOptions, 'effects' | 'activities' | 'progressWaitMs'> {
  /** What stands between worker and database; nothing by default. */
  readonly ledgerOver?: (ledger: EffectLedger) => EffectLedger;
}

export async function startEffects({
  ledgerOver = (ledger) => ledger,
  ...options
}: EffectsOptions): Promise<EffectsInSkippedTime> {
  quietTemporal();
  const env = await startTimeSkipping();
  const store = await openStore({ memory: true }, { migrate: true });
  const worker = await createWorker({
    journeys: new URL('journeys.ts', import.meta.url),
    store: { ...store, effects: ledgerOver(store.effects) },
    connection: env.nativeConnection,
    ...options,
  });
  const running = worker.run();
  return {
    env,
    store,
    setOff: (input, more) =>
      env.client.workflow.start(EFFECT_WORKFLOW, {
        workflowId: effectWorkflowId(input.alert.id),
        taskQueue: TASK_QUEUE,
        args: [input],
        ...more,
      }),
    stop: async () => {
      worker.shutdown();
      await running;
      await store.close();
      await env.teardown();
    },
  };
}

/** An alert of a user who has left a cart. */
export function alertOf(user: string, at: Timestamp, match: Alert['match'] = {}): Alert {
  return {
    ...{ id: `alert-${user}`, journey: 'long', rule: 'cart-abandonment', ruleVersion: 1 },
    ...{ key: user, userId: user, userSession: user, type: 'LEFT', message: 'left', at, match },
  };
}
