import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { type DemoResult, runDemo } from '../../demo/demo.js';
import { type RetentionResult, runRetention, timeIn } from '../../demo/retention.js';
import type { Alert } from '../../rules/rule.js';
import { formatTimestamp, type Millis, seconds } from '../../time.js';
import { fixedPort, wholeNumber } from '../option-values.js';
import {
  exitInterrupted,
  note,
  print,
  progress,
  stopSignal,
  table,
  whenAborted,
} from '../terminal.js';

/** Alerts of one type that are printed in full; the rest is counted. */
const SHOWN_PER_TYPE = 3;
/** Fewer have not all the alerts in them. */
const EVENTS_MIN = 1_000;

/** How long a demo that is interrupted may take to stop what it started. */
const STOP_MS = seconds(5);

interface DemoFlags {
  example: 'shop' | 'retention';
  seed: number;
  events: number;
  port?: number;
  uiPort?: number;
  keep?: boolean;
  json?: boolean;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('run everything in one process: server with UI, worker, a shop full of clicks')
    .addOption(
      new Option(
        '--example <name>',
        'what to show: a shop full of clicks, or what abandoned carts set off',
      )
        .choices(['shop', 'retention'])
        .default('shop'),
    )
    .option('--seed <n>', 'seed of the made-up clickstream', wholeNumber, 1)
    .option('--events <n>', `events of its past, at least ${EVENTS_MIN}`, eventCount, 3_000)
    .option('--port <n>', "the server's port (default: 7233, or a free one)", fixedPort)
    .option('--ui-port <n>', "the UI's port (default: 8233, or a free one)", fixedPort)
    .option('--keep', 'stay up at the end, to look around in the UI')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Takes about 40 s and keeps nothing. The server is a Temporal dev server of its own (found on
PATH, or fetched the first time), or the one of TEMPORAL_ADDRESS where that is set. Exits with 1 when the
alerts differ from those of the same rules offline; 130 when Ctrl-C ended it before its result.

--example retention takes about 20 s: two weeks of six carts on Temporal's time-skipping test server, with reminders by e-mail and
coupons to receivers of its own. The other options but --json are not for it.`,
    )
    .action(run);
}

function eventCount(text: string): number {
  const count = wholeNumber(text);
  if (count < EVENTS_MIN) throw new InvalidArgumentError(`It must be at least ${EVENTS_MIN}.`);
  return count;
}

async function run(flags: DemoFlags): Promise<void> {
  const { seed, events, port, uiPort, keep, json } = flags;
  const signal = stopSignal();
  signal.addEventListener('abort', endSoon);
  if (flags.example === 'retention') {
    const retention = await runRetention(note);
    print(json ? JSON.stringify(retention) : retentionAsText(retention));
    return;
  }
  const shown = new Map<string, number>();
  const demo = await runDemo({
    seed,
    events,
    signal,
    server: {
      ...(port === undefined ? {} : { port }),
      ...(uiPort === undefined ? {} : { uiPort }),
    },
    report: note,
    onAlert: (alert) => showAlert(alert, shown),
    onProgress: ({ read, batches }) =>
      progress(`${read} events read, ${batches} batches signalled`),
  }).catch((error) => {
    if (!signal.aborted) throw error;
    return null;
  });
  if (demo === null) return;
  const { result, server } = demo;
  try {
    const { missing, surplus } = result.offline;
    const isEqual = missing.length === 0 && surplus.length === 0;
    print(json ? asJson(result, server.uiUrl) : asText(result));
    if (!isEqual || !result.liveCart.timerFiredBeforeAlert) {
      note('The sessions and the offline run do not agree; that should never be.');
      process.exitCode = 1;
    }
    signal.removeEventListener('abort', endSoon);
    if (keep && !signal.aborted) {
      note(`Look around at ${server.uiUrl ?? server.address}; Ctrl-C ends the demo`);
      await whenAborted(signal);
    } else if (!keep && server.uiUrl) {
      note('With --keep the server stays, to look around in its UI');
    }
  } finally {
    await demo.stop();
  }
}

/** Nothing of an unfinished demo is worth waiting for; its server ends with this process. */
function endSoon(this: AbortSignal): void {
  exitInterrupted(this);
  setTimeout(() => process.exit(), STOP_MS).unref();
}

function showAlert({ type, at, key, message, journey }: Alert, shown: Map<string, number>): void {
  const count = (shown.get(type) ?? 0) + 1;
  shown.set(type, count);
  const isLive = journey === 'live-cart';
  if (count > SHOWN_PER_TYPE && !isLive) return;
  const more = count === SHOWN_PER_TYPE ? pc.dim(' (further ones are counted)') : '';
  const name = (isLive ? pc.yellow : pc.cyan)(type.padEnd(19));
  note(
    `${formatTimestamp(at).slice(0, 19).replace('T', ' ')}  ${name} ${message} ${pc.dim(`[${key}]`)}${more}`,
  );
}

function asText({ ingest, alerts, rules, offline, liveCart, times }: DemoResult): string {
  const s = (ms: Millis) => `${(ms / 1000).toFixed(1)} s`;
  const { missing, surplus } = offline;
  return [
    '',
    table(
      ['rule', 'matches', 'timeouts'],
      [...rules].sort().map(([rule, { matches, timeouts }]) => [rule, matches, timeouts]),
    ),
    table(['alert', 'count'], Object.entries(alerts).sort()),
    `${ingest.events} events for ${ingest.sessions} sessions in ${ingest.batches} signals; ${ingest.late} late, ${sum(ingest.dead)} dead letters`,
    missing.length + surplus.length === 0
      ? `The same rules offline give the same ${offline.alerts} alerts, id by id`
      : `Offline there are ${offline.alerts} alerts: ${missing.length} of them are missing here, and ${surplus.length} are only here`,
    `The live cart (${liveCart.workflowId}) was called abandoned ${liveCart.timerFiredBeforeAlert ? 'after' : 'without'} its durable timer`,
    `Server ready after ${s(times.server)}, past told after ${s(times.history)}, live cart after ${s(times.live)}, all after ${s(times.total)}`,
  ].join('\n');
}

function retentionAsText({ rows, mails, coupons }: RetentionResult): string {
  return [
    '',
    table(
      ['customer', 'story', 'effect', 'became', 'why', 'when'],
      rows.map(({ customer, story, effect, state, reason, at }) => [
        ...[customer, story, effect, state, reason ?? ''],
        at === null ? '' : timeIn('Europe/Berlin', at),
      ]),
    ),
    `${mails} mails and ${coupons} coupons, as their receivers say; 20 EUR was the budget of coupons`,
  ].join('\n');
}

function asJson({ rules, offline, ...result }: DemoResult, uiUrl: string | null): string {
  const { alerts, missing, surplus } = offline;
  return JSON.stringify({
    ...result,
    rules: Object.fromEntries(rules),
    offline: { alerts, missing, surplus, equal: missing.length === 0 && surplus.length === 0 },
    uiUrl,
  });
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
