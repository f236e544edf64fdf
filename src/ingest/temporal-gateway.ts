// SessionGateway over Temporal's signal-with-start.

import {
  type Client,
  isGrpcServiceError,
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
} from '@temporalio/client';
import {
  defineSearchAttributeKey,
  type SearchAttributePair,
  TypedSearchAttributes,
  type Workflow,
} from '@temporalio/common';
import { messageOf } from '../errors.js';
import type { CompiledJourney, CompiledJourneys } from '../rules/compiled.js';
import type { Journey } from '../rules/journey.js';
import { type HandedOver, Session } from '../rules/session.js';
import { seconds } from '../time.js';
import { GOAL_SIGNAL } from '../workflows/effect-messages.js';
import {
  BUSY_QUERY,
  EVENTS_SIGNAL,
  type EventBatch,
  SEARCH_ATTRIBUTES,
  SESSION_WORKFLOW,
  type SessionRef,
  type SessionSettings,
  TAKE_OVER_UPDATE,
  TASK_QUEUE,
} from '../workflows/messages.js';
import { attributesAtStart } from '../workflows/search-attributes.js';
import type { SessionInput } from '../workflows/session.js';
import { keyName, sessionWorkflowId } from '../workflows/session-id.js';
import { type SessionGateway, SessionRefused } from './gateway.js';
import type { GoalWatchDeps } from './goals.js';

const CEP_JOURNEY = defineSearchAttributeKey('CepJourney', SEARCH_ATTRIBUTES.CepJourney);
const CEP_KEY = defineSearchAttributeKey('CepKey', SEARCH_ATTRIBUTES.CepKey);
/** Elasticsearch and SQL visibility stores refuse longer keywords. */
const KEYWORD_LENGTH_MAX = 255;
/** Temporal's limit for a summary is 400 bytes. */
const SUMMARY_LENGTH_MAX = 130;
/** A call that is not answered by then is made again. */
const CALL_MS = seconds(10);

const GRPC_INVALID_ARGUMENT = 3;
const GRPC_NOT_FOUND = 5;
const GRPC_RESOURCE_EXHAUSTED = 8;
const GRPC_FAILED_PRECONDITION = 9;

export interface GatewayOptions {
  readonly client: Client;
  /**
   * What the sessions run: for their description in the Temporal UI, and so that they need not say at their start what they
   * show in the list.
   */
  readonly journeys?: CompiledJourneys;
  /** What sessions must know of this ingestor to place their timers. */
  readonly settings: SessionSettings;
  /** Of the workers; default `temporal-cep`. */
  readonly taskQueue?: string;
  /**
   * Names sessions by a keyed hash: then neither workflow ids nor CepKey tell their keys. It must stay the same, or events of
   * open sessions start others.
   */
  readonly keySecret?: string;
}

/** Delivers to session workflows. */
export function temporalGateway(options: GatewayOptions): SessionGateway {
  const { client, journeys, keySecret } = options;
  return {
    signalWithStart: async (ref, ...batches) => {
      const revision = batches[0]?.revision;
      const progress = progressAfter(journeys?.byId.get(ref.journey), ref.key, batches);
      await call(client, () =>
        client.workflow.signalWithStart(SESSION_WORKFLOW, {
          ...startOf(options, ref, revision, progress),
          signal: EVENTS_SIGNAL,
          signalArgs: batches,
        }),
      );
    },
    signal: async (ref, ...batches) => {
      try {
        await call(client, () =>
          client.workflow
            .getHandle(sessionWorkflowId(ref, keySecret))
            .signal<EventBatch[]>(EVENTS_SIGNAL, ...batches),
        );
        return 'accepted';
      } catch (error) {
        if (isGone(error)) return 'not-found';
        throw error;
      }
    },
    isBusy: (ref) => {
      const handle = client.workflow.getHandle(sessionWorkflowId(ref, keySecret));
      return client.withDeadline(Date.now() + CALL_MS, () => handle.query<boolean>(BUSY_QUERY));
    },
  };
}

