import { coordinates } from '../event.js';
import type { State } from './state.js';
import type { Taken } from './taken.js';

// A look-up of a global is dear in the workflow sandbox.
const { imul } = Math;

/**
 * Names a partial match by its state and the coordinates of the events in it: 53 bits, which tell those of one rule and
 * key apart. Of two that are equal in both, one is as good as the other.
 */
export function openMatchId(state: State, taken: readonly Taken[]): string {
  const events = taken.map(({ stage, event }) => `${stage} ${coordinates(event)}`);
  return hash53(`${state.index}\n${events.join('\n')}`)
    .toString(36)
    .padStart(11, '0');
}

/** cyrb53 by bryc (public domain): a good spread for little work. SHA-256 over thousands of lists takes too long. */
function hash53(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = imul(high ^ unit, 0x9e3779b1);
    low = imul(low ^ unit, 0x5f356495);
  }
  high = imul(high ^ (high >>> 16), 0x85ebca6b) ^ imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = imul(low ^ (low >>> 16), 0x85ebca6b) ^ imul(high ^ (high >>> 13), 0xc2b2ae35);
  return 0x100000000 * (0x1fffff & low) + (high >>> 0);
}
