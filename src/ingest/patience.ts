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
  const windows = [...byId.values()]
    .flatMap(({ rules }) => rules)
    .flatMap(({ nfa }) => [nfa.windowMs, ...nfa.states.map(({ gapMs }) => gapMs)])
    .filter((window) => window !== null);
  return Math.min(PATIENCE_MAX_MS, Math.floor(Math.min(...windows) * SHARE));
}
