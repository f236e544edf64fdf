import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CepError } from '../errors.js';
import { type Millis, minutes, seconds } from '../time.js';
import { type Attempt, findOrFetch, type Source } from './cache.js';
import {
  connectionOptionsFromEnv,
  connectToServer,
  ensureSearchAttributes,
  type ServerConnectionOptions,
  type ServerSettings,
  searchAttributeFlags,
} from './connection.js';
import { sdkDownload } from './download.js';
import { freePort, LOOPBACK, preferPort, requirePort, waitForPort } from './ports.js';
import {
  describeExit,
  describeFailure,
  type Environment,
  type Exit,
  findOnPath,
  type GuardedProcess,
  type Report,
  reportToStderr,
  run,
  startGuarded,
  withProgress,
} from './process.js';

const WHAT = 'Temporal dev server';
const CLI_VERSION = '1.5.1';
const CLI_MODULE = `github.com/temporalio/cli/cmd/temporal@v${CLI_VERSION}`;
const ENTRY = process.platform === 'win32' ? 'temporal.exe' : 'temporal';

/** How {@link startDevServer} starts a server; ports and the like don't matter to one that runs already. */
export interface DevServerOptions {
  /** The gRPC port it must have; else `preferredPort`, or else any free one. */
  readonly port?: number;
  /** The gRPC port it gets when that is free. */
  readonly preferredPort?: number;
  /** Whether it serves Temporal's web UI. Default true. */
  readonly ui?: boolean;
  /** The UI's port it must have; else `preferredUiPort`, or else any free one. */
  readonly uiPort?: number;
  /** The UI's port it gets when that is free. */
  readonly preferredUiPort?: number;
  /** SQLite file that keeps its state; in memory by default. */
  readonly dbFile?: string;
  /** Default `default`. */
  readonly namespace?: string;
  /** The server's dynamic configuration, such as `limit.historyCount.suggestContinueAsNew`. */
  readonly dynamicConfig?: Readonly<Record<string, string | number>>;
  /** Least level of its log: debug, info, warn, error or never. Default `error`. */
  readonly logLevel?: string;
  /** Gets the lines of its log; by default they are kept only for the message of a failure. */
  readonly onLog?: (line: string) => void;
  /** How long it may take to answer. Default 60 s, and 10 s for one that should run already. */
  readonly startTimeoutMs?: Millis;
  /** Where progress goes. Default standard error. */
  readonly report?: Report;
  /** Default `process.env`. */
  readonly env?: Environment;
}

/** A Temporal server that answers and has the namespace and our search attributes. */
export interface RunningServer extends ServerSettings {
  /** `host:port` of its gRPC interface. */
  readonly address: string;
  /** Where its web UI is; null when it has none that we know of. */
  readonly uiUrl: string | null;
  readonly namespace: string;
  /** For `Connection.connect` and `NativeConnection.connect`: address, TLS and API key. */
  readonly connectionOptions: ServerConnectionOptions;
  /** True for a server that we did not start, and that `stop` leaves alone. */
  readonly external: boolean;
  readonly version?: string;
  /** Ends the server and waits until it is gone. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Takes the server that the environment names, or else starts a development server; waits until it can
 * be used. The executable comes from PATH, the cache, the SDK's download or `go install`, in this order.
 * The server ends when this process does, however that happens.
 *
 * @throws CepError `SERVER_UNREACHABLE` when the named server does not answer, or the started one ends
 * early; `SERVER_NOT_FOUND` when there is no executable and none can be fetched; `PORT_OCCUPIED`;
 * `SETTING_INVALID`
 */
export async function startDevServer(options: DevServerOptions = {}): Promise<RunningServer> {
  const env = options.env ?? process.env;
  const report = options.report ?? reportToStderr;
  const external = namedServer(env);
  if (external !== null) return await useExternal(external, options);

  // Before anything is fetched: a port in use is known at once, a build takes minutes.
  if (options.port !== undefined) await requirePort(options.port, 'port');
  if (options.uiPort !== undefined) await requirePort(options.uiPort, 'UI port');
  const executable = await findTemporalCli({ env, report });

  // A free port may be taken before the server gets to it.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(executable, options, report);
    } catch (error) {
      const fixed = options.port !== undefined && options.uiPort !== undefined;
      if (!(error instanceof PortRaceError) || fixed || attempt === 3) throw error;
      report(`${WHAT}: a port was taken meanwhile; trying others`);
    }
  }
}

