import { WorkflowIdReusePolicy } from '@temporalio/client';
import { Command } from 'commander';
import { counted } from '../../counted.js';
import type { EffectRecord } from '../../effects/ledger.js';
import { CepError } from '../../errors.js';
import { coordinates } from '../../event.js';
import type { KeptSignal } from '../../ingest/parked.js';
import type { Reject } from '../../ingest/rejects.js';
import { discardParked, lettersOf } from '../../ingest/retry-parked.js';
import { type DeadWanted, deadEffects } from '../../store/dead-effects.js';
import { type ParkedOverview, parkedOverview } from '../../store/parked.js';
import { recordedAlert } from '../../store/recorded-alerts.js';
import type { Store } from '../../store/store.js';
import { type Millis, seconds, type Timestamp } from '../../time.js';
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
import {
  begunRetry,
  discardDeadLetters,
  discardedLetters,
  newestLetters,
  readDeadLetters,
  withLettersOf,
} from '../dead-letters.js';
import {
  deadLettersText,
  deadLetterText,
  deadText,
  effectText,
  parkedSessionText,
} from '../dead-text.js';
import { addHandlingOptions, type HandlingFlags, handlingOf } from '../handling.js';
import { duration, positiveNumber, timestamp } from '../option-values.js';
import { addRecordFormatOptions, changesOf, type RecordFormatFlags } from '../record-format.js';
import { beginRetryOf, retriedText, runRetry as retryLettersOf } from '../retry-letters.js';
import { addRuleTablesOptions, type RuleTablesFlags } from '../rules-in-force.js';
import { connectClient, SERVER_HELP } from '../server.js';
import { addPlaceOptions, type PlaceFlags, placeOf, withStore } from '../store.js';
import { exitInterrupted, note, print, stopSignal } from '../terminal.js';
import { nameOf, parkedText, resultText, sessionRetry } from './parked.js';

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
  readonly deadLetters?: string;
}

interface ListFlags extends ShowFlags, Filters {}

interface ChoiceFlags extends ShowFlags, HandlingFlags, Filters {
  readonly all?: boolean;
}

interface DiscardFlags extends ChoiceFlags {
  readonly to?: string;
}

interface RetryFlags extends ChoiceFlags, DataConverterFlags, RuleTablesFlags, RecordFormatFlags {
  readonly taskQueue: string;
  readonly outOfOrderness: Millis;
  readonly journeys?: string;
  readonly effects?: string;
  readonly late?: string;
}

/** What the ids of a command name: an id of an effect is one of the ledger, any other that of a parked session. */
interface Chosen {
  readonly effects: readonly EffectRecord[];
  readonly sessions: readonly ParkedOverview[];
}

/** What became of one that was named. */
interface Outcome {
  readonly id: string;
  readonly done: boolean;
  readonly message: string;
}

const IDS_HELP = `
An effect's id is <alert>/<name>, that of a parked session <journey>/<key>, and that of a record in the file of
--dead-letters <source>/<partition>/<offset>. With --dead-letters all is about that file; without it an id is that of an
effect where there is one in the ledger, or else that of a session, and --all means effects (see temporal-cep parked).`;

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
  const show = addLettersOption(
    placed('show', 'say all that is known of an effect, whatever its state, a session or a record'),
  )
    .argument('<id>', 'its id')
    .addHelpText('after', IDS_HELP)
    .action(runShow);
  const retry = addDataConverterOption(
    addHandlingOptions(
      addFilters(placed('retry', 'try again: effects are decided anew, events sent'), '--because'),
      false,
    ),
  );
  addLettersOption(addRuleTablesOptions(addRecordFormatOptions(retry)))
    .argument('[ids...]', 'their ids')
    .option('--all', 'all that are listed, by the same filters')
    .option('--journeys <file>', 'of records: the journeys module that the workers run')
    .option('--effects <file>', 'of records: the declaration of effects, for its goals')
    .option('--late <file>', 'of records: append late events here (default: the log)')
    .option('--out-of-orderness <duration>', 'as for ingest', duration, seconds(2))
    .option('--task-queue <name>', 'task queue of the workers', TASK_QUEUE)
    .addHelpText(
      'after',
      `${IDS_HELP}
${SERVER_HELP}
${PRIVACY_HELP}

First see to what the reason names. Caps, quiet hours, goals and the suppression list hold for an effect as for any other;
a receiver gets the same idempotency key as before. A session is sent what was kept for it, in order. Records are a source of
their own, which ends with them: those that are taken leave the file, those that are dead again stay with the new reason. Where a retry
was interrupted it goes on, and nothing else is tried. Author and reason are kept of effects. Exits with 1 where something was not
tried, or Temporal did not take it.`,
    )
    .action(runRetry);
  const discard = addLettersOption(
    addHandlingOptions(
      addFilters(placed('discard', 'let it be: it is listed no more'), '--because'),
      true,
    ),
  )
    .argument('[ids...]', 'their ids')
    .option('--all', 'all that are listed, by the same filters')
    .option('--to <file>', 'of sessions: append what was kept for them here, as dead letters')
    .addHelpText(
      'after',
      `${IDS_HELP}

Effects stay dead. A session gets events again, without those that were kept for it; they are in the file of --to, from which
they can be tried again. Records of --dead-letters FILE are in FILE.discarded from then on. Author and reason stand with each.`,
    )
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

