// What can be held of docker-compose.yml and the Dockerfile without a Docker engine: they are parsed, and pins, health
// checks, start order, ports, search attributes, options and files are compared with what they must be. What
// registers the connector is run, against a stand-in of Kafka Connect.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { analyticsKafkaCommand } from '../src/cli/commands/analytics/kafka.js';
import { consoleCommand } from '../src/cli/commands/console.js';
import { ingestKafkaCommand } from '../src/cli/commands/ingest-kafka.js';
import { setupCommand } from '../src/cli/commands/setup.js';
import { workerCommand } from '../src/cli/commands/worker.js';
import { SEARCH_ATTRIBUTES } from '../src/workflows/messages.js';
import { DEBEZIUM_VERSION } from './support/connect.js';

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly profiles?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart: string;
}

const file = (name: string) => new URL(`../${name}`, import.meta.url);
const text = readFileSync(file('docker-compose.yml'), 'utf8');
const compose = parse(text) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const REGISTRATION = 'search-attributes';
const ONE_SHOTS = [REGISTRATION, 'setup', 'connector'];
const OWN = services.filter(([, { image }]) => image.startsWith('temporal-cep'));
/** The profile's, which do not start by themselves. */
const APP = [
  ...['mysql', 'connect', 'setup', 'connector', 'worker', 'ingest'],
  ...['analytics', 'console'],
];

const connector = JSON.parse(readFileSync(file('examples/debezium-clickstream.json'), 'utf8')) as {
  readonly config: Readonly<Record<string, string>>;
};
const { config } = connector;
const TOPIC = `${config['topic.prefix']}.${config['table.include.list']}`;

