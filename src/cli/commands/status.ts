import { Client, WorkflowNotFoundError } from '@temporalio/client';
import { Command } from 'commander';
import { CepError } from '../../errors.js';
import { connectionOptionsFromEnv, connectToServer } from '../../servers/connection.js';
import { formatDuration, formatTimestamp } from '../../time.js';
import { STATE_QUERY } from '../../workflows/messages.js';
import type { SessionState } from '../../workflows/session.js';
import { sessionWorkflowId } from '../../workflows/session-id.js';
import { print, table } from '../terminal.js';

export function statusCommand(): Command {
  return new Command('status')
    .description('show what the sessions of a key hold, or those of all journeys for it')
    .argument('<key>', 'the key, or <journey>/<key> for one journey')
    .option('--json', 'print the sessions as JSON')
    .addHelpText('after', '\nThe server is the one of TEMPORAL_ADDRESS (default localhost:7233).')
    .action(run);
}

async function run(key: string, { json }: { json?: boolean }): Promise<void> {
  const settings = connectionOptionsFromEnv();
  const connection = await connectToServer(settings);
  try {
    const client = new Client({ connection, namespace: settings.namespace });
    const sessions = await statesOf(client, key);
    if (sessions.length === 0) {
      throw new CepError(
        'INPUT_MISSING',
        `no open session for "${key}": a session ends when nothing is open for its key. Name a key as the events have it, or <journey>/<key>`,
      );
    }
    print(json ? JSON.stringify(sessions) : sessions.map(asText).join('\n\n'));
  } finally {
    await connection.close();
  }
}

async function statesOf(client: Client, key: string): Promise<SessionState[]> {
  const states: SessionState[] = [];
  const ask = async (workflowId: string) => {
    try {
      const handle = client.workflow.getHandle(workflowId);
      if ((await handle.describe()).status.name !== 'RUNNING') return;
      states.push(await handle.query<SessionState>(STATE_QUERY));
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  };
  const slash = key.indexOf('/');
  if (slash > 0) {
    await ask(sessionWorkflowId({ journey: key.slice(0, slash), key: key.slice(slash + 1) }));
  }
  if (states.length > 0) return states;
  const query = `CepKey = '${key.replaceAll("'", "''")}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) await ask(workflowId);
  return states;
}

function asText({ journey, key, watermark, nextDeadline, rules, counts }: SessionState): string {
  const rows = rules.flatMap(({ rule, open }) =>
    open.map(({ stage, events, deadline }) => [
      rule,
      stage,
      Object.values(events).flat().length,
      deadline === null ? 'no window' : formatTimestamp(deadline),
    ]),
  );
  return [
    `${journey}/${key}: ${counts.events} events, ${counts.alerts} alerts; event time ${formatTimestamp(watermark)}`,
    nextDeadline === null
      ? 'No deadline'
      : `Next deadline ${formatTimestamp(nextDeadline)}, in ${formatDuration(nextDeadline - watermark)} of event time`,
    rows.length === 0 ? 'No open match' : table(['rule', 'waits in', 'events', 'ends'], rows),
  ].join('\n');
}
