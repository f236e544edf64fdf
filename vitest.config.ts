import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));
/** What needs a database, a broker or a server, one of each at most. */
const ON_SERVERS = [
  'test/servers/**/*.test.ts',
  'test/kafka/{admin,topic-id,alert-topic,reject-topic,sasl-ssl}.test.ts',
  'test/store/{migrations,progress-store,parked,alert-ledger,effect-ledger,effect-report,store,database,mysql}.test.ts',
  'test/{rule-store,analytics-store,console}/*.test.ts',
  'test/effects/kinds/sql.test.ts',
];
/** What needs all of it: processes, as built. */
const END_TO_END = ['test/e2e/**/*.test.ts', 'test/vectors/session*.test.ts'];

/** Minutes each: what takes long begins first, or it runs alone at the end. Every other one keeps the processors busy, and the next one waits. */
const SLOW = [
  'automaton/naive',
  'automaton/naive.prop',
  'effects/month',
  'cli/dead-letters',
  'automaton/operator.prop',
  'e2e/failpoints',
  'e2e/cli',
  'e2e/repartition',
  'e2e/pack',
  'e2e/kafka-faults',
  'e2e/kill',
  'e2e/chaos',
  'e2e/hand-over',
  'e2e/kafka-time',
  'e2e/rule-tables',
  'e2e/session',
  'kafka/sasl-ssl',
  'e2e/backtest-live',
  'e2e/change-data-capture',
  'analytics-store/exactly-once',
  'e2e/analytics',
].map((name) => `/test/${name}.test.ts`);

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = SLOW.findIndex((path) => moduleId.endsWith(path));
      return index < 0 ? SLOW.length : index;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: SlowFirst },
    globalSetup: 'test/global-setup.ts',
    projects: [
      {
        // The examples import the package by its name; here that is the source.
        resolve: {
          alias: [
            { find: /^temporal-cep$/, replacement: src('index.ts') },
            { find: /^temporal-cep\/worker$/, replacement: src('worker.ts') },
            { find: /^temporal-cep\/(\w+)$/, replacement: `${src('')}$1/index.ts` },
          ],
        },
        test: {
          name: 'unit',
          // Some of them wait for timers.
          maxWorkers: 3,
          include: ['test/**/*.test.ts'],
          exclude: [...ON_SERVERS, ...END_TO_END],
          // A busy machine must not fail the properties and vectors, which take a second or two.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'servers',
          include: ON_SERVERS,
          pool: 'forks',
          // Each with a server of its own: most of them wait most of the time.
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          // A first run may have to fetch a server.
          hookTimeout: 900_000,
        },
      },
      {
        // Here the package's name means dist, as for its users: the worker bundles what it finds there.
        test: {
          name: 'e2e',
          include: END_TO_END,
          pool: 'forks',
          // Two at a time, each with servers of its own: they keep the processors busy.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          testTimeout: 120_000,
          // A first run may have to fetch a server.
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
