import { WorkflowIdReusePolicy } from '@temporalio/client';
import { Command } from 'commander';
import type { EffectRecord } from '../../effects/ledger.js';
import { CepError } from '../../errors.js';
import { type DeadWanted, deadEffects } from '../../store/dead-effects.js';
import { parkedOverview } from '../../store/parked.js';
import { recordedAlert } from '../../store/recorded-alerts.js';
import type { Store } from '../../store/store.js';
import type { Timestamp } from '../../time.js';
import {
  AGAIN_SIGNAL,
  EFFECT_WORKFLOW,
  type EffectInput,
  effectWorkflowId,
} from '../../workflows/effect-messages.js';
import { TASK_QUEUE } from '../../workflows/messages.js';
import {
  addDataConverterOption,
  type DataConverterFlags,
  dataConverterOf,
  openClient,
  PRIVACY_HELP,
} from '../client.js';
import { readDeadLetters } from '../dead-letters.js';
import { deadLettersText, deadText, effectText } from '../dead-text.js';
import { addHandlingOptions, type HandlingFlags, handlingOf } from '../handling.js';
import { positiveNumber, timestamp } from '../option-values.js';
import { connectClient, SERVER_HELP } from '../server.js';
import { addPlaceOptions, type PlaceFlags, withStore } from '../store.js';
import { note, print } from '../terminal.js';
import { parkedText } from './parked.js';

const LIMIT_DEFAULT = 100;

interface Filters {
  readonly rule?: string;
  readonly effect?: string;
  readonly channel?: string;
  readonly because?: string;
  readonly since?: Timestamp;
  readonly limit: number;
}

interface ShowFlags extends PlaceFlags {
  readonly json?: boolean;
}

interface ListFlags extends ShowFlags, Filters {
  readonly deadLetters?: string;
}

interface DiscardFlags extends ShowFlags, HandlingFlags, Filters {
  readonly all?: boolean;
}

interface RetryFlags extends DiscardFlags, DataConverterFlags {
  readonly taskQueue: string;
}

/** What became of one that was named. */
interface Outcome {
  readonly id: string;
  readonly done: boolean;
  readonly message: string;
}

export function deadCommand(): Command {
  const list = addFilters(placed('list', 'list what was given up, and why'), '--reason')
    .option('--dead-letters <file>', 'also what ingest has written to this file')
    .addHelpText(
      'after',
      `
Lists effects that are dead, sessions that are parked (see temporal-cep parked) and, of the file that --dead-letters
names, records that reached no session. Of an ingest with --dead-letters-topic those are in that topic; of one with
neither, in its log.`,
    )
    .action(runList);
  const show = placed('show', 'say all that is known of an effect, whatever its state')
    .argument('<id>', 'its id: <alert>/<name>')
    .action(runShow);
  const retry = addDataConverterOption(
    addHandlingOptions(
      addFilters(placed('retry', 'plan dead effects again: decided anew, then sent'), '--because'),
      false,
    ),
  )
    .argument('[ids...]', 'their ids')
    .option('--all', 'all that are listed, by the same filters')
    .option('--task-queue <name>', 'task queue of the workers', TASK_QUEUE)
    .addHelpText(
      'after',
      `${SERVER_HELP}
${PRIVACY_HELP}

First see to what the reason names. Caps, quiet hours, goals and the suppression list hold as for any other effect; a
receiver gets the same idempotency key as before. Sessions that are parked: temporal-cep parked retry.`,
    )
    .action(runRetry);
  const discard = addHandlingOptions(
    addFilters(placed('discard', 'leave dead effects dead: they are listed no more'), '--because'),
    true,
  )
    .argument('[ids...]', 'their ids')
    .option('--all', 'all that are listed, by the same filters')
    .action(runDiscard);
  return new Command('dead')
    .description('what was given up: list it, show it, try it again or let it be')
    .addCommand(list)
    .addCommand(show)
    .addCommand(retry)
    .addCommand(discard);
}

function placed(name: string, what: string): Command {
  return addPlaceOptions(new Command(name))
    .description(what)
    .option('--json', 'print the result as JSON');
}

/** @param reasonFlag - what names the reason for which it is dead, where `--reason` is that of the author */
function addFilters(command: Command, reasonFlag: '--reason' | '--because'): Command {
  return command
    .option('--rule <id>', 'set off by this rule')
    .option('--effect <name>', 'of this name')
    .option('--channel <name>', 'over this channel')
    .option(`${reasonFlag} <code>`, 'dead for this reason, such as REFUSED')
    .option('--since <time>', 'dead since then, or later: ISO 8601, or ms', timestamp)
    .option('--limit <n>', 'how many at most', positiveNumber, LIMIT_DEFAULT);
}

function wantedBy({ rule, effect, channel, because, since, limit }: Filters): DeadWanted {
  return { rule, effect, channel, reason: because, since, limit };
}