function addLettersOption(command: Command): Command {
  return command.option('--dead-letters <file>', 'what ingest has written to this file');
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
  const letters = file === undefined ? [] : newestLetters(readDeadLetters(file));
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
      if (parkedSessions) print(`\nParked sessions\n${parkedSessions}`);
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
  const { json, deadLetters: file } = flags;
  if (file !== undefined) {
    const letters = lettersNamed([id], readDeadLetters(file), file);
    return print(json ? JSON.stringify(letters) : letters.map(deadLetterText).join('\n\n'));
  }
  await withStore(flags, async (store) => {
    const { effects, sessions } = await named(store, [id]);
    for (const effect of effects) {
      const alert = await recordedAlert(store.database, effect.alertId);
      print(json ? JSON.stringify({ effect, alert }) : effectText(effect, alert));
    }
    for (const session of sessions) {
      const kept: KeptSignal[] = [];
      for (let next = await store.parked.first(session); next; ) {
        kept.push(next);
        next = await store.parked.first(session, next.number);
      }
      const events = kept.flatMap((signal) => lettersOf(session, signal));
      print(
        json ? JSON.stringify({ parked: session, events }) : parkedSessionText(session, events),
      );
    }
  });
}

async function runDiscard(ids: string[], flags: DiscardFlags): Promise<void> {
  const by = handlingOf(flags);
  const { deadLetters: file, to } = flags;
  if (file !== undefined) {
    await withLettersOf(file, async () => {
      const letters = lettersChosen(ids, flags, file);
      discardDeadLetters(file, letters, { ...by, at: Date.now() });
      tell(
        letters.map((letter) => ({ id: coordinates(letter), done: true, message: 'discarded' })),
        flags,
      );
    });
    return;
  }
  await withStore(flags, async (store) => {
    const { effects, sessions } = await chosen(store, ids, flags);
    if (sessions.length > 0 && to === undefined) {
      throw new CepError(
        'SETTING_INVALID',
        `${sessions.map(nameOf).join(', ')}: say with --to <file> where the events go that are kept, as dead letters`,
      );
    }
    const outcomes: Outcome[] = [];
    for (const { id, state } of effects) {
      const done = await store.effects.discard(id, by, Date.now());
      outcomes.push({ id, done, message: done ? 'discarded' : notDead(state) });
    }
    for (const session of sessions) {
      const letters = discardedLetters(to as string, { ...by, at: Date.now() });
      const count = await discardParked(session, { letters, kept: store.parked });
      const message = `parked no longer; in ${to}: ${counted(count, 'event')}`;
      outcomes.push({ id: nameOf(session), done: true, message });
    }
    tell(outcomes, flags);
  });
}

