// The workflow bundle: workflows over a user's journeys, with what is heavy evaluated once per worker.

import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import {
  bundleWorkflowCode,
  type Logger,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { isAnyFailpointArmed } from './failpoints.js';
import { quietLogger } from './temporal-runtime.js';

const ours = (file: string) => fileURLToPath(new URL(file, import.meta.url));
/** Evaluated once per worker, and not for each session. */
const PRELOADED = ['./workflows/compiled-journeys.js', './workflows/session.js'].map(ours);

/**
 * A folder in which compiled modules are kept from one start to the next: a quarter of the CPU for the second bundle. Off by
 * default: what changes below a `node_modules` without a new version there is not seen.
 */
const BUNDLE_CACHE_VARIABLE = 'TEMPORAL_CEP_BUNDLE_CACHE';

export interface BundleOptions {
  /** Path of the journeys module. */
  readonly journeys: string;
  /** Path of the module that exports the workflows. Default: the session workflow. */
  readonly workflows?: string;
  /** Gets the bundler's messages; by default only warnings and errors are shown. */
  readonly logger?: Logger | undefined;
  /** That of the worker: its converters run in the workflow, its codecs do not. */
  readonly dataConverter?: DataConverter | undefined;
}

/** Takes some seconds. */
export async function bundleWorkflows({
  journeys,
  workflows = ours('./workflows/bundle-entry.js'),
  logger = quietLogger,
  dataConverter: { payloadConverterPath, failureConverterPath } = {},
}: BundleOptions): Promise<WorkflowBundleWithSourceMap> {
  const cacheDirectory = process.env[BUNDLE_CACHE_VARIABLE];
  const parts = [workflows, journeys, payloadConverterPath, failureConverterPath];
  const name = createHash('sha256')
    .update(JSON.stringify([...parts, isAnyFailpointArmed]))
    .digest('hex')
    .slice(0, 16);
  const bundling = bundleWorkflowCode({
    workflowsPath: workflows,
    ...(isAnyFailpointArmed
      ? { workflowInterceptorModules: [ours('./workflows/failpoint-interceptor.js')] }
      : {}),
    ...(payloadConverterPath ? { payloadConverterPath } : {}),
    ...(failureConverterPath ? { failureConverterPath } : {}),
    preloadModules: PRELOADED,
    webpackConfigHook: (config) => ({
      ...config,
      ...(cacheDirectory ? { cache: { type: 'filesystem', cacheDirectory, name } } : {}),
      module: {
        ...config.module,
        // Nothing uses what these export where they are preloaded: webpack would leave that out, as our package says
        // that its modules have no side effects.
        rules: [...(config.module?.rules ?? []), { include: PRELOADED, sideEffects: true }],
      },
      resolve: {
        ...config.resolve,
        alias: { ...config.resolve?.alias, 'temporal-cep-bundled-journeys$': journeys },
      },
    }),
    logger,
  });
  try {
    return await bundling;
  } catch (error) {
    // Modules that no workflow may import are found as they are compiled: the next start must find them again.
    if (cacheDirectory) rmSync(join(cacheDirectory, name), { recursive: true, force: true });
    throw error;
  }
}