async function runList(flags: ListFlags & { readonly reason?: string }): Promise<void> {
  const { limit, deadLetters: file } = flags;
  const letters = file === undefined ? [] : readDeadLetters(file);
  await withStore(flags, async ({ database, parked }) => {
    const { reason, ...filters } = flags;
    const wanted = { ...wantedBy(filters), reason };
    const found = await deadEffects(database, { ...wanted, limit: limit + 1 });
    const effects = found.slice(0, limit);
    const sessions = await parkedOverview(parked);
    const shown = letters.slice(-limit);
    if (flags.json) {
      print(JSON.stringify({ effects, parked: sessions, deadLetters: shown }));
    } else {
      print(deadText(effects) ?? 'No effect is dead');
      const parkedSessions = parkedText(sessions);
      if (parkedSessions) print(`\nParked sessions: temporal-cep parked retry\n${parkedSessions}`);
      const lettersFound = deadLettersText(shown);
      if (lettersFound) print(`\nDead letters of ${file}\n${lettersFound}`);
    }
    if (found.length > limit) note(`There are more than ${limit} dead effects: see --limit`);
    if (letters.length > limit) {
      note(`There are ${letters.length} dead letters, of which these are the last: see --limit`);
    }
  });
}

async function runShow(id: string, flags: ShowFlags): Promise<void> {
  await withStore(flags, async ({ database, effects }) => {
    const effect = await effects.read(id);
    if (!effect) throw unknown(id);
    const alert = await recordedAlert(database, effect.alertId);
    print(flags.json ? JSON.stringify({ effect, alert }) : effectText(effect, alert));
  });
}

async function runDiscard(ids: string[], flags: DiscardFlags): Promise<void> {
  const by = handlingOf(flags);
  await withStore(flags, async (store) => {
    const outcomes: Outcome[] = [];
    for (const { id, state } of await chosen(store, ids, flags)) {
      const done = await store.effects.discard(id, by, Date.now());
      outcomes.push({ id, done, message: done ? 'discarded' : notDead(state) });
    }
    tell(outcomes, flags);
  });
}

async function runRetry(ids: string[], flags: RetryFlags): Promise<void> {
  const { taskQueue } = flags;
  const by = handlingOf(flags);
  const dataConverter = await dataConverterOf(flags);
  await withStore(flags, async (store) => {
    const effects = await chosen(store, ids, flags);
    const { connection, namespace } = await connectClient();
    try {
      const client = openClient({ connection, namespace }, dataConverter);
      const outcomes: Outcome[] = [];
      for (const { id, alertId, effect, state } of effects) {
        const alert = await recordedAlert(store.database, alertId);
        if (!alert) {
          const message = 'its alert is not in the database, so it cannot be sent: discard it';
          outcomes.push({ id, done: false, message });
          continue;
        }
        const isRevived = await store.effects.revive(id, by, Date.now());
        // Who was interrupted between the two comes again.
        if (!isRevived && state !== 'planned') {
          outcomes.push({ id, done: false, message: notDead(state) });
          continue;
        }
        const workflowId = effectWorkflowId(alertId);
        const input: EffectInput = { alert, effects: [] };
        try {
          await client.workflow.signalWithStart(EFFECT_WORKFLOW, {
            workflowId,
            workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
            taskQueue,
            args: [input],
            signal: AGAIN_SIGNAL,
            signalArgs: [effect],
          });
        } catch (error) {
          note(`temporal-cep: ${id} is planned, but nobody was told: retry it by its id`);
          throw error;
        }
        outcomes.push({ id, done: true, message: `planned again, by workflow ${workflowId}` });
      }
      tell(outcomes, flags);
    } finally {
      await connection.close();
    }
  });
}

/** Those that were named, or all that the filters leave. */
async function chosen(
  { database, effects }: Pick<Store, 'database' | 'effects'>,
  ids: readonly string[],
  flags: DiscardFlags,
): Promise<EffectRecord[]> {
  const { rule, effect, channel, because, since } = flags;
  const isFiltered = [rule, effect, channel, because, since].some((each) => each !== undefined);
  if (flags.all ? ids.length > 0 : ids.length === 0 || isFiltered) {
    throw new CepError(
      'SETTING_INVALID',
      'say which effects: their ids, or --all, with filters such as --rule if not all are meant',
    );
  }
  if (flags.all) return await deadEffects(database, wantedBy(flags));
  const found: EffectRecord[] = [];
  for (const id of new Set(ids)) {
    const known = await effects.read(id);
    if (!known) throw unknown(id);
    found.push(known);
  }
  return found;
}

function tell(outcomes: readonly Outcome[], { json, all, limit }: DiscardFlags): void {
  if (json) print(JSON.stringify(outcomes));
  else
    print(outcomes.map(({ id, message }) => `${id}: ${message}`).join('\n') || 'No effect is dead');
  if (outcomes.some(({ done }) => !done)) process.exitCode = 1;
  if (all && outcomes.length === limit) note(`There may be more than ${limit}: see --limit`);
}

function notDead(state: EffectRecord['state']): string {
  return `it is ${state}, not dead: nothing was done`;
}

function unknown(id: string): CepError {
  return new CepError(
    'INPUT_MISSING',
    `no effect has the id "${id}": temporal-cep dead list names those that are dead`,
    { details: { id } },
  );
}
