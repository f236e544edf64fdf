// Which version of the worker runs a session, under Temporal's worker versioning.
//
//   V1. A run stays with the version that began it: its history is replayed by the code that wrote it.
//   V2. The next run begins on the version that is current then, with the state as a snapshot.
//   V3. A run that isn't full ends early when the server says that another version is current, or when an
//       operator asks for it. Servers before 1.30 don't say it.

import {
  defineSignal,
  makeContinueAsNewFunc,
  setHandler,
  type Workflow,
  workflowInfo,
} from '@temporalio/workflow';
import { CONTINUE_SIGNAL } from './messages.js';

export const continueSignal = defineSignal(CONTINUE_SIGNAL);

/** V3, for one run. */
export class NextRun {
  #isAsked = false;
  /** A run that begins on an outdated version is held there by an operator's override: the next would be, too. */
  readonly #isHeld = workflowInfo().targetWorkerDeploymentVersionChanged;

  constructor() {
    setHandler(continueSignal, () => {
      this.#isAsked = true;
    });
  }

  /** Whether this run should end for the next one, however little it has done. */
  get isDue(): boolean {
    const { targetWorkerDeploymentVersionChanged: isOutdated } = workflowInfo();
    return this.#isAsked || (isOutdated && !this.#isHeld);
  }
}

/** V2. Ends this run, and has the next one begin on the current version. */
export function continueOnCurrentVersion<W extends Workflow>(
  ...args: Parameters<W>
): Promise<never> {
  unpin();
  return makeContinueAsNewFunc<W>({ initialVersioningBehavior: 'AUTO_UPGRADE' })(...args);
}

/**
 * Lets go of this run's version in its last task. Servers before 1.30 don't know `initialVersioningBehavior`: there
 * the next run inherits the version of a run that is pinned when it ends. What a run is, each of its tasks says
 * anew; the SDK says it from this field, and has no public way to change it. It is no part of history.
 */
function unpin(): void {
  if (!workflowInfo().currentDeploymentVersion?.deploymentName) return;
  const { __TEMPORAL_ACTIVATOR__: activator } = globalThis as {
    __TEMPORAL_ACTIVATOR__?: { versioningBehavior?: string };
  };
  if (activator) activator.versioningBehavior = 'AUTO_UPGRADE';
}
