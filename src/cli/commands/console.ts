import { Command, InvalidArgumentError } from 'commander';
import type { AnalyticsSchema } from '../../analytics-store/schema.js';
import { consoleAccess, TOKEN_VARIABLE } from '../../console/access.js';
import { Feed } from '../../console/feed.js';
import {
  analyticsSources,
  rulesSource,
  storeSource,
  type WorkflowLinks,
} from '../../console/panels.js';
import { serveConsole } from '../../console/server.js';
import { createLogger } from '../../log.js';
import { openRuleStore } from '../../rule-store/rule-store.js';
import { connectionOptionsFromEnv } from '../../servers/connection.js';
import { openSqlDatabase } from '../../store/sql-database.js';
import { effectWorkflowId } from '../../workflows/effect-messages.js';
import { sessionWorkflowId } from '../../workflows/session-id.js';
import { keySecret } from '../client.js';
import { portNumber } from '../option-values.js';
import { RULES_VARIABLE } from '../rule-database.js';
import { addPlaceOptions, type PlaceFlags, withStore } from '../store.js';
import { note, stopSignal, whenAborted } from '../terminal.js';

interface ConsoleFlags extends PlaceFlags {
  readonly port: number;
  readonly host: string;
  readonly rulesDatabase?: string;
  readonly analyticsDatabase?: string;
  readonly visitsTable: string;
  readonly rechargeTable: string;
  readonly uiUrl: URL;
  readonly namespace?: string;
}

export function consoleCommand(): Command {
  return addPlaceOptions(new Command('console'))
    .description('serve a page that shows alerts, rules, figures and what needs seeing to, live')
    .option('--port <n>', 'where it listens; 0 for any', portNumber, 8400)
    .option(
      '--host <address>',
      `the address it listens at; one that other machines reach needs ${TOKEN_VARIABLE}`,
      '127.0.0.1',
    )
    .option(
      '--rules-database <address>',
      `the database of rules (default: ${RULES_VARIABLE}, or --database)`,
    )
    .option('--analytics-database <address>', 'the database of figures (default: --database)')
    .option(
      '--visits-table <name>',
      'its page views and visitors',
      'result_cps_total_summary_pvuv_min',
    )
    .option('--recharge-table <name>', 'its recharges', 'consume')
    .option('--ui-url <url>', "Temporal's UI", webAddress, new URL('http://localhost:8233'))
    .option('--namespace <name>', "Temporal's namespace (default: the environment, or default)")
    .addHelpText(
      'after',
      `
It reads only, and only while somebody looks. Without --host it is for this machine alone. With it, or where ${TOKEN_VARIABLE}
is set, it wants that token, of 16 characters or more: as Authorization: Bearer, or in the form at /login. It speaks HTTP: for others put
something in front of it that ends TLS. Runs until Ctrl-C or SIGTERM.`,
    )
    .action(run);
}

async function run(flags: ConsoleFlags): Promise<void> {
  const { port, host, rulesDatabase, analyticsDatabase } = flags;
  const signal = stopSignal();
  const log = createLogger('info');
  const token = process.env[TOKEN_VARIABLE] || undefined;
  const access = consoleAccess({ host, token });
  const links = workflowLinks(flags);
  const cleanUp: (() => Promise<void>)[] = [];
  await withStore(flags, async ({ database }) => {
    try {
      const analytics = await openSqlDatabase<AnalyticsSchema>(analyticsDatabase ?? database);
      cleanUp.push(() => analytics.close());
      const rulesAt = rulesDatabase ?? (process.env[RULES_VARIABLE] || undefined);
      // A database that was named has to be there; that of the store need not have rules in it.
      const rules = rulesAt === undefined ? null : await openRuleStore(rulesAt);
      if (rules) cleanUp.push(() => rules.close());
      const feed = new Feed({
        sources: [
          storeSource(database, links),
          rulesSource(async () => rules ?? (await openRuleStore(database))),
          ...analyticsSources(analytics, {
            visits: flags.visitsTable,
            recharge: flags.rechargeTable,
          }),
        ],
        log,
      });
      cleanUp.push(() => feed.stop());
      const server = await serveConsole({ feed, access, log, host, port });
      cleanUp.push(() => server.close());
      note(
        `The console is at ${server.url}${access.isClosed ? ', with its token' : ''}; Ctrl-C ends it`,
      );
      await whenAborted(signal);
    } finally {
      for (const step of cleanUp.reverse()) await step();
    }
  });
}

/** Of the sessions' names, by the same secret as of those who start them. */
function workflowLinks({ uiUrl, namespace }: ConsoleFlags): WorkflowLinks {
  const secret = keySecret();
  const at = namespace ?? connectionOptionsFromEnv().namespace;
  const base = `${uiUrl.href.replace(/\/$/, '')}/namespaces/${encodeURIComponent(at)}/workflows/`;
  return {
    session: (ref) => base + encodeURIComponent(sessionWorkflowId(ref, secret)),
    effects: (alertId) => base + encodeURIComponent(effectWorkflowId(alertId)),
  };
}

function webAddress(text: string): URL {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return new URL(text);
  throw new InvalidArgumentError('Write an address such as http://localhost:8233.');
}