/**
 * The path of Temporal's command line program, fetched when it is neither on PATH nor in the cache.
 *
 * @throws CepError `SERVER_NOT_FOUND` with every step that was tried
 */
export async function findTemporalCli(
  options: { readonly env?: Environment; readonly report?: Report } = {},
): Promise<string> {
  const env = options.env ?? process.env;
  const report = options.report ?? reportToStderr;
  const tried: Attempt[] = [{ step: 'TEMPORAL_ADDRESS', outcome: 'not set' }];
  const onPath = findOnPath('temporal', env);
  if (onPath === null) {
    tried.push({ step: 'temporal on PATH', outcome: 'not there' });
  } else {
    const failure = await checkCli(onPath, env);
    if (failure === null) return onPath;
    report(`${WHAT}: ${onPath} can't be used: ${failure}`);
    tried.push({ step: onPath, outcome: failure });
  }
  return await findOrFetch({
    what: WHAT,
    name: 'temporal-cli',
    entry: ENTRY,
    sources: [
      sdkDownload({ method: 'createLocal', name: 'temporal-cli', entry: ENTRY, env, report }),
      goInstall(env, report),
    ],
    tried,
    remedy:
      'Install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on PATH, or Go (https://go.dev) to have it built, or set TEMPORAL_ADDRESS to a server that runs.',
    env,
    report,
  });
}

/**
 * The server that the environment names, or null. The CLI's default configuration file alone names
 * none: a demo must not run on somebody's production because a file lies in the home folder.
 */
function namedServer(env: Environment): ServerSettings | null {
  if (env.TEMPORAL_ADDRESS) return connectionOptionsFromEnv(env);
  if (env.TEMPORAL_PROFILE || env.TEMPORAL_CONFIG_FILE) return connectionOptionsFromEnv(env);
  return null;
}

async function useExternal(
  settings: ServerSettings,
  { report = reportToStderr, startTimeoutMs = seconds(10) }: DevServerOptions,
): Promise<RunningServer> {
  const { address } = settings.connectionOptions;
  report(`Temporal server: using ${address}, namespace ${settings.namespace}, as configured`);
  const version = await prepare(settings, startTimeoutMs);
  return {
    ...settings,
    address,
    uiUrl: null,
    external: true,
    ...version,
    stop: async () => {},
  };
}

/** Waits for the namespace and the search attributes of a server that listens. */
async function prepare(settings: ServerSettings, timeoutMs: Millis): Promise<{ version?: string }> {
  const connection = await connectToServer(settings, timeoutMs);
  try {
    await ensureSearchAttributes(connection, settings.namespace);
    const { serverVersion } = await connection.workflowService.getSystemInfo({});
    return serverVersion ? { version: serverVersion } : {};
  } finally {
    await connection.close();
  }
}

class PortRaceError extends CepError {}

