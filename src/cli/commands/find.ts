import type { WorkflowExecutionInfo } from '@temporalio/client';
import { Command } from 'commander';
import { CepError } from '../../errors.js';
import { formatTimestamp, type Timestamp } from '../../time.js';
import { keyName } from '../../workflows/session-id.js';
import { stageValue } from '../../workflows/stages.js';
import {
  addDataConverterOption,
  type DataConverterFlags,
  dataConverterOf,
  keySecret,
  openClient,
  PRIVACY_HELP,
} from '../client.js';
import { positiveNumber, timestamp } from '../option-values.js';
import { connectClient, SERVER_HELP } from '../server.js';
import { note, print, table } from '../terminal.js';
import { quoted, runningSessions } from '../visibility.js';

const LIMIT_DEFAULT = 100;

interface FindFlags extends DataConverterFlags {
  readonly rule?: string;
  readonly stage?: string;
  readonly journey?: string;
  readonly key?: string;
  readonly dueBefore?: Timestamp;
  readonly paused?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

/** A session as it is listed. */
interface FoundSession {
  readonly journey: string;
  readonly key: string;
  /** `rule/stage` of its open matches; of the rule that was asked for. */
  readonly stages: readonly string[];
  readonly nextDeadline: string | null;
  readonly paused: boolean;
  readonly workflowId: string;
}

export function findCommand(): Command {
  const command = new Command('find')
    .description('list the sessions that are open, by rule, stage or deadline')
    .option('--rule <id>', 'with an open match of this rule')
    .option('--stage <name>', 'with one that stands in this stage: the stage it waits in')
    .option('--journey <id>', 'of this journey')
    .option('--key <key>', 'of this key')
    .option(
      '--due-before <time>',
      'whose next deadline lies before this: ISO 8601, or ms',
      timestamp,
    )
    .option('--paused', 'that somebody has paused')
    .option('--limit <n>', 'how many to list at most', positiveNumber, LIMIT_DEFAULT)
    .option('--json', 'print them as JSON');
  return addDataConverterOption(command)
    .addHelpText(
      'after',
      `${SERVER_HELP}
${PRIVACY_HELP}

Asks Temporal's list of workflows, which lags some hundred milliseconds behind. No worker has to run. Exits with 0
also where there is none.

  temporal-cep find --rule cart-abandonment --stage purchase`,
    )
    .action(run);
}

async function run(flags: FindFlags): Promise<void> {
  const query = runningSessions(conditionsOf(flags));
  const dataConverter = await dataConverterOf(flags);
  const { connection, namespace } = await connectClient();
  const found: FoundSession[] = [];
  let isMore = false;
  try {
    const client = openClient({ connection, namespace }, dataConverter);
    for await (const info of client.workflow.list({ query })) {
      if (!isWanted(info, flags)) continue;
      isMore = found.length === flags.limit;
      if (isMore) break;
      found.push(describe(info, flags.rule));
    }
  } finally {
    await connection.close();
  }
  print(flags.json ? JSON.stringify(found) : asText(found));
  if (isMore) note(`There are more than ${flags.limit}: see --limit`);
}

function conditionsOf({ rule, stage, journey, key, dueBefore, paused }: FindFlags): string[] {
  if (stage !== undefined && rule === undefined) {
    throw new CepError('SETTING_INVALID', '--stage is a stage of a rule: name it with --rule');
  }
  const conditions = [
    ...(rule === undefined
      ? []
      : [
          stage === undefined
            ? `CepRules = ${quoted(rule)}`
            : `CepStages = ${quoted(stageValue(rule, stage))}`,
        ]),
    ...(journey === undefined ? [] : [`CepJourney = ${quoted(journey)}`]),
    ...(key === undefined ? [] : [`CepKey = ${quoted(keyName(key, keySecret()))}`]),
    ...(dueBefore === undefined
      ? []
      : [`CepNextDeadline < ${quoted(new Date(dueBefore).toISOString())}`]),
    ...(paused ? ['CepPaused = true'] : []),
  ];
  return conditions.filter((condition) => !/\\/.test(condition));
}

/** What the query may have left out, since visibility stores differ about quotes in values. */
function isWanted({ memo, searchAttributes }: WorkflowExecutionInfo, flags: FindFlags): boolean {
  const { rule, stage, journey, key } = flags;
  const { CepRules = [], CepStages = [], CepJourney, CepKey } = searchAttributes;
  return (
    (key === undefined || (memo?.key ?? CepKey?.[0]) === key) &&
    (journey === undefined || CepJourney?.[0] === journey) &&
    (rule === undefined || CepRules.map(String).includes(rule)) &&
    (rule === undefined ||
      stage === undefined ||
      CepStages.map(String).includes(stageValue(rule, stage)))
  );
}

function describe(
  { workflowId, memo, searchAttributes }: WorkflowExecutionInfo,
  rule: string | undefined,
): FoundSession {
  const { CepStages = [], CepNextDeadline, CepPaused, CepJourney, CepKey } = searchAttributes;
  const stages = CepStages.map(String);
  const deadline = CepNextDeadline?.[0];
  return {
    // The search attributes have a long key cut.
    journey: String(memo?.journey ?? CepJourney?.[0] ?? ''),
    key: String(memo?.key ?? CepKey?.[0] ?? ''),
    stages: rule === undefined ? stages : stages.filter((each) => each.startsWith(`${rule}/`)),
    nextDeadline: deadline instanceof Date ? formatTimestamp(deadline.getTime()) : null,
    paused: CepPaused?.[0] === true,
    workflowId,
  };
}

function asText(found: readonly FoundSession[]): string {
  if (found.length === 0) return 'No session';
  return table(
    ['journey', 'key', 'stages', 'next deadline', 'workflow'],
    found.map(({ journey, key, stages, nextDeadline, paused, workflowId }) => [
      journey,
      key,
      stages.join(', '),
      `${nextDeadline ?? 'none'}${paused ? ' (paused)' : ''}`,
      workflowId,
    ]),
  );
}
