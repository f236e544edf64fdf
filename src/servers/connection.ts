import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, isGrpcServiceError } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { CepError, messageOf } from '../errors.js';
import type { Millis } from '../time.js';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.js';
import { probe } from './ports.js';
import type { Environment } from './process.js';

const DEFAULT_PORT = 7233;

/** What both kinds of connection need: `Connection.connect` and `NativeConnection.connect` take it. */
export interface ServerConnectionOptions
  extends Pick<NativeConnectionOptions, 'tls' | 'apiKey' | 'metadata'> {
  /** `host:port` of the server. */
  readonly address: string;
}

/** Where a server is and how to be let in. */
export interface ServerSettings {
  readonly connectionOptions: ServerConnectionOptions;
  readonly namespace: string;
}

/**
 * Reads Temporal's own environment configuration: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
 * TEMPORAL_API_KEY, TEMPORAL_TLS_*, TEMPORAL_GRPC_META_*, and the profile TEMPORAL_PROFILE of the file
 * TEMPORAL_CONFIG_FILE (or of the CLI's default file). Defaults: localhost:7233, namespace `default`.
 *
 * @throws CepError `SETTING_INVALID` for a profile or file that can't be used
 */
export function connectionOptionsFromEnv(env: Environment = process.env): ServerSettings {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    // An empty variable means the same as none, as for the CLI.
    if (value !== undefined && value !== '') variables[name] = value;
  }
  // A file that was asked for must be there; the library takes a missing one for an empty one.
  const file = variables.TEMPORAL_CONFIG_FILE;
  try {
    if (file !== undefined) readFileSync(file);
    const { connectionOptions, namespace } = loadClientConnectConfig({
      overrideEnvVars: variables,
    });
    const { address, tls, apiKey, metadata } = connectionOptions;
    if (address?.includes('://')) throw new Error(`the address ${address} must be host:port`);
    return {
      namespace: namespace ?? 'default',
      connectionOptions: {
        address: address ?? `localhost:${DEFAULT_PORT}`,
        ...(tls === undefined ? {} : { tls }),
        ...(apiKey === undefined ? {} : { apiKey }),
        ...(metadata === undefined ? {} : { metadata }),
      },
    };
  } catch (error) {
    throw new CepError(
      'SETTING_INVALID',
      `Temporal's environment configuration can't be used: ${messageOf(error)}; check the variables TEMPORAL_* and the configuration file`,
      { cause: error },
    );
  }
}

/**
 * Opens a connection to a server and makes sure that it has the namespace. The caller closes it.
 *
 * @param timeoutMs - how long the server may take to answer; 10 s by default
 * @throws CepError `SERVER_UNREACHABLE` when nothing answers, or refuses us; `SETTING_INVALID` when
 * there is no such namespace
 */
export async function connectToServer(
  { connectionOptions, namespace }: ServerSettings,
  timeoutMs: Millis = 10_000,
): Promise<Connection> {
  const { address } = connectionOptions;
  let connection: Connection;
  try {
    connection = await Connection.connect({ ...connectionOptions, connectTimeout: timeoutMs });
  } catch (error) {
    throw new CepError(
      'SERVER_UNREACHABLE',
      `no Temporal server answered at ${address}: ${await reasonFor(address, error)}. Start a server there, correct TEMPORAL_ADDRESS (or the profile), or unset it to have a development server started`,
      { details: { address }, cause: error },
    );
  }
  try {
    await connection.withDeadline(Date.now() + timeoutMs, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
    return connection;
  } catch (error) {
    await connection.close();
    if (grpcCode(error) === 'NOT_FOUND') {
      throw new CepError(
        'SETTING_INVALID',
        `the Temporal server at ${address} has no namespace "${namespace}": correct TEMPORAL_NAMESPACE, or create it with: temporal operator namespace create --namespace ${namespace} --address ${address}`,
        { details: { address, namespace }, cause: error },
      );
    }
    if (grpcCode(error) === 'DEADLINE_EXCEEDED') {
      throw new CepError(
        'SERVER_UNREACHABLE',
        `the Temporal server at ${address} is there, but did not answer within ${timeoutMs / 1000} s: see its log, and start it again if need be`,
        { details: { address, namespace }, cause: error },
      );
    }
    throw new CepError(
      'SERVER_UNREACHABLE',
      `the Temporal server at ${address} does not give namespace "${namespace}" to us: ${messageOf(error)}. Check TEMPORAL_API_KEY, TEMPORAL_TLS_* and TEMPORAL_NAMESPACE`,
      { details: { address, namespace }, cause: error },
    );
  }
}

/**
 * Registers those of our search attributes that the namespace lacks, and waits until they can be used.
 * Does nothing when all are there. The time-skipping server, which can't list them, gets them all.
 *
 * @param timeoutMs - how long the server may take until it lists them; 30 s by default
 * @throws CepError `SETTING_INVALID` when the server refuses, or has one with another type; the
 * message holds the commands that create them. `SERVER_UNREACHABLE` when it stops answering
 */
export async function ensureSearchAttributes(
  connection: Connection,
  namespace: string,
  timeoutMs: Millis = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let asked = false;
  for (;;) {
    const there = await list(connection, namespace);
    const missing = ATTRIBUTES.filter(({ name }) => there?.[name] === undefined);
    for (const { name, code, cliType } of ATTRIBUTES) {
      const found = there?.[name];
      if (found !== undefined && found !== null && found !== code) {
        throw new CepError(
          'SETTING_INVALID',
          `namespace "${namespace}" has a search attribute ${name} of another type than ${cliType}: remove it with: temporal operator search-attribute remove --namespace ${namespace} --name ${name}`,
          { details: { namespace, name } },
        );
      }
    }
    if (missing.length === 0) return;
    if (!asked) {
      await add(connection, namespace, missing);
      asked = true;
      if (there === null) return;
    } else if (performance.now() > deadline) {
      throw new CepError(
        'SERVER_UNREACHABLE',
        `the Temporal server took the search attributes ${names(missing)} but did not list them within ${timeoutMs / 1000} s`,
        { details: { namespace, missing: missing.map(({ name }) => name) } },
      );
    }
    // They are not ready the moment the server takes them.
    await sleep(100);
  }
}

/** Our search attributes as the CLI spells them: `CepKey=Keyword`. */
export function searchAttributeFlags(): string[] {
  return ATTRIBUTES.map(({ name, cliType }) => `${name}=${cliType}`);
}

type AttributeType = (typeof SEARCH_ATTRIBUTES)[keyof typeof SEARCH_ATTRIBUTES];

// Temporal's IndexedValueType, and the CLI's word for it.
const TYPES: Record<AttributeType, { code: number; cliType: string }> = {
  KEYWORD: { code: 2, cliType: 'Keyword' },
  BOOL: { code: 5, cliType: 'Bool' },
  DATETIME: { code: 6, cliType: 'Datetime' },
  KEYWORD_LIST: { code: 7, cliType: 'KeywordList' },
};

interface Attribute {
  readonly name: string;
  readonly code: number;
  readonly cliType: string;
}

const ATTRIBUTES: readonly Attribute[] = Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => ({
  name,
  ...TYPES[type],
}));