async function startOnce(
  executable: string,
  options: DevServerOptions,
  report: Report,
): Promise<RunningServer> {
  const { ui = true, namespace = 'default', startTimeoutMs = seconds(60) } = options;
  const port = options.port ?? (await preferPort(options.preferredPort));
  let uiPort = options.uiPort ?? (await preferPort(options.preferredUiPort));
  while (uiPort === port) uiPort = await freePort();

  const args = [
    'server',
    'start-dev',
    '--ip',
    LOOPBACK,
    '--port',
    `${port}`,
    '--namespace',
    namespace,
  ];
  args.push('--log-level', options.logLevel ?? 'error');
  if (ui) args.push('--ui-port', `${uiPort}`);
  else args.push('--headless');
  if (options.dbFile !== undefined) {
    await mkdir(dirname(options.dbFile), { recursive: true });
    args.push('--db-filename', options.dbFile);
  }
  for (const flag of searchAttributeFlags()) args.push('--search-attribute', flag);
  // Several partitions only add latency jitter on one machine.
  for (const key of [
    'matching.numTaskqueueReadPartitions',
    'matching.numTaskqueueWritePartitions',
  ]) {
    args.push('--dynamic-config-value', `${key}=1`);
  }
  for (const [key, value] of Object.entries(options.dynamicConfig ?? {})) {
    args.push('--dynamic-config-value', `${key}=${JSON.stringify(value)}`);
  }

  // Over a port that is taken it panics, in more lines than the tail keeps.
  let portTaken = false;
  const child = startGuarded(executable, args, {
    env: options.env ?? process.env,
    onLine: (line) => {
      portTaken ||= PORT_TAKEN.test(line);
      options.onLog?.(line);
    },
  });
  const address = `${LOOPBACK}:${port}`;
  const settings: ServerSettings = { namespace, connectionOptions: { address } };
  const done = new AbortController();
  try {
    const ports = ui ? [port, uiPort] : [port];
    const ended = child.exited.then((exit) => {
      throw earlyExit({ executable, child, exit, portTaken });
    });
    const waiting = { timeoutMs: startTimeoutMs, signal: done.signal };
    const listening = Promise.all(ports.map((each) => waitForPort(each, waiting)));
    const ready = listening.then(() => prepare(settings, Math.min(startTimeoutMs, seconds(10))));
    // `ended` rejects in any case, at the latest when the server is stopped.
    ended.catch(() => {});
    const version = await Promise.race([ready, ended]);
    const uiUrl = ui ? `http://localhost:${uiPort}` : null;
    report(`${WHAT}: ${address}${uiUrl === null ? '' : `, UI ${uiUrl}`}`);
    return {
      ...settings,
      address,
      uiUrl,
      external: false,
      ...version,
      stop: () => child.stop(),
    };
  } catch (error) {
    await child.stop();
    throw error;
  } finally {
    done.abort();
  }
}

const PORT_TAKEN = /address already in use|Only one usage of each socket address/i;

function earlyExit(end: {
  executable: string;
  child: GuardedProcess;
  exit: Exit;
  portTaken: boolean;
}): CepError {
  const tail = end.child.tail();
  const message = `the ${WHAT} (${end.executable}) ended before it could be used (${describeExit(end.exit)}). Its last words:\n${tail || '(none)'}`;
  if (end.portTaken) {
    return new PortRaceError('PORT_OCCUPIED', message);
  }
  return new CepError('SERVER_UNREACHABLE', message, { details: { ...end.exit, tail } });
}

/** What is wrong with a command line program, or null. */
async function checkCli(path: string, env: Environment): Promise<string | null> {
  const outcome = await run(path, ['--version'], { env, timeoutMs: seconds(20) });
  if (outcome.code !== 0) return `${path} --version: ${describeFailure(outcome)}`;
  // Some other program may have the name.
  if (!/^temporal version /m.test(outcome.output)) return 'it is not the Temporal CLI';
  return null;
}

function goInstall(env: Environment, report: Report): Source {
  return {
    label: `go install ${CLI_MODULE}`,
    folder: `temporal-cli-${CLI_VERSION}`,
    takes: '2-5 minutes the first time',
    unavailable: () => (findOnPath('go', env) === null ? 'no go on PATH' : null),
    async install(folder) {
      const go = findOnPath('go', env) as string;
      let modules = 0;
      const outcome = await withProgress(
        report,
        (elapsedS) =>
          `  building for ${elapsedS} s${modules > 0 ? `, ${modules} modules downloaded` : ''}`,
        () =>
          run(go, ['install', CLI_MODULE], {
            // No C compiler needed: its SQLite is written in Go.
            env: { ...env, GOBIN: folder, CGO_ENABLED: '0' },
            cwd: folder,
            timeoutMs: minutes(20),
            onLine: (line) => {
              if (line.startsWith('go: downloading ')) modules += 1;
            },
          }),
      );
      if (outcome.code !== 0) throw new Error(describeFailure(outcome));
      const failure = await checkCli(join(folder, ENTRY), env);
      if (failure !== null) throw new Error(failure);
    },
  };
}
