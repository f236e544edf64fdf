// Bundled only where a test's environment arms a failpoint: ends the worker around continue-as-new.

import { proxySinks, type WorkflowInterceptorsFactory, workflowInfo } from '@temporalio/workflow';
import type { FailpointSinks } from '../failpoints.js';

const { failpoints } = proxySinks<FailpointSinks & Record<string, never>>();

export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [
    {
      execute: (input, next) => {
        if (workflowInfo().continuedFromExecutionRunId) failpoints.hit('continued-as-new');
        return next(input);
      },
    },
  ],
  outbound: [
    {
      continueAsNew: (input, next) => {
        failpoints.hit('continue-as-new');
        return next(input);
      },
    },
  ],
});
