// How long an event that can complete no match may wait for others of its session.

import type { CompiledJourneys } from '../rules/compiled.js';
import { type Millis, seconds } from '../time.js';

const SHARE = 1 / 100;
const PATIENCE_MAX_MS = seconds(30);

/**
 * A hundredth of the shortest window of all rules, because what waits holds back the watermark of all; 30 s at
 * most, and where no rule has a window.
 */
export function patienceOf({ byId }: CompiledJourneys): Millis {
  let shortest = Number.POSITIVE_INFINITY;
  for (const { shortestWindowMs } of byId.values()) {
    shortest = Math.min(shortest, shortestWindowMs ?? shortest);
  }
  return Math.min(PATIENCE_MAX_MS, Math.floor(shortest * SHARE));
}
