// Rules in tables: the store, who finds out what is in force, and what workers are told of it.

export { LiveJourneys } from '../rules/live-journeys.js';
export type { RuleInForce, RuleRevision } from '../rules/revision.js';
export { type DiscovererOptions, type DiscoveryCounters, RuleDiscoverer } from './discover.js';
export type { FlinkTable } from './flink-table.js';
export { revisionReader } from './revision-reader.js';
export { openRuleStore, type RuleEdit, type RuleStore, type StoredRule } from './rule-store.js';
