// What the benchmark's worker bundles: both designs, over the same journeys, and a way to free memory.

import { book, compiled } from '../../src/workflows/compiled-journeys.js';
import { createSessionWorkflow } from '../../src/workflows/session.js';
import { createNaiveWorkflow } from './naive.js';

export const session = createSessionWorkflow(book);
export const naive = createNaiveWorkflow(compiled);

/** Frees what the workflows' thread holds for nobody. Node must run with --expose-gc. */
export async function collect(): Promise<void> {
  (globalThis as { gc?: () => void }).gc?.();
}
