// What is allowed and may still be too much: patterns of which one busy key can open more partial matches than
// its limits let it keep (limits.ts). FlinkCEP takes them without a word.

import { formatDuration, hours, type Millis, minutes } from '../time.js';
import type { AfterMatchSkipStrategy } from './after-match-skip.js';
import type { PatternNode } from './pattern.js';
import { isNot } from './quantifier.js';

export interface PatternWarning {
  readonly code: 'UNBOUNDED_LOOP' | 'COMBINATIONS' | 'NO_WINDOW';
  /** The first stage that it is about. */
  readonly stage: string;
  /** The reason, and the remedy behind a colon. */
  readonly message: string;
}

/** The parts of a pattern that warnings are made from. */
export interface WarnablePattern {
  readonly chain: readonly PatternNode[];
  readonly afterMatchSkip: AfterMatchSkipStrategy;
}

/** A loop that ends the pattern opens one partial match for each event: at one a second 5,000 in about this time. */
const LONG_MS: Millis = hours(1);
/** Before another stage each length of the loop stays open too, for each event it may begin with. */
const LONG_INSIDE_MS: Millis = minutes(1);
/** Of the events in the window any three: 32 events are 4,960 combinations. */
const MANY_REPETITIONS = 3;

/**
 * Warns of a pattern that can explode, with the reason, such as: `view` may repeat without limit for 7 days under
 * NO_SKIP.
 *
 * @example warningsOf(begin('view').oneOrMore().followedBy('buy').within(days(7)))
 */
export function warningsOf({ chain, afterMatchSkip }: WarnablePattern): PatternWarning[] {
  const windows = windowsOf(chain);
  const windowMs = windows.length === 0 ? null : Math.min(...windows);
  const duration = windowMs === null ? 'ever' : inWords(windowMs);
  const strategy = afterMatchSkip.type;
  const warnings: PatternWarning[] = [];
  const warn = (
    code: PatternWarning['code'],
    node: PatternNode,
    reason: string,
    remedy: string,
  ) => {
    const stage = stageOf(node);
    warnings.push({ code, stage, message: `\`${stage}\` ${reason}: ${remedy}` });
  };
  const visit = (nodes: readonly PatternNode[], isOuter: boolean): void => {
    for (const [i, node] of nodes.entries()) {
      const { kind, inner, times } = node.quantifier;
      const isLoop = kind === 'LOOPING' && node.until === null;
      const isCombined = kind !== 'SINGLE' && inner === 'SKIP_TILL_ANY';
      const isLast = isOuter && i === nodes.length - 1;
      // What ends with a loop matches at once, and then these discard the rest.
      const isEnded = isLast && ENDING.includes(strategy);
      const longMs = isLast ? LONG_MS : LONG_INSIDE_MS;
      if (isCombined && (kind === 'LOOPING' || (times?.to ?? 0) >= MANY_REPETITIONS)) {
        warn(
          'COMBINATIONS',
          node,
          `allows combinations, so each event that fits multiplies the partial matches for ${duration} under ${strategy}`,
          'drop allowCombinations(), or bound the repetitions with times(from, to)',
        );
      } else if (isLoop && !isEnded && (windowMs === null || windowMs >= longMs)) {
        warn(
          'UNBOUNDED_LOOP',
          node,
          `may repeat without limit for ${duration} under ${strategy}`,
          'bound it with times(from, to), until(), a shorter within() or a skip strategy',
        );
      }
      if (node.kind === 'GROUP') visit(node.chain, false);
    }
  };
  visit(chain, true);
  const any = chain.filter(({ edge }) => edge === 'SKIP_TILL_ANY');
  if (any.length > 1) {
    warn(
      'COMBINATIONS',
      any[1] as PatternNode,
      `stands behind another followedByAny(), so each pair of events that fit stays open for ${duration} under ${strategy}`,
      'use followedBy() for one of them',
    );
  }
  const waiting = windowMs === null ? chain.find(mayWait) : undefined;
  if (waiting !== undefined) {
    warn('NO_WINDOW', waiting, 'may be waited for without end', 'add within()');
  }
  return warnings;
}

const ENDING: readonly string[] = ['SKIP_TO_NEXT', 'SKIP_PAST_LAST_EVENT'];

function windowsOf(chain: readonly PatternNode[]): Millis[] {
  return chain.flatMap((node) => [
    ...(node.windows.FIRST_AND_LAST === undefined ? [] : [node.windows.FIRST_AND_LAST]),
    ...(node.kind === 'GROUP' ? windowsOf(node.chain) : []),
  ]);
}

/** Whether a partial match may pass over any number of events before this stage has its own. */
function mayWait(node: PatternNode, at: number): boolean {
  const { edge, quantifier, windows } = node;
  const isPassedOver = at > 0 && edge !== 'STRICT' && !isNot(edge);
  const isBetween = quantifier.kind !== 'SINGLE' && quantifier.inner !== 'STRICT';
  const isLimited = windows.PREVIOUS_AND_CURRENT !== undefined;
  return (isPassedOver && !isLimited) || (isBetween && quantifier.times?.gapMs === null);
}

function stageOf(node: PatternNode): string {
  return node.kind === 'STAGE' ? node.name : stageOf(node.chain[0] as PatternNode);
}

function inWords(ms: Millis): string {
  return formatDuration(ms).replace(/(\d+) d\b/, (_, count) =>
    count === '1' ? '1 day' : `${count} days`,
  );
}
