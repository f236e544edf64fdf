// What the benchmark's worker bundles: both designs, over the same journeys.

import { compiled } from '../../src/workflows/compiled-journeys.js';
import { createSessionWorkflow } from '../../src/workflows/session.js';
import { createNaiveWorkflow } from './naive.js';

export const session = createSessionWorkflow(compiled);
export const naive = createNaiveWorkflow(compiled);
