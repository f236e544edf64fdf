import { createRequire } from 'node:module';
import type { Client } from '@temporalio/client';
import type { History } from '@temporalio/common/lib/proto-utils.js';

export type HistoryEvent = NonNullable<History['events']>[number];

/** The events of a run: the latest one unless its id is given. */
export async function eventsOf(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<HistoryEvent[]> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  return events ?? [];
}

/** The histories of all runs, first one first. */
export async function runsOf(client: Client, workflowId: string): Promise<HistoryEvent[][]> {
  const runs: HistoryEvent[][] = [];
  for (let runId: string | undefined; ; ) {
    const events = await eventsOf(client, workflowId, runId);
    runs.unshift(events);
    const before = events[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
    if (!before) return runs;
    runId = before;
  }
}

/** Why workflow tasks of a run failed or timed out. */
export function taskFailures(events: readonly HistoryEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.workflowTaskTimedOutEventAttributes) return ['timed out'];
    const failed = event.workflowTaskFailedEventAttributes;
    return failed ? [JSON.parse(JSON.stringify(failed)).cause as string] : [];
  });
}

/** Type of the activity that the event schedules, or else undefined. */
export function scheduledActivity(event: HistoryEvent): string | undefined {
  return event.activityTaskScheduledEventAttributes?.activityType?.name ?? undefined;
}

/** Type of the local activity whose result the event holds, or else undefined. */
export function localActivity({ markerRecordedEventAttributes: marker }: HistoryEvent) {
  if (marker?.markerName !== 'core_local_activity') return undefined;
  const data = marker.details?.data?.payloads?.[0]?.data;
  return data ? (JSON.parse(Buffer.from(data).toString()).activity_type as string) : undefined;
}

/** When the event was written, in ms since the epoch. */
export function timeOf({ eventTime }: HistoryEvent): number {
  return Number(eventTime?.seconds ?? 0) * 1_000 + Number(eventTime?.nanos ?? 0) / 1e6;
}

// historyToJSON and historyFromJSON of @temporalio/common 1.24 work only where npm gives it the same copy of
// protobufjs as @temporalio/proto. So here is what they do, with the copy of the latter.
const requireHere = createRequire(import.meta.url);
const requireCommon = createRequire(requireHere.resolve('@temporalio/common'));
const requireProto = createRequire(requireCommon.resolve('@temporalio/proto'));
const { fromJson, toJson } = requireProto('protobufjs/ext/protojson') as {
  fromJson(type: unknown, json: unknown): History;
  toJson(type: unknown, message: History): unknown;
};
const proto = requireCommon('@temporalio/proto');
const { History: HistoryMessage } = proto.temporal.api.history.v1;
const historyType = requireCommon('@temporalio/proto/lib/patch-protobuf-root')
  .patchProtobufRoot(proto)
  .lookupType('temporal.api.history.v1.History');

/** A history in the JSON of Temporal's own tools. */
export function historyToJson(history: History): string {
  return JSON.stringify(toJson(historyType, HistoryMessage.fromObject(history)), null, 1);
}

export function historyFromJson(text: string): History {
  return fromJson(historyType, JSON.parse(text));
}
