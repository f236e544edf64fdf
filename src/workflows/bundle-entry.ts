// What the worker bundles: its exports are the workflow types.

import { book } from './compiled-journeys.js';
import { createSessionWorkflow } from './session.js';

export { effect } from './effect.js';
export const session = createSessionWorkflow(book);
