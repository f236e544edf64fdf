// What the end-to-end tests use of dist beyond the package's entry points. A worker bundles the workflow
// that lies beside it, so it has to be the built one; the types are those of src.

const load = (path: string) =>
  import(/* @vite-ignore */ new URL(`../../../dist/${path}`, import.meta.url).href);

export const { startSessionDriver } = (await load(
  'testing/session-driver.js',
)) as typeof import('../../../src/testing/session-driver.js');
export const { runOffline } = (await load(
  'backtest/offline.js',
)) as typeof import('../../../src/backtest/offline.js');
export const { loadJourneys } = (await load(
  'journeys-module.js',
)) as typeof import('../../../src/journeys-module.js');
export const { createWorker, bundleJourneys } = (await load(
  'worker.js',
)) as typeof import('../../../src/worker.js');
export const { ingest } = (await load(
  'ingest/ingest.js',
)) as typeof import('../../../src/ingest/ingest.js');
export const { memoryLedger } = (await load(
  'activities/index.js',
)) as typeof import('../../../src/activities/index.js');
export const { memoryStore, openStore } = (await load(
  'store/index.js',
)) as typeof import('../../../src/store/index.js');
export const { temporalGateway, temporalHandOver } = (await load(
  'ingest/temporal-gateway.js',
)) as typeof import('../../../src/ingest/temporal-gateway.js');
export const { quietTemporal } = (await load(
  'temporal-runtime.js',
)) as typeof import('../../../src/temporal-runtime.js');
export const { loadDataConverter } = (await load(
  'data-converter.js',
)) as typeof import('../../../src/data-converter.js');
export const { startJourneyTest } = (await load(
  'testing/index.js',
)) as typeof import('../../../src/testing/index.js');
export const { backtest } = (await load(
  'backtest/backtest.js',
)) as typeof import('../../../src/backtest/backtest.js');
export const { openKafkaReader } = (await load(
  'ingest/read-kafka.js',
)) as typeof import('../../../src/ingest/read-kafka.js');
export const { loadRules } = (await load(
  'backtest/rules.js',
)) as typeof import('../../../src/backtest/rules.js');
export const { readTopicRange, topicEnd } = (await load(
  'ingest/read-topic.js',
)) as typeof import('../../../src/ingest/read-topic.js');
export const { LiveJourneys } = (await load(
  'rules/live-journeys.js',
)) as typeof import('../../../src/rules/live-journeys.js');
export const { openRuleStore } = (await load(
  'rule-store/rule-store.js',
)) as typeof import('../../../src/rule-store/rule-store.js');
export const { RuleDiscoverer } = (await load(
  'rule-store/discover.js',
)) as typeof import('../../../src/rule-store/discover.js');
export const { revisionReader } = (await load(
  'rule-store/revision-reader.js',
)) as typeof import('../../../src/rule-store/revision-reader.js');
