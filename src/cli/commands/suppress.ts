import { Command } from 'commander';
import {
  addSuppression,
  listSuppressions,
  removeSuppression,
  type Suppression,
} from '../../store/suppressions.js';
import { readableTimestamp } from '../../time.js';
import { addHandlingOptions, type HandlingFlags, handlingOf } from '../handling.js';
import { positiveNumber } from '../option-values.js';
import { addPlaceOptions, type PlaceFlags, withStore } from '../store.js';
import { note, print, table } from '../terminal.js';

const LIMIT_DEFAULT = 100;
const USER_HELP = 'the id of a user, or an e-mail address';

interface SuppressFlags extends PlaceFlags {
  readonly channel?: string;
  readonly json?: boolean;
}

interface ChangeFlags extends SuppressFlags, HandlingFlags {}

interface ListFlags extends SuppressFlags {
  readonly all?: boolean;
  readonly limit: number;
}

export function suppressCommand(): Command {
  const add = addHandlingOptions(placed('add', 'send a user nothing any more'), true)
    .argument('<user>', USER_HELP)
    .option('--channel <name>', 'over this channel (default: at all)')
    .addHelpText('after', '\nIt holds for all that is not decided yet, from the next decision on.')
    .action((user: string, flags: ChangeFlags) => runChange(user, flags, 'add'));
  const remove = addHandlingOptions(placed('remove', 'take a user off the list'), true)
    .argument('<user>', USER_HELP)
    .option('--channel <name>', 'the entry for this channel (default: the one for all)')
    .action((user: string, flags: ChangeFlags) => runChange(user, flags, 'remove'));
  const list = placed('list', 'list who is sent nothing')
    .argument('[user]', USER_HELP)
    .option('--channel <name>', 'what holds for this channel')
    .option('--all', 'also what was taken off the list')
    .option('--limit <n>', 'how many at most, the newest first', positiveNumber, LIMIT_DEFAULT)
    .action(runList);
  return new Command('suppress')
    .description('the suppression list: who is sent nothing, over a channel or at all')
    .addCommand(add)
    .addCommand(remove)
    .addCommand(list);
}

function placed(name: string, what: string): Command {
  return addPlaceOptions(new Command(name))
    .description(what)
    .option('--json', 'print the result as JSON');
}

async function runChange(user: string, flags: ChangeFlags, what: 'add' | 'remove'): Promise<void> {
  const channel = flags.channel ?? null;
  await withStore(flags, async ({ database }) => {
    const change = what === 'add' ? addSuppression : removeSuppression;
    const isChanged = await change(database, user, channel, handlingOf(flags));
    if (flags.json) return print(JSON.stringify({ user, channel, changed: isChanged }));
    const where = channel === null ? '' : ` over ${channel}`;
    const said = {
      add: isChanged
        ? `${user} is sent nothing any more${where}`
        : `${user} is on the list already${where}: nothing was changed`,
      remove: isChanged
        ? `${user} is off the list${where}`
        : `${user} is not on the list${where}: temporal-cep suppress list names who is`,
    };
    print(said[what]);
  });
}

async function runList(user: string | undefined, flags: ListFlags): Promise<void> {
  const { channel, all, limit } = flags;
  await withStore(flags, async ({ database }) => {
    const wanted = { user, channel, isRemovedToo: all, limit: limit + 1 };
    const found = await listSuppressions(database, wanted);
    const shown = found.slice(0, limit);
    print(flags.json ? JSON.stringify(shown) : suppressionsText(shown));
    if (found.length > limit) note(`There are more than ${limit}: see --limit`);
  });
}

export function suppressionsText(list: readonly Suppression[]): string {
  if (list.length === 0) return 'Nobody is on the list';
  const removed = list.some(({ removedAt }) => removedAt !== null) ? ['removed'] : [];
  return table(
    ['user', 'channel', 'since', 'by', 'reason', ...removed],
    list.map(({ user, channel, addedAt, author, reason, removedAt, removedBy, removedWhy }) => [
      user,
      channel ?? 'all',
      readableTimestamp(addedAt),
      author,
      reason,
      ...removed.map(() =>
        removedAt === null
          ? ''
          : `${readableTimestamp(removedAt)} by ${removedBy}${removedWhy === null ? '' : `: ${removedWhy}`}`,
      ),
    ]),
  );
}
