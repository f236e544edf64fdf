import { type Client, isGrpcServiceError, WorkflowNotFoundError } from '@temporalio/client';
import { Command } from 'commander';
import { CepError, messageOf } from '../../errors.js';
import { streamOf } from '../../store/progress-store.js';
import type { Store } from '../../store/store.js';
import { DATE_MAX, formatTimestamp, MAX_TIMESTAMP, seconds } from '../../time.js';
import { STATE_QUERY } from '../../workflows/messages.js';
import type { SessionState } from '../../workflows/session.js';
import { keyName, sessionWorkflowId } from '../../workflows/session-id.js';
import {
  addDataConverterOption,
  type DataConverterFlags,
  dataConverterOf,
  keySecret,
  openClient,
  PRIVACY_HELP,
} from '../client.js';
import { connectClient, SERVER_HELP } from '../server.js';
import { stateText } from '../state-text.js';
import { DATABASE_HELP, openPlace, sharedStore } from '../store.js';
import { print, table } from '../terminal.js';
import { quoted, runningSessions } from '../visibility.js';

/** How long a worker may take to say what a session holds. */
const ANSWER_MS = seconds(10);

export function statusCommand(): Command {
  const command = new Command('status')
    .description('show what the sessions of a key hold; without a key, how far the ingestors are')
    .argument('[key]', 'the key, for all journeys, or <journey>/<key> for one')
    .option('--database <address>', 'without a key: the database (default: the environment)')
    .option('--json', 'print sessions, or partitions and parked sessions, as JSON');
  return addDataConverterOption(command)
    .addHelpText(
      'after',
      `${SERVER_HELP}
${DATABASE_HELP}
${PRIVACY_HELP}

Exits with 1 where no session is open for the key. A worker has to run: it answers for its sessions.`,
    )
    .action(run);
}

interface StatusFlags extends DataConverterFlags {
  readonly database?: string;
  readonly json?: boolean;
}

async function run(key: string | undefined, flags: StatusFlags): Promise<void> {
  const { database, json } = flags;
  if (key === undefined) {
    const store = await openPlace(sharedStore(database));
    try {
      print(await progressOf(store, json ?? false));
    } finally {
      await store.close();
    }
    return;
  }
  const secret = keySecret();
  const dataConverter = await dataConverterOf(flags);
  const { connection, namespace } = await connectClient();
  try {
    const client = openClient({ connection, namespace }, dataConverter);
    const sessions = await statesOf(client, key, secret);
    if (sessions.length === 0) {
      throw new CepError(
        'INPUT_MISSING',
        `no open session for "${key}": a session ends when nothing is open for its key. Name a key as the events have it, or <journey>/<key>`,
      );
    }
    print(json ? JSON.stringify(sessions) : sessions.map(stateText).join('\n\n'));
  } finally {
    await connection.close();
  }
}

/** How far the ingestors are, and which sessions get nothing more. */
async function progressOf({ progress, parked }: Store, asJson: boolean): Promise<string> {
  const partitions = await progress.overview();
  const sessions = await parked.list();
  if (asJson) return JSON.stringify({ partitions, parked: sessions });
  const now = Date.now();
  const rows = partitions.map((p) => [
    `${p.source}/${p.partition}`,
    p.watermark > 0 && p.watermark <= DATE_MAX ? formatTimestamp(p.watermark) : 'none',
    p.lowWater === MAX_TIMESTAMP ? 'end' : p.lowWater,
    streamOf(p),
    p.owner,
    p.publishedAt === null
      ? 'never'
      : `${Math.round((now - p.publishedAt.getTime()) / 1_000)} s ago`,
  ]);
  return [
    rows.length === 0
      ? 'Nothing has been ingested'
      : table(['partition', 'watermark', 'low water', 'stream', 'ingestor', 'published'], rows),
    ...sessions.map(({ journey, key, reason }) => `Parked: ${journey}/${key}: ${reason}`),
  ].join('\n');
}

/** By its id where the key names a journey; or else of all journeys, as far as the server lists them. */
async function statesOf(client: Client, key: string, secret?: string): Promise<SessionState[]> {
  const slash = key.indexOf('/');
  if (slash > 0) {
    const ref = { journey: key.slice(0, slash), key: key.slice(slash + 1) };
    const state = await stateOf(client, sessionWorkflowId(ref, secret));
    if (state) return [state];
  }
  const value = keyName(key, secret);
  const states: SessionState[] = [];
  const query = runningSessions([`CepKey = ${quoted(value)}`]);
  for await (const { workflowId } of client.workflow.list({ query })) {
    const state = await stateOf(client, workflowId);
    if (state) states.push(state);
  }
  return states.sort((a, b) => (a.journey < b.journey ? -1 : 1));
}

/** Null when the session has ended, or never began. */
async function stateOf(client: Client, workflowId: string): Promise<SessionState | null> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    if ((await handle.describe()).status.name !== 'RUNNING') return null;
    return await client.withDeadline(Date.now() + ANSWER_MS, () =>
      handle.query<SessionState>(STATE_QUERY),
    );
  } catch (cause) {
    if (cause instanceof WorkflowNotFoundError) return null;
    const grpc = isGrpcServiceError(cause) ? cause : (cause as { cause?: unknown }).cause;
    if (!isGrpcServiceError(grpc)) throw cause;
    throw new CepError(
      'SERVER_UNREACHABLE',
      `no worker says what session ${workflowId} holds (${grpc.details || messageOf(grpc)}): start one with temporal-cep worker, on the session's task queue`,
      { details: { workflowId }, cause },
    );
  }
}
