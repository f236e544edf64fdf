// The version of a worker, for Temporal's worker versioning: options of the worker command.

import type { WorkerDeploymentOptions } from '@temporalio/worker';
import type { Command } from 'commander';
import { CepError } from '../errors.js';

export interface DeploymentFlags {
  readonly deployment?: string;
  readonly buildId?: string;
}

export function addDeploymentOptions(command: Command): Command {
  return command
    .option(
      '--deployment <name>',
      'take part in worker versioning, as a version of this deployment',
    )
    .option('--build-id <id>', 'the version; another one for each change');
}

/**
 * What the flags say for `createWorker()`: sessions stay with the version that began their run. Null without versioning.
 *
 * @throws CepError `SETTING_INVALID`
 */
export function deploymentOptions({
  deployment,
  buildId,
}: DeploymentFlags): WorkerDeploymentOptions | null {
  if (deployment === undefined && buildId === undefined) return null;
  if (!deployment || !buildId) {
    throw new CepError(
      'SETTING_INVALID',
      'a version has a deployment and a build: give both --deployment NAME and --build-id ID, or neither for a worker without a version',
    );
  }
  // The server writes a version as one text, with either of them in between.
  if (/[.:]/.test(deployment)) {
    throw new CepError(
      'SETTING_INVALID',
      `--deployment "${deployment}" must have neither "." nor ":" in it, by the rules of Temporal: rename it`,
    );
  }
  return {
    useWorkerVersioning: true,
    version: { deploymentName: deployment, buildId },
    defaultVersioningBehavior: 'PINNED',
  };
}

/** What a version waits for, in words: nothing comes to it before it is the current one. */
export function howToMakeCurrent({ version }: WorkerDeploymentOptions, namespace: string): string {
  const { deploymentName, buildId } = version;
  const inNamespace = namespace === 'default' ? '' : ` --namespace ${namespace}`;
  return `Version ${buildId} of ${deploymentName}: new sessions come to it once it is the current one, by temporal worker deployment set-current-version --deployment-name ${deploymentName} --build-id ${buildId}${inNamespace}`;
}
