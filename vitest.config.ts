import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));
const NEEDS_SERVER = [
  'test/servers/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/vectors/session*.test.ts',
  'test/kafka/{admin,topic-id,alert-topic,reject-topic}.test.ts',
  'test/store/{migrations,progress-store,alert-ledger,effect-ledger,effect-report,store,database}.test.ts',
  'test/rule-store/*.test.ts',
  'test/effects/kinds/sql.test.ts',
];

export default defineConfig({
  test: {
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
          include: ['test/**/*.test.ts'],
          exclude: NEEDS_SERVER,
          // A busy machine must not fail the properties and vectors, which take a second or two.
          testTimeout: 30_000,
        },
      },
      {
        // Here the package's name means dist, as for its users: the worker bundles what it finds there.
        test: {
          name: 'servers',
          include: NEEDS_SERVER,
          pool: 'forks',
          // Two at a time, each with servers of its own: most of them wait most of the time.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          // A first run may have to fetch a server.
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
