import { Command, Option } from 'commander';
import { counted } from '../../../counted.js';
import { CepError } from '../../../errors.js';
import { loadJourneys } from '../../../journeys-module.js';
import {
  type RuleEdit,
  type RuleStore,
  ruleContentHash,
  type StoredRule,
} from '../../../rule-store/rule-store.js';
import type { RuleState } from '../../../rule-store/table-row.js';
import type { JourneySet } from '../../../rules/journey.js';
import type { OnChange } from '../../../rules/revision.js';
import { readRuleSet } from '../../../rules/rule-set.js';
import { validateRuleSet } from '../../../rules/validate.js';
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
import { diffLines } from '../../text-diff.js';
import { linesOf } from './rule-text.js';
import { readRuleSetFile } from './validate.js';

export interface FileFlags extends RuleDatabaseFlags {
  readonly journeys?: string;
  readonly ignoreAccepts?: boolean;
  readonly json?: boolean;
}

interface ApplyFlags extends FileFlags, AuthorFlags {
  readonly state?: RuleState;
  readonly onChange?: OnChange;
  readonly dryRun?: boolean;
}

/** What files need to become rows. */
export function addFileOptions(command: Command): Command {
  return addRuleDatabaseOptions(command)
    .option('--journeys <module>', 'journeys module with the journeys and conditions of the rules')
    .option('--ignore-accepts', 'let journeys of the files have all events of their key')
    .option('--json', 'print what changes as JSON');
}

export function applyCommand(): Command {
  return addAuthorOptions(addFileOptions(new Command('apply')))
    .description('write the rules of files into the table, those that changed')
    .argument('<files...>', 'rule sets: JSON documents such as examples/five.json')
    .addOption(
      new Option(
        '--state <state>',
        'state of all of them (default: draft if new, else as it is)',
      ).choices(['on', 'shadow', 'draft', 'off']),
    )
    .addOption(
      new Option(
        '--on-change <policy>',
        'open matches of a rule that changes end, or are dropped',
      ).choices(['finish', 'reset']),
    )
    .option('--dry-run', 'show what would change, and change nothing')
    .addHelpText(
      'after',
      `${RULES_HELP}

The files are checked first, and all of their rules are written, or none; rules that are not in them stay as they are. A row has
its journey's key, but no "accepts": where a file has one, --journeys names the module that defines the journey, or
--ignore-accepts says that the rules are meant for all events.`,
    )
    .action((files: string[], flags: ApplyFlags) =>
      withRules(flags, async (rules) => apply(rules, await editsOf(files, flags), flags)),
    );
}

async function apply(
  rules: RuleStore,
  edits: readonly RuleEdit[],
  flags: ApplyFlags,
): Promise<void> {
  const { state, onChange, dryRun, json } = flags;
  const all = edits.map((edit) => ({
    ...edit,
    ...(state ? { state } : {}),
    ...(onChange ? { onChange } : {}),
    ...authorOf(flags),
  }));
  const changes = (await compared(rules, all)).filter(({ kind }) => kind !== 'same');
  const same = all.length - changes.length;
  if (!dryRun) await rules.append(changes.map(({ edit }) => edit));
  if (json) {
    print(changesAsJson(changes));
    return;
  }
  for (const change of changes) print(dryRun ? changeText(change) : `${change.id}: ${change.kind}`);
  const verb = dryRun ? 'would be written' : 'written';
  print(`${counted(changes.length, 'rule')} ${verb}, ${same} as before`);
}

/** What an edit makes of a rule. */
export interface Change {
  readonly id: string;
  readonly kind: 'new' | 'changed' | 'same';
  /** Lines as of `diffLines()`. */
  readonly diff: readonly string[];
  readonly edit: RuleEdit;
}

