import { Command } from 'commander';
import { counted } from '../../../counted.js';
import { CepError } from '../../../errors.js';
import { RULE_TABLE, type RuleStore, type StoredRule } from '../../../rule-store/rule-store.js';
import { readableTimestamp } from '../../../time.js';
import { positiveNumber } from '../../option-values.js';
import {
  addRuleDatabaseOptions,
  RULES_HELP,
  type RuleDatabaseFlags,
  withRules,
} from '../../rule-database.js';
import { print, table } from '../../terminal.js';
import { changeAsJson, documentOf } from './rule-text.js';

interface ListFlags extends RuleDatabaseFlags {
  readonly json?: boolean;
}

export function listCommand(): Command {
  return addRuleDatabaseOptions(new Command('list'))
    .description(
      'list the rules of the table, with their states and faults, and the newest revision',
    )
    .option('--json', 'print them as JSON')
    .addHelpText('after', RULES_HELP)
    .action((flags: ListFlags) => withRules(flags, (rules) => list(rules, flags)));
}

async function list(rules: RuleStore, { json }: ListFlags): Promise<void> {
  const all = await rules.list();
  const faults = await rules.faults();
  const head = await rules.newestHead();
  const newest = head && (await rules.revision(head.revision));
  const revision =
    head && newest
      ? { revision: head.revision, createdAt: head.createdAt, rules: newest.rules.length }
      : null;
  if (json) {
    print(JSON.stringify({ rules: all.map(changeAsJson), faults, revision }));
    return;
  }
  const faultOf = ({ id }: StoredRule) =>
    faults.find((fault) => fault.table === RULE_TABLE && fault.id === id)?.message ?? '';
  const rows = all.map((rule) => [
    rule.id,
    rule.journey,
    rule.version,
    rule.state,
    when(rule.changedAt),
    rule.author,
    faultOf(rule),
  ]);
  const titles = ['rule', 'journey', 'version', 'state', 'since', 'author', 'fault'];
  const others = faults.filter((fault) => fault.table !== RULE_TABLE);
  print(
    [
      rows.length === 0 ? `No rules in ${rules.database.name}` : table(titles, rows),
      ...others.map(({ table, id, message }) => `Fault in ${table}, rule "${id}": ${message}`),
      revision === null
        ? 'No revision yet: no ingestor has looked'
        : `Revision ${revision.revision} since ${when(revision.createdAt)}: ${counted(revision.rules, 'rule')} in force`,
    ].join('\n'),
  );
}

export function historyCommand(): Command {
  return addRuleDatabaseOptions(new Command('history'))
    .description('list all changes of a rule: who, when, why')
    .argument('<rule>', 'its id')
    .option('--json', 'print them as JSON, with all they say')
    .addHelpText('after', RULES_HELP)
    .action((id: string, flags: ListFlags) =>
      withRules(flags, async (rules) => {
        const changes = await historyOf(rules, id);
        if (flags.json) {
          print(JSON.stringify(changes.map(changeAsJson)));
          return;
        }
        const rows = changes.map((each) => [
          each.change,
          each.version,
          each.state,
          when(each.changedAt),
          each.author,
          each.note ?? '',
        ]);
        print(table(['change', 'version', 'state', 'at', 'author', 'note'], rows));
      }),
    );
}

export function showCommand(): Command {
  return addRuleDatabaseOptions(new Command('show'))
    .description('show what a rule says')
    .argument('<rule>', 'its id')
    .argument('[version]', 'as it was then (default: as it is)', positiveNumber)
    .option('--json', 'print it on one line, with author, note and time')
    .addHelpText('after', RULES_HELP)
    .action((id: string, version: number | undefined, flags: ListFlags) =>
      withRules(flags, async (rules) => {
        const rule = versionOf(await historyOf(rules, id), version);
        print(
          flags.json
            ? JSON.stringify(changeAsJson(rule))
            : JSON.stringify(documentOf(rule), null, 2),
        );
      }),
    );
}

/** @throws CepError `RULE_UNKNOWN` */
export async function historyOf(rules: RuleStore, id: string): Promise<StoredRule[]> {
  const history = await rules.history(id);
  if (history.length > 0) return history;
  throw new CepError(
    'RULE_UNKNOWN',
    `there is no rule "${id}": temporal-cep rules list names those there are`,
    { details: { rule: id } },
  );
}

/**
 * The last change of a version; the last one of all by default.
 *
 * @throws CepError `RULE_UNKNOWN`
 */
export function versionOf(history: readonly StoredRule[], version?: number): StoredRule {
  const last = history.at(-1) as StoredRule;
  if (version === undefined) return last;
  const found = history.findLast((each) => each.version === version);
  if (found) return found;
  const versions = [...new Set(history.map((each) => each.version))].join(', ');
  throw new CepError(
    'RULE_UNKNOWN',
    `rule "${last.id}" has no version ${version}: name one of ${versions}`,
    { details: { rule: last.id, version } },
  );
}

function when(date: Date): string {
  return readableTimestamp(date.getTime());
}