/** Types by name, or null where the server can't list them. */
async function list(connection: Connection, namespace: string) {
  try {
    const answer = await connection.operatorService.listSearchAttributes({ namespace });
    return answer.customAttributes ?? {};
  } catch (error) {
    if (grpcCode(error) === 'UNIMPLEMENTED') return null;
    throw refusal(namespace, ATTRIBUTES, error);
  }
}

async function add(connection: Connection, namespace: string, missing: readonly Attribute[]) {
  // One at a time: a server that already has one of several refuses all.
  for (const { name, code } of missing) {
    try {
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: { [name]: code },
      });
    } catch (error) {
      if (grpcCode(error) !== 'ALREADY_EXISTS') throw refusal(namespace, missing, error);
    }
  }
}

function refusal(namespace: string, missing: readonly Attribute[], error: unknown): CepError {
  const details = { namespace, missing: missing.map(({ name }) => name) };
  const code = grpcCode(error);
  if (code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED' || code === 'CANCELLED') {
    return new CepError(
      'SERVER_UNREACHABLE',
      `the Temporal server stopped answering while the search attributes ${names(missing)} were looked up: ${messageOf(error)}`,
      { details, cause: error },
    );
  }
  const commands = missing
    .map(
      ({ name, cliType }) =>
        `\n  temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${cliType}`,
    )
    .join('');
  return new CepError(
    'SETTING_INVALID',
    `the Temporal server does not let us register the search attributes ${names(missing)} in namespace "${namespace}": ${messageOf(error)}. Have its administrator run (on Temporal Cloud: add them in the namespace's settings):${commands}`,
    { details, cause: error },
  );
}

function names(attributes: readonly Attribute[]): string {
  return attributes.map(({ name }) => name).join(', ');
}

// By name: the numbers of gRPC's status codes live in a package that we don't depend on.
const GRPC_CODES: Record<number, string> = {
  1: 'CANCELLED',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  12: 'UNIMPLEMENTED',
  14: 'UNAVAILABLE',
};

function grpcCode(error: unknown): string | undefined {
  return isGrpcServiceError(error) ? GRPC_CODES[error.code] : undefined;
}

// gRPC says no more than that the time is over; the socket knows why.
async function reasonFor(address: string, error: unknown): Promise<string> {
  const found = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(address);
  if (!found) return `${messageOf(error)} (an address is written host:port)`;
  const host = found[1] ?? found[2] ?? '';
  const port = Number(found[3] ?? DEFAULT_PORT);
  const reason = port < 65_536 ? await probe(host, port, 3_000) : 'there is no such port';
  if (reason !== null) return REASONS[reason] ?? reason;
  return `${messageOf(error)} (the port is open, so check TEMPORAL_TLS_* and TEMPORAL_API_KEY)`;
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'the host can not be reached',
};
