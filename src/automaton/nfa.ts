import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip.js';
import type { Condition } from '../pattern/condition.js';
import type { Millis } from '../time.js';
import type { FirstAgreement } from './agreement.js';
import type { MatchView } from './evaluation.js';
import type { State } from './state.js';

/** A compiled pattern. */
export interface NFA {
  readonly states: readonly State[];
  readonly start: State;
  /**
   * The stages' names as matches show them (what stands before a first colon), each once, in pattern order;
   * NOT stages and members of groups are among them.
   */
  readonly stageNames: readonly string[];
  readonly conditions: readonly Condition[];
  /** Class of the objects that show conditions the match so far. */
  readonly MatchView: MatchView;
  /** Length of the window over the whole match; null for none. */
  readonly windowMs: Millis | null;
  /** Whether partial matches of one state are one, see automaton.ts, A5. */
  readonly forks: boolean;
  /**
   * Whether partial matches end in the order in which they began: no limit between neighbours ends one earlier, and
   * each is one list.
   */
  readonly endsByStart: boolean;
  /** What conditions want an event to have in common with the first one of a match; null for nothing. */
  readonly agreement: FirstAgreement | null;
  readonly afterMatchSkip: AfterMatchSkipStrategy;
  /** Changes when the states do: a snapshot fits only the automaton it was made with. */
  readonly fingerprint: string;
}
