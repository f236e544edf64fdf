import { Command } from 'commander';
import { counted } from '../../../counted.js';
import { positiveNumber } from '../../option-values.js';
import { RULES_HELP, withRules } from '../../rule-database.js';
import { print } from '../../terminal.js';
import { diffLines } from '../../text-diff.js';
import {
  addFileOptions,
  changesAsJson,
  changeText,
  compared,
  editsOf,
  type FileFlags,
} from './apply.js';
import { historyOf, versionOf } from './list.js';
import { linesOf } from './rule-text.js';

export function diffCommand(): Command {
  return addFileOptions(new Command('diff'))
    .description('show what a file would change in the table, or what changed between two versions')
    .argument('<what>', 'a rule set (.json), or the id of a rule')
    .argument('[from]', 'of a rule: a version (default: the one before)', positiveNumber)
    .argument('[to]', 'a later one (default: as it is)', positiveNumber)
    .addHelpText('after', RULES_HELP)
    .action((what: string, from: number | undefined, to: number | undefined, flags: FileFlags) =>
      /\.json$/i.test(what) ? diffFile(what, flags) : diffVersions(what, from, to, flags),
    );
}

async function diffFile(file: string, flags: FileFlags): Promise<void> {
  await withRules(flags, async (rules) => {
    const all = await compared(rules, await editsOf([file], flags));
    const changes = all.filter(({ kind }) => kind !== 'same');
    if (flags.json) {
      print(changesAsJson(changes));
      return;
    }
    for (const change of changes) print(changeText(change));
    print(
      `${counted(changes.length, 'rule')} changed, ${all.length - changes.length} as in the table`,
    );
  });
}

async function diffVersions(
  id: string,
  from: number | undefined,
  to: number | undefined,
  flags: FileFlags,
): Promise<void> {
  await withRules(flags, async (rules) => {
    const history = await historyOf(rules, id);
    const after = versionOf(history, to);
    const earlier = history.findLast(({ version }) => version < after.version);
    const before = from === undefined ? (earlier ?? after) : versionOf(history, from);
    const diff = diffLines(linesOf(before), linesOf(after));
    if (flags.json) {
      print(JSON.stringify({ rule: id, from: before.version, to: after.version, diff }));
      return;
    }
    const title = `${id}: version ${before.version} and version ${after.version}`;
    print(diff.length === 0 ? `${title} say the same` : [title, ...diff].join('\n'));
  });
}
