// The workflow that bench/conditions.ts replays: it measures in the sandbox and tells by a sink.

import { proxySinks, type Sinks, workflowInfo } from '@temporalio/workflow';
import { measure, type PairCost } from './conditions-measured.js';

export interface BenchSinks extends Sinks {
  bench: { measured(costs: readonly PairCost[]): void };
}

const { bench } = proxySinks<BenchSinks>();

export async function conditions(): Promise<void> {
  // The workflow's own Date stands still while it runs.
  bench.measured(measure(workflowInfo().unsafe.now));
}
