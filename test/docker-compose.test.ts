// What can be held of docker-compose.yml without a Docker engine: it is parsed, and pins, health
// checks, start order, ports and search attributes are compared with what they must be.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { SEARCH_ATTRIBUTES } from '../src/workflows/messages.js';

interface Service {
  readonly image: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart: string;
}

const text = readFileSync(new URL('../docker-compose.yml', import.meta.url), 'utf8');
const compose = parse(text) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const ONE_SHOT = 'search-attributes';

describe('docker-compose.yml', () => {
  it('has the server, its database, its UI, the one-shot registration, Kafka and the store', () => {
    const names = ['postgres', 'temporal', ONE_SHOT, 'ui', 'kafka', 'store'];
    expect(Object.keys(compose.services)).toEqual(names);
  });

  it.each(services)('pins the image of %s to a full version', (_, { image }) => {
    // PostgreSQL's full versions have two numbers, those of the others three.
    const full = image.startsWith('postgres:')
      ? /^postgres:\d+\.\d+(-[\w.]+)?$/
      : /^(temporalio|apache)\/[\w-]+:\d+\.\d+\.\d+(-[\w.-]+)?$/;
    expect(image).toMatch(full);
    expect(image).not.toContain('latest');
  });

  it('uses one version of Temporal for the server and its tools', () => {
    const version = /:(\d+\.\d+\.\d+)/;
    const server = version.exec(compose.services.temporal?.image ?? '')?.[1];
    expect(server).toBeDefined();
    expect(version.exec(compose.services[ONE_SHOT]?.image ?? '')?.[1]).toBe(server);
  });

  it.each(services)('checks the health of %s, or runs it once', (name, service) => {
    if (name === ONE_SHOT) {
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
      [ONE_SHOT]: { temporal: 'service_healthy' },
      ui: { temporal: 'service_healthy', [ONE_SHOT]: 'service_completed_successfully' },
      kafka: {},
      store: {},
    });
  });

  it('publishes four ports, on the loopback interface only', () => {
    expect(services.flatMap(([, { ports }]) => ports ?? [])).toEqual([
      '127.0.0.1:7233:7233',
      '127.0.0.1:8233:8080',
      '127.0.0.1:9092:9092',
      '127.0.0.1:5432:5432',
    ]);
  });

  it('keeps each database, and the topics, in a named volume of its own', () => {
    const volumes = services.flatMap(([, service]) => service.volumes ?? []);
    expect(volumes.map((volume) => volume.split(':')[0])).toEqual(Object.keys(compose.volumes));
  });

  it('has Kafka and the store where the variables of its header say', () => {
    const variable = (name: string) =>
      new RegExp(`^#   export ${name}=(\\S+)$`, 'm').exec(text)?.[1];
    const { kafka, store } = compose.services;
    expect(variable('KAFKA_BROKERS')).toBe('127.0.0.1:9092');
    expect(kafka?.environment?.KAFKA_ADVERTISED_LISTENERS).toBe(
      'HOST://127.0.0.1:9092,CONTAINER://kafka:19092',
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

  it('registers the search attributes that the workflows use', () => {
    const { entrypoint, command, environment } = compose.services[ONE_SHOT] as Service;
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
