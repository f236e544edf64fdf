import { Command } from 'commander';
import { CepError, messageOf } from '../../../errors.js';
import type { RuleEdit, StoredRule } from '../../../rule-store/rule-store.js';
import { ruleRowOf } from '../../../rule-store/table-row.js';
import { ruleOf } from '../../../rules/rule-set.js';
import { positiveNumber } from '../../option-values.js';
import {
  type AuthorFlags,
  addAuthorOptions,
  addRuleDatabaseOptions,
  authorOf,
  RULES_HELP,
  type RuleDatabaseFlags,
  withRules,
} from '../../rule-database.js';
import { print } from '../../terminal.js';
import { historyOf, versionOf } from './list.js';
import { changeAsJson } from './rule-text.js';

interface ChangeFlags extends RuleDatabaseFlags, AuthorFlags {
  readonly json?: boolean;
}

export function stateCommand(state: 'on' | 'shadow' | 'off', what: string): Command {
  return addAuthorOptions(addRuleDatabaseOptions(new Command(state)))
    .description(what)
    .argument('<rules...>', 'their ids')
    .option('--json', 'print the changed rules as JSON')
    .addHelpText(
      'after',
      `${RULES_HELP}\n\nIngestors that poll the table take it up within a second. All of the rules are changed, or none.`,
    )
    .action((ids: string[], flags: ChangeFlags) =>
      withRules(flags, async (rules) => {
        const edits: RuleEdit[] = [];
        for (const id of new Set(ids)) {
          const now = versionOf(await historyOf(rules, id));
          if (state !== 'off') check(now);
          if (now.state === state) continue;
          edits.push({ id, state, ...authorOf(flags), expectedChange: now.change });
        }
        const changed = await rules.append(edits);
        if (flags.json) print(JSON.stringify(changed.map(changeAsJson)));
        else {
          const unchanged = [...new Set(ids)].filter(
            (id) => !changed.some((each) => each.id === id),
          );
          for (const { id, version } of changed) print(`${id}: version ${version} is ${state}`);
          for (const id of unchanged) print(`${id} is ${state} already`);
        }
      }),
    );
}

/** Who registers conditions is not known here; what else is wrong is said before it goes into the quarantine. */
function check(rule: StoredRule): void {
  try {
    ruleOf(ruleRowOf(rule));
  } catch (cause) {
    if (!(cause instanceof CepError)) throw cause;
    if (cause.code === 'CONDITION_UNKNOWN') return;
    throw new CepError(
      cause.code,
      `rule "${rule.id}" can't be put in force: ${messageOf(cause).replace(/\s*\n\s*/g, ' ')}`,
      { details: cause.details, cause },
    );
  }
}

export function rollbackCommand(): Command {
  return addAuthorOptions(addRuleDatabaseOptions(new Command('rollback')))
    .description('give a rule the content of an earlier version, as a new version')
    .argument('<rule>', 'its id')
    .option('--to <version>', 'the earlier version (default: the one before)', positiveNumber)
    .option('--json', 'print the changed rule as JSON')
    .addHelpText('after', `${RULES_HELP}\n\nIts state stays as it is.`)
    .action((id: string, flags: ChangeFlags & { to?: number }) =>
      withRules(flags, async (rules) => {
        const history = await historyOf(rules, id);
        const now = versionOf(history);
        const before =
          flags.to ?? history.findLast(({ version }) => version < now.version)?.version;
        if (before === undefined) {
          throw new CepError('RULE_UNKNOWN', `rule "${id}" has one version only: change it first`);
        }
        const { description, pattern, journey, key, onMatch, onTimeout, ...of } = versionOf(
          history,
          before,
        );
        const content = { description, pattern, journey, key, onMatch, onTimeout };
        const [changed] = (await rules.append([
          {
            id,
            ...content,
            function: of.function,
            ...authorOf({ ...flags, note: flags.note ?? `back to version ${before}` }),
            expectedChange: now.change,
          },
        ])) as [StoredRule];
        print(
          flags.json
            ? JSON.stringify(changeAsJson(changed))
            : changed.version === now.version
              ? `${id}: version ${now.version} says the same as version ${before}`
              : `${id}: version ${changed.version} says what version ${before} said; it is ${changed.state}`,
        );
      }),
    );
}