/** Compares edits with the rules as they are. */
export async function compared(rules: RuleStore, edits: readonly RuleEdit[]): Promise<Change[]> {
  const known = new Map((await rules.list()).map((rule) => [rule.id, rule]));
  return edits.map((edit): Change => {
    const before = known.get(edit.id);
    const seen = { ...edit, expectedChange: before?.change ?? 0 };
    const after = edited(edit, before);
    const isSame =
      before !== undefined &&
      ruleContentHash(before) === ruleContentHash(after) &&
      before.state === after.state &&
      before.onChange === after.onChange &&
      before.description === after.description;
    return {
      id: edit.id,
      kind: before === undefined ? 'new' : isSame ? 'same' : 'changed',
      diff: isSame ? [] : diffLines(before ? linesOf(before) : [], linesOf(after)),
      edit: seen,
    };
  });
}

/** The rule as it is to be, before the table has given it a number. */
function edited(edit: RuleEdit, before: StoredRule | undefined): StoredRule {
  const { expectedChange: _, start: __, note, ...given } = edit;
  const none = { function: null, key: null, onMatch: null, onTimeout: null, description: null };
  const blank = { ...none, pattern: '', journey: '', state: 'draft', onChange: 'finish' };
  const row = { ...blank, ...before, ...given };
  return { ...row, version: 0, change: 0, hash: null, changedAt: new Date(0), note: note ?? null };
}

export function changesAsJson(changes: readonly Change[]): string {
  return JSON.stringify(changes.map(({ id, kind, diff }) => ({ rule: id, kind, diff })));
}

export function changeText({ id, kind, diff }: Change): string {
  return [`${id}: ${kind}`, ...diff.map((line) => `  ${line}`)].join('\n');
}

/**
 * The rules of files, as edits that have everything a file says.
 *
 * @throws CepError `RULE_INVALID` for what `rules validate` finds (a rule of the module among it), for a rule that is there twice, and for `accepts`
 */
export async function editsOf(files: readonly string[], flags: FileFlags): Promise<RuleEdit[]> {
  const module = flags.journeys ? (await loadJourneys(flags.journeys)).journeys.set : null;
  const edits = files.flatMap((file) => editsOfFile(file, module, flags));
  const ids = new Set<string>();
  for (const { id } of edits) {
    if (ids.has(id)) {
      throw new CepError(
        'RULE_INVALID',
        `there are two rules called "${id}", and the table has one of each id: rename one`,
        { details: { rule: id } },
      );
    }
    ids.add(id);
  }
  return edits;
}

function editsOfFile(
  file: string,
  module: JourneySet | null,
  { journeys: path, ignoreAccepts }: FileFlags,
): RuleEdit[] {
  const json = readRuleSetFile(file);
  const errors = validateRuleSet(json, module?.conditions, module?.journeys).filter(
    ({ severity }) => severity === 'error',
  );
  const [first] = errors;
  if (first) {
    const beside = path === undefined ? '' : ` --journeys ${path}`;
    const more = errors.length > 1 ? `; and ${counted(errors.length - 1, 'error')} more` : '';
    throw new CepError(
      'RULE_INVALID',
      `${file}: ${first.path}: ${first.message}${more}: temporal-cep rules validate ${file}${beside} says it all`,
      { details: { file, path: first.path, rule: first.rule } },
    );
  }
  const { journeys, rules } = readRuleSet(json);
  const of = new Map(journeys.map((journey) => [journey.id, journey]));
  return rules.map((rule): RuleEdit => {
    const { id, version, pattern, onMatch, onTimeout } = rule;
    const journey = of.get(rule.journey);
    const isDefined = module?.journeys.some(({ id }) => id === rule.journey) ?? false;
    if (journey?.accepts && !isDefined && !ignoreAccepts) {
      throw new CepError(
        'RULE_INVALID',
        `${file}: journey "${rule.journey}" has "accepts", which a row can't have: name the module that defines the journey with --journeys, or leave it out with --ignore-accepts and have the rules see every event of the key`,
        { details: { file, journey: rule.journey } },
      );
    }
    return {
      id,
      version,
      journey: rule.journey,
      // Of its own journeys the module says whose the events are.
      key: isDefined ? null : (journey?.key ?? null),
      description: rule.description ?? null,
      pattern: typeof pattern === 'string' ? pattern : JSON.stringify(pattern),
      function: rule.function ?? null,
      onMatch: onMatch ? JSON.stringify(onMatch) : null,
      onTimeout: onTimeout ? JSON.stringify(onTimeout) : null,
      author: '',
    };
  });
}