describe('docker-compose.yml', () => {
  it('has the server, its database, its UI, the one-shot registration, Kafka and the store', () => {
    const names = ['postgres', 'temporal', REGISTRATION, 'ui', 'kafka', 'store'];
    expect(Object.keys(compose.services)).toEqual([...names, ...APP]);
  });

  it('starts MySQL, Debezium, worker and ingestor where the profile asks for them', () => {
    const named = services.filter(([, { profiles }]) => profiles !== undefined);
    expect(named.map(([name, { profiles }]) => [name, profiles])).toEqual(
      APP.map((name) => [name, ['app']]),
    );
  });

  it.each(services)('pins the image of %s to a full version', (_, { image, build }) => {
    if (build !== undefined) {
      expect([build, image]).toEqual(['.', 'temporal-cep:local']);
      return;
    }
    // PostgreSQL's full versions have two numbers, those of the others three.
    const full = image.startsWith('postgres:')
      ? /^postgres:\d+\.\d+(-[\w.]+)?$/
      : /^((temporalio|apache|quay\.io\/debezium)\/[\w-]+|mysql):\d+\.\d+\.\d+([.-][\w.-]+)?$/;
    expect(image).toMatch(full);
    expect(image).not.toContain('latest');
  });

  it('uses one version of Temporal for the server and its tools', () => {
    const version = /:(\d+\.\d+\.\d+)/;
    const server = version.exec(compose.services.temporal?.image ?? '')?.[1];
    expect(server).toBeDefined();
    expect(version.exec(compose.services[REGISTRATION]?.image ?? '')?.[1]).toBe(server);
  });

  it.each(services)('checks the health of %s, or runs it once', (name, service) => {
    if (ONE_SHOTS.includes(name)) {
      expect(service.restart).toMatch(/^on-failure(:\d+)?$/);
      expect(service.healthcheck).toBeUndefined();
    } else {
      expect(service.restart).toBe('unless-stopped');
      expect(service.healthcheck?.test[0]).toBe('CMD');
      expect(service.healthcheck?.test.length).toBeGreaterThan(1);
    }
  });

  it('starts each service when what it needs is ready', () => {
    const conditions = services.map(([name, { depends_on }]) => [
      name,
      Object.fromEntries(Object.entries(depends_on ?? {}).map(([on, how]) => [on, how.condition])),
    ]);
    expect(Object.fromEntries(conditions)).toEqual({
      postgres: {},
      temporal: { postgres: 'service_healthy' },
      [REGISTRATION]: { temporal: 'service_healthy' },
      ui: { temporal: 'service_healthy', [REGISTRATION]: 'service_completed_successfully' },
      kafka: {},
      store: {},
      mysql: {},
      connect: { kafka: 'service_healthy', mysql: 'service_healthy' },
      setup: { temporal: 'service_healthy', kafka: 'service_healthy', store: 'service_healthy' },
      connector: { connect: 'service_healthy', setup: 'service_completed_successfully' },
      worker: { setup: 'service_completed_successfully' },
      ingest: {
        setup: 'service_completed_successfully',
        connector: 'service_completed_successfully',
      },
      analytics: {
        setup: 'service_completed_successfully',
        connector: 'service_completed_successfully',
      },
      console: { setup: 'service_completed_successfully' },
    });
    // What nobody waits for is taken for a failure by `up --wait` when it ends.
    const awaited = services.flatMap(([, { depends_on }]) => Object.keys(depends_on ?? {}));
    expect(ONE_SHOTS.filter((name) => !awaited.includes(name))).toEqual([]);
  });

  it('publishes six ports, on the loopback interface only', () => {
    expect(services.flatMap(([, { ports }]) => ports ?? [])).toEqual([
      '127.0.0.1:7233:7233',
      '127.0.0.1:8233:8080',
      '127.0.0.1:9092:19092',
      '127.0.0.1:5432:5432',
      '127.0.0.1:3306:3306',
      '127.0.0.1:8400:8400',
    ]);
  });

  it('keeps each database, and the topics, in a named volume of its own', () => {
    const volumes = services
      .flatMap(([, service]) => service.volumes ?? [])
      .filter((volume) => !volume.startsWith('./'));
    expect(volumes.map((volume) => volume.split(':')[0])).toEqual(Object.keys(compose.volumes));
  });

  it('has Kafka and the store where the variables of its header say', () => {
    const variable = (name: string) =>
      new RegExp(`^#   export ${name}=(\\S+)$`, 'm').exec(text)?.[1];
    const { kafka, store } = compose.services;
    expect(variable('KAFKA_BROKERS')).toBe('127.0.0.1:9092');
    expect(kafka?.environment?.KAFKA_ADVERTISED_LISTENERS).toBe(
      'HOST://127.0.0.1:9092,CONTAINER://kafka:9092',
    );
    expect(kafka?.environment?.KAFKA_AUTO_CREATE_TOPICS_ENABLE).toBe('false');
    // Each listener has a protocol, and where it keeps its data a volume is mounted.
    const listeners = String(kafka?.environment?.KAFKA_LISTENERS).split(',');
    const protocols = String(kafka?.environment?.KAFKA_LISTENER_SECURITY_PROTOCOL_MAP).split(',');
    const names = (of: readonly string[]) => of.map((each) => each.split(':')[0]);
    expect(names(listeners)).toEqual(names(protocols));
    expect(kafka?.volumes).toEqual([`kafka:${kafka?.environment?.KAFKA_LOG_DIRS}`]);

    const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = store?.environment ?? {};
    expect(variable('TEMPORAL_CEP_DATABASE')).toBe(
      `postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@127.0.0.1:5432/${POSTGRES_DB}`,
    );
  });

  it('mounts files that are there, to be read only', () => {
    const mounted = services
      .flatMap(([, service]) => service.volumes ?? [])
      .filter((volume) => volume.startsWith('./'))
      .map((volume) => volume.split(':'));
    expect(mounted.filter(([from = '']) => !existsSync(file(from)))).toEqual([]);
    expect(mounted.map(([, , mode]) => mode)).toEqual(mounted.map(() => 'ro'));
    expect(mounted).toHaveLength(6);
  });

  it('runs commands of temporal-cep with options that they have, against the servers of this file', () => {
    const commands: Readonly<Record<string, () => Command>> = {
      setup: setupCommand,
      worker: workerCommand,
      ingest: ingestKafkaCommand,
      analytics: analyticsKafkaCommand,
      console: consoleCommand,
    };
    for (const [name, command] of Object.entries(commands)) {
      const service = compose.services[name] as Service;
      const readsKafka = name === 'ingest' || name === 'analytics';
      const words = readsKafka ? [name, 'kafka'] : [name];
      expect(service.command?.slice(0, words.length)).toEqual(words);
      const { operands, unknown } = command().parseOptions([
        ...(service.command ?? []).slice(words.length),
      ]);
      expect({ name, operands, unknown }).toEqual({
        name,
        operands: readsKafka ? [TOPIC] : [],
        unknown: [],
      });
      const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } =
        compose.services.store?.environment ?? {};
      const { TEMPORAL_CEP_CONSOLE_TOKEN: token, ...environment } = service.environment ?? {};
      expect(environment).toEqual({
        TEMPORAL_CEP_DATABASE: `postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@store:5432/${POSTGRES_DB}`,
        ...(['analytics', 'console'].includes(name) ? {} : { TEMPORAL_ADDRESS: 'temporal:7233' }),
        ...(name === 'console' ? {} : { KAFKA_BROKERS: 'kafka:9092' }),
      });
      if (name === 'console') expect(String(token).length).toBeGreaterThanOrEqual(16);
    }
    expect(OWN.map(([name]) => name)).toEqual([
      ...['setup', 'connector', 'worker', 'ingest', 'analytics', 'console'],
    ]);
  });

  it('makes each topic that is read or written', () => {
    const { command = [] } = compose.services.setup as Service;
    const topics = command.slice(command.indexOf('--topic') + 1, command.indexOf('--partitions'));
    const named = OWN.flatMap(([, service]) => service.command ?? []).flatMap(
      (word) => /^--[\w-]*topic=(.+)$/.exec(word)?.[1] ?? [],
    );
    expect([...topics].sort()).toEqual([...new Set([TOPIC, ...named])].sort());
  });

  it('has Debezium read the table that MySQL is given, as a user that it has', () => {
    const { mysql, connect } = compose.services;
    // The one that is tested.
    expect(connect?.image.split(':')[1]).toBe(DEBEZIUM_VERSION);
    expect(config).toMatchObject({
      'database.hostname': 'mysql',
      'database.include.list': mysql?.environment?.MYSQL_DATABASE,
      'table.include.list': `${mysql?.environment?.MYSQL_DATABASE}.clickstream`,
      'schema.history.internal.kafka.bootstrap.servers': connect?.environment?.BOOTSTRAP_SERVERS,
    });
    expect(readFileSync(file('examples/clickstream.sql'), 'utf8')).toMatch(
      /^create table clickstream \(/m,
    );
    expect(readFileSync(file('examples/debezium-user.sql'), 'utf8')).toContain(
      `create user '${config['database.user']}'@'%' identified by '${connect?.environment?.DEBEZIUM_PASSWORD}'`,
    );
    // What Connect puts in the place of a variable is looked up by a provider, which has to be named.
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Connect's own notation
    expect(config['database.password']).toBe('${env:DEBEZIUM_PASSWORD}');
    expect(connect?.environment?.CONNECT_CONFIG_PROVIDERS).toBe('env');
  });

  it('registers the connector, anew each time', async () => {
    const { entrypoint = [], command = [], volumes = [] } = compose.services.connector as Service;
    const asked: unknown[] = [];
    const status = [201, 200, 500];
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      request.on('end', () => {
        asked.push([request.method, request.url, JSON.parse(body)]);
        response.writeHead(status.shift() ?? 500).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const [from = '', to = ''] = (volumes[0] ?? '').split(':');
    const script = (command[0] ?? '')
      .replaceAll('$$', '$')
      .replace(`'${to}'`, JSON.stringify(file(from).pathname));
    const register = () =>
      promisify(execFile)(process.execPath, [...entrypoint.slice(1), script], {
        env: { CONNECT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
      });
    try {
      await register();
      await register();
      await expect(register()).rejects.toMatchObject({ code: 1 });
    } finally {
      server.close();
    }
    const put = ['PUT', '/connectors/clickstream/config', config];
    expect(asked).toEqual([put, put, put]);
  });

  it('registers the search attributes that the workflows use', () => {
    const { entrypoint, command, environment } = compose.services[REGISTRATION] as Service;
    expect(entrypoint).toEqual(['temporal', 'operator', 'search-attribute', 'create']);
    expect(environment?.TEMPORAL_ADDRESS).toBe('temporal:7233');

    const values = (flag: string) =>
      (command ?? [])
        .filter((word) => word.startsWith(`${flag}=`))
        .map((word) => word.slice(flag.length + 1));
    expect(values('--namespace')).toEqual(['default']);
    const types = values('--type');
    const registered = values('--name').map((name, index) => [name, types[index]]);
    // The CLI writes KeywordList where the SDK writes KEYWORD_LIST.
    const cliTypes = {
      KEYWORD: 'Keyword',
      KEYWORD_LIST: 'KeywordList',
      DATETIME: 'Datetime',
      BOOL: 'Bool',
    };
    const wanted = Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => [name, cliTypes[type]]);
    expect(registered).toEqual(wanted);
    expect(types).toHaveLength(wanted.length);
  });
});

describe('Dockerfile', () => {
  const dockerfile = readFileSync(file('Dockerfile'), 'utf8');
  const ignored = readFileSync(file('.dockerignore'), 'utf8').split('\n');
  const steps = dockerfile.split('\n').map((line) => line.trim().split(/\s+/));

  it('is of one pinned Node, which the package takes', () => {
    const images = steps.filter(([step]) => step === 'FROM').map(([, image = '']) => image);
    expect(images).toHaveLength(2);
    expect(new Set(images).size).toBe(1);
    expect(images[0]).toMatch(/^node:2[024]\.\d+\.\d+-bookworm-slim$/);
  });

  it('copies what is there, and what is not kept from it', () => {
    const sources = steps
      .filter(([step, from]) => step === 'COPY' && !from?.startsWith('--from'))
      .flatMap((words) => words.slice(1, -1));
    expect(sources).toContain('src');
    expect(sources.filter((name) => !existsSync(file(name)))).toEqual([]);
    const kept = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect([...new Set(sources)].sort()).toEqual(kept.sort());
    expect(ignored).toContain('*');
  });

  it('runs as nobody who may do everything', () => {
    expect(steps).toContainEqual(['USER', 'node']);
    expect(steps).toContainEqual(['ENTRYPOINT', '["temporal-cep"]']);
  });
});
