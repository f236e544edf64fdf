import { Command } from 'commander';
import { counted } from '../../counted.js';
import { CepError } from '../../errors.js';
import { type RetryResult, retryParked } from '../../ingest/retry-parked.js';
import { temporalGateway } from '../../ingest/temporal-gateway.js';
import { type ParkedOverview, parkedOverview } from '../../store/parked.js';
import type { Store } from '../../store/store.js';
import { formatTimestamp, type Millis, seconds } from '../../time.js';
import { type SessionRef, TASK_QUEUE } from '../../workflows/messages.js';
import {
  addDataConverterOption,
  type DataConverterFlags,
  dataConverterOf,
  keySecret,
  openClient,
  PRIVACY_HELP,
} from '../client.js';
import { PUBLICATION_INTERVAL_MS } from '../ingest-process.js';
import { duration } from '../option-values.js';
import { connectNative, SERVER_HELP } from '../server.js';
import { addPlaceOptions, type PlaceFlags, withStore } from '../store.js';
import { note, print, table } from '../terminal.js';

interface ListFlags extends PlaceFlags {
  readonly json?: boolean;
}

interface RetryFlags extends ListFlags, SessionRetryFlags {
  readonly journey?: string;
  readonly key?: string;
  readonly all?: boolean;
}

export function parkedCommand(): Command {
  const list = placed('list', 'list the sessions that get nothing more, and why').action(runList);
  const retry = addDataConverterOption(
    placed('retry', 'send what was refused once more, in order, and let events flow again'),
  )
    .option('--journey <id>', 'the journey of the session')
    .option('--key <key>', 'its key')
    .option('--all', 'every parked session')
    .option('--task-queue <name>', 'task queue of the workers', TASK_QUEUE)
    .option('--out-of-orderness <duration>', 'as for ingest', duration, seconds(2))
    .addHelpText(
      'after',
      `${SERVER_HELP}
${PRIVACY_HELP}

First see to what the reason names. Ingestors may run: what they read meanwhile stays behind. Exits with 1 where the
server refuses again; such a session stays parked with what is left. To give that up: temporal-cep dead discard.`,
    )
    .action(runRetry);
  return new Command('parked')
    .description('sessions that refuse signals: list them, and send again what was refused')
    .addCommand(list)
    .addCommand(retry);
}

function placed(name: string, what: string): Command {
  return addPlaceOptions(new Command(name))
    .description(what)
    .option('--json', 'print the result as JSON');
}

async function runList(flags: ListFlags): Promise<void> {
  await withStore(flags, async ({ parked }) => {
    const sessions = await parkedOverview(parked);
    if (flags.json) print(JSON.stringify(sessions));
    else print(parkedText(sessions) ?? 'No session is parked');
  });
}

/** Null where there is none. */
export function parkedText(sessions: readonly ParkedOverview[]): string | null {
  if (sessions.length === 0) return null;
  const rows = sessions.map(({ journey, key, parkedAt, signals, reason }) => [
    journey,
    key,
    formatTimestamp(parkedAt),
    signals,
    reason,
  ]);
  return table(['journey', 'key', 'since', 'signals kept', 'reason'], rows);
}

async function runRetry(flags: RetryFlags): Promise<void> {
  const { journey, key, all } = flags;
  if (all ? (journey ?? key) !== undefined : journey === undefined || key === undefined) {
    throw new CepError(
      'SETTING_INVALID',
      'say which session to retry: --journey and --key of one, or --all',
    );
  }
  const retry = await sessionRetry(flags);
  await withStore(flags, async ({ parked }) => {
    const listed = await parked.list();
    const chosen = listed.filter((each) => all || (each.journey === journey && each.key === key));
    if (chosen.length === 0 && !all) {
      throw new CepError(
        'INPUT_MISSING',
        `session ${journey}/${key} is not parked: temporal-cep parked list names those that are`,
      );
    }
    const results = await retry(chosen, parked);
    for (const result of results) {
      if (result.refused === null) continue;
      process.exitCode = 1;
      note(`temporal-cep: ${nameOf(result)} stays parked: ${result.refused}`);
    }
    if (flags.json) print(JSON.stringify(results));
    else {
      const lines = results.map((each) => `${nameOf(each)}: ${resultText(each)}`);
      print(lines.join('\n') || 'No session is parked');
    }
  });
}

export interface SessionRetryFlags extends DataConverterFlags {
  readonly taskQueue: string;
  readonly outOfOrderness: Millis;
}

/** Sends sessions what was kept for them, one after the other. What is wrong with the flags is known before that. */
export async function sessionRetry(
  flags: SessionRetryFlags,
): Promise<
  (
    sessions: readonly SessionRef[],
    kept: Store['parked'],
  ) => Promise<readonly (SessionRef & RetryResult)[]>
> {
  const { taskQueue, outOfOrderness: outOfOrdernessMs } = flags;
  const secret = keySecret();
  const dataConverter = await dataConverterOf(flags);
  return async (sessions, kept) => {
    const { connection, namespace } = await connectNative();
    try {
      const gateway = temporalGateway({
        client: openClient({ connection, namespace }, dataConverter),
        ...(secret === undefined ? {} : { keySecret: secret }),
        taskQueue,
        settings: { outOfOrdernessMs, publicationIntervalMs: PUBLICATION_INTERVAL_MS },
      });
      const results = [];
      for (const { journey, key } of sessions) {
        const result = await retryParked({ journey, key }, { gateway, kept });
        results.push({ journey, key, ...result });
      }
      return results;
    } finally {
      await connection.close();
    }
  };
}

export function resultText({ sent, refused }: RetryResult): string {
  return `${counted(sent, 'signal')} sent, ${refused === null ? 'events flow again' : 'still parked'}`;
}

export function nameOf({ journey, key }: SessionRef): string {
  return `${journey}/${key}`;
}