/**
 * Brings sessions what a backtest has left open for them; one that does not run is started.
 *
 * @param options - as of {@link temporalGateway}
 */
export function temporalHandOver(
  options: GatewayOptions,
): (ref: SessionRef, open: HandedOver) => Promise<void> {
  const { client } = options;
  return async (ref, open) => {
    await call(client, () =>
      client.workflow.executeUpdateWithStart<Workflow, void, [HandedOver]>(TAKE_OVER_UPDATE, {
        args: [open],
        // The id makes a repetition of the call the same update.
        updateId: `${open.handOver} ${open.rule}`,
        startWorkflowOperation: new WithStartWorkflowOperation(SESSION_WORKFLOW, {
          ...startOf(options, ref, 0, []),
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      }),
    );
  };
}

/** Tells workflows of effects that their user has reached a goal. */
export function temporalGoals(client: Client): GoalWatchDeps['tell'] {
  return async (workflowId, goal, at) => {
    try {
      await call(client, () => client.workflow.getHandle(workflowId).signal(GOAL_SIGNAL, goal, at));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  };
}

function isGone(error: unknown): boolean {
  return (
    error instanceof WorkflowNotFoundError ||
    (isGrpcServiceError(error) && error.code === GRPC_NOT_FOUND)
  );
}

/** How a session is started. */
function startOf(
  { journeys, settings, taskQueue = TASK_QUEUE, keySecret }: GatewayOptions,
  ref: SessionRef,
  revision: number | undefined,
  progress: readonly SearchAttributePair[],
) {
  const journey = journeys?.byId.get(ref.journey);
  const input: SessionInput = { ...ref, settings, ...(revision !== undefined && { revision }) };
  return {
    workflowId: sessionWorkflowId(ref, keySecret),
    taskQueue,
    args: [input],
    memo: { journey: ref.journey, key: ref.key },
    staticSummary: `${ref.journey} of ${ref.key}`.slice(0, SUMMARY_LENGTH_MAX),
    staticDetails: journey ? detailsOf(journey.journey) : '',
    typedSearchAttributes: new TypedSearchAttributes([
      { key: CEP_JOURNEY, value: ref.journey },
      { key: CEP_KEY, value: keyName(ref.key, keySecret).slice(0, KEYWORD_LENGTH_MAX) },
      ...progress,
    ]),
  };
}

/** What a session that begins with these batches will show: so that it need not say it itself. */
function progressAfter(
  journey: CompiledJourney | undefined,
  key: string,
  batches: readonly EventBatch[],
): SearchAttributePair[] {
  if (!journey) return [];
  const session = new Session(journey, key);
  for (const { source, partition, origin, events } of batches) {
    const from = origin ?? { source, partition };
    for (const event of events) session.accept({ ...from, ...event });
  }
  session.advance(Math.min(...batches.map(({ watermark }) => watermark)));
  return attributesAtStart(session);
}

/** What a journey is about, in Markdown; the same for all of its sessions. */
function detailsOf({ id, description, rules }: Journey): string {
  return [
    description ? `${description} (journey **${id}**).` : `Journey **${id}**.`,
    '',
    ...rules.map((rule) => `- **${rule.id}**${rule.description ? `: ${rule.description}` : ''}`),
    '',
    'The current details say how far each rule is.',
  ].join('\n');
}

/** Tells what the server will never accept from what may work the next time. */
async function call(client: Client, make: () => Promise<unknown>): Promise<void> {
  try {
    await client.withDeadline(Date.now() + CALL_MS, make);
  } catch (error) {
    const grpc = isGrpcServiceError(error) ? error : (error as { cause?: unknown }).cause;
    if (isGrpcServiceError(grpc)) {
      const { code, details = '' } = grpc;
      const isLimit =
        (code === GRPC_RESOURCE_EXHAUSTED && /message larger|too large/i.test(details)) ||
        (code === GRPC_FAILED_PRECONDITION && /limit/i.test(details));
      if (code === GRPC_INVALID_ARGUMENT || isLimit) {
        throw new SessionRefused(details || messageOf(grpc), { cause: error });
      }
    }
    throw error;
  }
}
