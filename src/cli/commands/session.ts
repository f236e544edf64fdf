import { Command } from 'commander';
import { counted } from '../../counted.js';
import { formatTimestamp } from '../../time.js';
import {
  EXPLAIN_QUERY,
  type SessionRef,
  STATE_QUERY,
  TIMELINE_QUERY,
  UPDATES,
} from '../../workflows/messages.js';
import type { SessionExplanation } from '../../workflows/operations.js';
import type { SessionState } from '../../workflows/session.js';
import type { TimelineEntry } from '../../workflows/timeline.js';
import { addDataConverterOption, type DataConverterFlags, PRIVACY_HELP } from '../client.js';
import { SERVER_HELP } from '../server.js';
import { type SessionHandle, withSession } from '../session-handle.js';
import { stateText } from '../state-text.js';
import { print, table } from '../terminal.js';

interface Flags extends SessionRef, DataConverterFlags {
  readonly json?: boolean;
  readonly author: string;
  readonly reason: string;
  readonly rule: string;
  readonly match?: string;
}

export function sessionCommand(): Command {
  const command = new Command('session').description('look into a session, or operate it');
  const ask = (
    name: string,
    what: string,
    text: (session: SessionHandle, json: boolean) => Promise<string>,
  ) =>
    command.addCommand(
      addressed(name, what).action(async ({ json = false, ...flags }: Flags) => {
        print(await withSession(flags, (session) => text(session, json)));
      }),
    );
  const act = (name: keyof typeof UPDATES, what: string, said: (answer: never) => string) => {
    const action = addressed(name, what)
      .requiredOption('--author <name>', 'who does it: it stands in the history')
      .requiredOption('--reason <text>', 'why');
    if (name === 'drop') {
      action
        .requiredOption('--rule <id>', 'the rule')
        .option('--match <id>', 'the one partial match (default: all of the rule)');
    }
    action.action(async ({ json, ...flags }: Flags) => {
      const { journey, key, dataConverter, ...request } = flags;
      const answer = await withSession(flags, (session) =>
        session.update<never>(UPDATES[name], request),
      );
      print(json ? JSON.stringify(answer) : said(answer));
    });
    command.addCommand(action);
  };
  ask('state', 'what is open, with the ids of partial matches', async (session, json) => {
    const state = await session.query<SessionState>(STATE_QUERY);
    return json ? JSON.stringify(state) : stateText(state);
  });
  ask('explain', 'how far each rule got, and which condition said no', async (session, json) => {
    const explanation = await session.query<SessionExplanation>(EXPLAIN_QUERY);
    return json ? JSON.stringify(explanation) : explanation.text;
  });
  ask('timeline', 'what has happened, oldest first', async (session, json) => {
    const entries = await session.query<TimelineEntry[]>(TIMELINE_QUERY);
    return json ? JSON.stringify(entries) : timelineText(entries);
  });
  act(
    'drop',
    'drop one partial match, or all of a rule',
    ({ dropped }: { dropped: number }) => `${partialMatches(dropped)} dropped`,
  );
  act('pause', 'let event time stand: nothing matches, no window ends', () => 'paused');
  act(
    'resume',
    'let event time go on',
    ({ waiting }: { waiting: number }) => `resumed; ${counted(waiting, 'event')} had waited`,
  );
  act(
    'close',
    'drop all that is open, and end the session',
    ({ dropped, refused }: { dropped: number; refused: number }) =>
      `closed: ${partialMatches(dropped)} dropped; in the late output: ${counted(refused, 'event')} that waited`,
  );
  return command;
}

const partialMatches = (count: number): string =>
  counted(count, 'partial match', 'partial matches');

function addressed(name: string, what: string): Command {
  const command = new Command(name)
    .description(what)
    .requiredOption('--journey <id>', 'the journey')
    .requiredOption('--key <key>', 'the key, as the events have it')
    .option('--json', 'print the answer as JSON');
  return addDataConverterOption(command).addHelpText(
    'after',
    `${SERVER_HELP}\n${PRIVACY_HELP}\n\nA worker has to run: it answers for its sessions.`,
  );
}

function timelineText(entries: readonly TimelineEntry[]): string {
  if (entries.length === 0) return 'Nothing has happened yet';
  return table(
    ['at', 'event time', 'what', 'rule', ''],
    entries.map(({ at, eventTime, what, rule = '', ...rest }) => [
      formatTimestamp(at),
      eventTime === undefined ? '' : formatTimestamp(eventTime),
      what,
      rule,
      aside(rest),
    ]),
  );
}

function aside({ stages, events, count, author, reason }: Partial<TimelineEntry>): string {
  return [
    stages?.join(', '),
    events?.join(' '),
    count === undefined ? undefined : `${count}`,
    author === undefined ? reason : `by ${author}: ${reason}`,
  ]
    .filter((part) => part !== undefined)
    .join('; ');
}