async function runRetry(ids: string[], flags: RetryFlags): Promise<void> {
  if (flags.deadLetters !== undefined) return retryLetters(ids, flags, flags.deadLetters);
  const { taskQueue } = flags;
  const by = handlingOf(flags);
  const dataConverter = await dataConverterOf(flags);
  const retrySessions = await sessionRetry(flags);
  await withStore(flags, async (store) => {
    const { effects, sessions } = await chosen(store, ids, flags);
    const outcomes: Outcome[] = [];
    if (sessions.length > 0) {
      for (const result of await retrySessions(sessions, store.parked)) {
        const { refused } = result;
        const why = refused === null ? '' : `: ${refused}`;
        const message = `${resultText(result)}${why}`;
        outcomes.push({ id: nameOf(result), done: refused === null, message });
      }
    }
    if (effects.length === 0) return tell(outcomes, flags);
    const { connection, namespace } = await connectClient();
    try {
      const client = openClient({ connection, namespace }, dataConverter);
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

/** Sees to the end of a retry that was interrupted, where there is one: the same command may then find nothing of what it names. */
async function retryLetters(ids: string[], flags: RetryFlags, file: string): Promise<void> {
  const { journeys } = flags;
  if (journeys === undefined) {
    throw new CepError(
      'SETTING_INVALID',
      'records find their sessions by journeys: name the module that the workers run with --journeys <file>',
    );
  }
  const signal = stopSignal();
  const options = {
    flags: { ...flags, journeys },
    ...{ signal, path: file, changes: changesOf(flags), place: placeOf(flags) },
  };
  await withLettersOf(file, async () => {
    const begun = begunRetry(file);
    if (begun) {
      note(
        `Goes on with ${counted(begun.letters.length, 'record')} of an earlier retry, and tries no others`,
      );
    }
    const wanted = begun ? [] : lettersChosen(ids, flags, file);
    const letters = wanted.filter(({ reason }) => reason !== 'SESSION_REFUSED');
    const retry = begun ?? (letters.length > 0 ? await beginRetryOf(letters, options) : null);
    const result = retry && (await retryLettersOf(retry, options));
    if (flags.json) print(JSON.stringify(result));
    else print(result ? retriedText(result) : 'No record is tried again');
    if (letters.length < wanted.length) {
      note(
        `${wanted.length - letters.length} SESSION_REFUSED stay: their sessions keep them, see temporal-cep parked retry`,
      );
      if (!flags.all) process.exitCode = 1;
    }
    if (result?.isDone ?? true) return;
    note(`Not all was taken: the same command goes on with what is left in ${file}.retrying`);
    if (signal.aborted) exitInterrupted(signal);
    else process.exitCode = 1;
  });
}

function lettersChosen(ids: readonly string[], flags: ChoiceFlags, file: string): Reject[] {
  const { rule, effect, channel, because, since } = flags;
  if ([rule, effect, channel, since].some((each) => each !== undefined)) {
    throw new CepError(
      'SETTING_INVALID',
      '--rule, --effect, --channel and --since are about effects: of records --because can be asked for, or their ids',
    );
  }
  checkChoice(ids, flags, 'records');
  const letters = newestLetters(readDeadLetters(file));
  if (!flags.all) return lettersNamed(ids, letters, file);
  return letters.filter(({ reason }) => because === undefined || reason === because);
}

function lettersNamed(ids: readonly string[], letters: readonly Reject[], file: string): Reject[] {
  return [...new Set(ids)].flatMap((id) => {
    const found = newestLetters(letters).filter((letter) => coordinates(letter) === id);
    if (found.length > 0) return found;
    throw new CepError(
      'INPUT_MISSING',
      `no record in ${file} has the id "${id}": temporal-cep dead list --dead-letters ${file} names those there are, as <source>/<partition>/<offset>`,
      { details: { id, file } },
    );
  });
}

/** Those that were named, or all effects that the filters leave. */
async function chosen(
  store: Pick<Store, 'database' | 'effects' | 'parked'>,
  ids: readonly string[],
  flags: ChoiceFlags,
): Promise<Chosen> {
  checkChoice(ids, flags, 'effects');
  if (!flags.all) return await named(store, ids);
  return { effects: await deadEffects(store.database, wantedBy(flags)), sessions: [] };
}

function checkChoice(ids: readonly string[], flags: ChoiceFlags, what: string): void {
  const { all, rule, effect, channel, because, since } = flags;
  const isFiltered = [rule, effect, channel, because, since].some((each) => each !== undefined);
  if (all ? ids.length === 0 : ids.length > 0 && !isFiltered) return;
  const filter = what === 'effects' ? '--rule' : '--because';
  throw new CepError(
    'SETTING_INVALID',
    `say which ${what}: their ids, or --all, with filters such as ${filter} if not all are meant`,
  );
}

async function named(
  { effects, parked }: Pick<Store, 'effects' | 'parked'>,
  ids: readonly string[],
): Promise<Chosen> {
  const sessions = new Map((await parkedOverview(parked)).map((each) => [nameOf(each), each]));
  const found: { effects: EffectRecord[]; sessions: ParkedOverview[] } = {
    effects: [],
    sessions: [],
  };
  for (const id of new Set(ids)) {
    const effect = await effects.read(id);
    const session = sessions.get(id);
    if (effect && session) {
      throw new CepError(
        'SETTING_INVALID',
        `"${id}" is the id of an effect and of a parked session: see temporal-cep parked for the session, which has to be retried first`,
        { details: { id } },
      );
    }
    if (effect) found.effects.push(effect);
    else if (session) found.sessions.push(session);
    else throw unknown(id);
  }
  return found;
}

function tell(outcomes: readonly Outcome[], { json, all, limit, deadLetters }: ChoiceFlags): void {
  const none = deadLetters === undefined ? 'No effect is dead' : 'No record is there';
  if (json) print(JSON.stringify(outcomes));
  else print(outcomes.map(({ id, message }) => `${id}: ${message}`).join('\n') || none);
  if (outcomes.some(({ done }) => !done)) process.exitCode = 1;
  if (deadLetters === undefined && all && outcomes.length === limit)
    note(`There may be more than ${limit}: see --limit`);
}

function notDead(state: EffectRecord['state']): string {
  return `it is ${state}, not dead: nothing was done`;
}

function unknown(id: string): CepError {
  return new CepError(
    'INPUT_MISSING',
    `neither an effect nor a parked session has the id "${id}": temporal-cep dead list names those there are`,
    { details: { id } },
  );
}
