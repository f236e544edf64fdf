// Compiles a pattern to its automaton.
//
// The chain is walked from its end, because a state needs the one behind it (its sink) to point to. A
// stage becomes one state or several: a copy for each repetition it may take, a state that loops, and
// twins that wait without a way on. Which states arise, in which order their transitions stand and
// what guards them is Flink CEP's NFACompiler to the letter, since matches and their order depend on it
// (test/vectors/SEMANTICS.md). What looks odd below is odd there.
//
//   P1. A sink exists before the state that leads to it; a state's transitions are complete before the
//       next one is begun, but for the greedy guards that the stage before it adds.
//   P2. The states of one stage share its name; the first is called as the stage, the others `name:n`. Matches
//       show a stage by what stands before the first colon of its name.
//   P3. No PROCEED leads back to where it came from: the automaton could run on it for ever.

import { MalformedPatternError } from '../errors.js';
import type { AfterMatchSkipStrategy } from '../pattern/after-match-skip.js';
import type { Condition } from '../pattern/condition.js';
import { type GroupNode, malformed, type PatternNode, type StageNode } from '../pattern/pattern.js';
import type { Millis } from '../time.js';
import { agreementIn } from './agreement.js';
import { matchViewOf } from './evaluation.js';
import { both, type Guard, not, TRUE } from './guard.js';
import type { NFA } from './nfa.js';
import type { State, StateTransition, StateType, TransitionAction } from './state.js';

/** The parts of a pattern that the compiler reads. */
export interface CompilablePattern {
  readonly chain: readonly PatternNode[];
  readonly afterMatchSkip: AfterMatchSkipStrategy;
}

/**
 * Compiles a pattern.
 *
 * @throws MalformedPatternError `DUPLICATE_STAGE`, `SKIP_TO_UNKNOWN_STAGE`, `WINDOW_GAP_TOO_LARGE`,
 *   `NOT_FOLLOWED_BY_LAST_WITHOUT_WINDOW`, `PROCEED_CYCLE`, `UNTIL_LEADS_NOWHERE`
 */
export function compile(pattern: CompilablePattern): NFA {
  return new Compiler(pattern).compile();
}

/** A state under construction. */
interface Draft {
  readonly name: string;
  readonly stage: number;
  type: StateType;
  gapMs: Millis | null;
  readonly transitions: { action: TransitionAction; target: Draft; guard: Guard }[];
}

/** Where in the pattern the compiler stands: a node, its neighbours, and the group around it. */
interface Place {
  readonly chain: readonly PatternNode[];
  readonly index: number;
  /** The node behind this one; of the last node of a group, the node behind the group. */
  readonly following: PatternNode | null;
  readonly group: GroupNode | null;
}

class Compiler {
  readonly #pattern: CompilablePattern;
  /** Names that are taken; Flink's final state is one of them. */
  readonly #stages = new Set<string>(['$endState$']);
  readonly #stageNames: string[] = [];
  readonly #conditions: Condition[] = [];
  readonly #drafts: Draft[] = [];
  readonly #usedNames = new Set<string>();
  readonly #stopStates = new Map<string, Draft>();
  /** For greedy loops with until: the sink as it was before the greedy guards, by the sink. */
  readonly #withoutGreed = new Map<Draft, Draft>();
  /** Groups whose later repetitions are being compiled: their head uses the inner contiguity. */
  readonly #repeating = new Set<GroupNode>();
  #windowMs: Millis | null = null;

  constructor(pattern: CompilablePattern) {
    this.#pattern = pattern;
  }

  compile(): NFA {
    const { chain, afterMatchSkip } = this.#pattern;
    const last = chain[chain.length - 1] as PatternNode;
    this.#collectNames(chain);
    this.#checkSkipTarget();

    const end = this.#draft('$end', -1, 'FINAL');
    this.#windowMs = last.windows.FIRST_AND_LAST ?? null;
    const first = this.#middle(
      { chain, index: chain.length - 1, following: null, group: null },
      end,
    );
    const start = this.#convert(first.place, first.sink);
    start.type = 'START';

    this.#checkGaps();
    if (last.edge === 'NOT_FOLLOW' && !this.#windowMs && !last.windows.PREVIOUS_AND_CURRENT) {
      throw malformed(
        'NOT_FOLLOWED_BY_LAST_WITHOUT_WINDOW',
        last,
        'a pattern that ends in notFollowedBy() waits for the end of its window: add within()',
      );
    }
    this.#checkProceedCycles();
    const states = this.#freeze();
    const hasGaps = states.some(({ gapMs }) => gapMs !== null);
    const forks =
      afterMatchSkip.type === 'NO_SKIP' &&
      !this.#conditions.some(({ iterative }) => iterative) &&
      !hasGaps;
    return {
      states,
      start: states[this.#drafts.indexOf(start)] as State,
      stageNames: this.#stageNames,
      conditions: this.#conditions,
      MatchView: matchViewOf(this.#stageNames),
      windowMs: this.#windowMs,
      forks,
      endsByStart: !forks && !hasGaps,
      agreement: agreementIn(this.#conditions, this.#stageNames),
      afterMatchSkip,
      fingerprint: fingerprintOf(states, this.#windowMs),
    };
  }

  // ---- checks of the whole

  #collectNames(chain: readonly PatternNode[]): void {
    for (const node of chain) {
      if (node.kind === 'GROUP') {
        this.#collectNames(node.chain);
        continue;
      }
      if (this.#stages.has(node.name)) {
        throw malformed('DUPLICATE_STAGE', node, 'another stage has the same name: rename one');
      }
      this.#stages.add(node.name);
      const shown = shownName(node.name);
      if (!this.#stageNames.includes(shown)) this.#stageNames.push(shown);
    }
  }

  #checkSkipTarget(): void {
    const { chain, afterMatchSkip: skip } = this.#pattern;
    if (skip.type !== 'SKIP_TO_FIRST' && skip.type !== 'SKIP_TO_LAST') return;
    if (chain.some((node) => node.kind === 'STAGE' && node.name === skip.patternName)) return;
    const inGroup = this.#stages.has(skip.patternName);
    throw new MalformedPatternError(
      'SKIP_TO_UNKNOWN_STAGE',
      `${skip.type} names stage "${skip.patternName}", which ${
        inGroup ? 'is a member of a group: name a stage of the outer chain' : 'the pattern lacks'
      }`,
      { details: { stage: skip.patternName } },
    );
  }

  #checkGaps(): void {
    const whole = this.#windowMs;
    if (whole === null) return;
    for (const { gapMs, stage } of this.#drafts) {
      if (gapMs === null || gapMs <= whole) continue;
      throw new MalformedPatternError(
        'WINDOW_GAP_TOO_LARGE',
        `stage "${this.#stageNames[stage]}": its limit of ${gapMs} ms between neighbours is larger than the window of ${whole} ms over the whole match: make it smaller`,
        { details: { stage: this.#stageNames[stage], gapMs, windowMs: whole } },
      );
    }
  }

  /** P3, by depth-first search. */
  #checkProceedCycles(): void {
    const open = new Set<Draft>();
    const done = new Set<Draft>();
    const visit = (draft: Draft): void => {
      if (done.has(draft)) return;
      if (open.has(draft)) {
        throw this.#proceedCycle(draft, open);
      }
      open.add(draft);
      for (const { action, target } of draft.transitions) if (action === 'PROCEED') visit(target);
      open.delete(draft);
      done.add(draft);
    };
    for (const draft of this.#drafts) visit(draft);
  }

  /** @param path - states that PROCEEDs lead through, and from the last one back to `draft` */
  #proceedCycle(draft: Draft, path: Iterable<Draft>): MalformedPatternError {
    const drafts = [...path];
    const onCycle = drafts.slice(drafts.indexOf(draft)).find(({ stage }) => stage >= 0);
    const stage = this.#stageNames[onCycle?.stage ?? -1] ?? null;
    return new MalformedPatternError(
      'PROCEED_CYCLE',
      `the repeated group around stage "${stage}" can be passed without taking an event, so it would repeat for ever: make one of its stages mandatory`,
      { details: { stage } },
    );
  }

  // ---- the walk

  /** Compiles a chain from `place` back to, but not including, its first node. */
  #middle(place: Place, sink: Draft): { place: Place; sink: Draft } {
    let current = place;
    let lastSink = sink;
    while (current.index > 0) {
      const node = current.chain[current.index] as PatternNode;
      if (node.edge === 'NOT_FOLLOW')
        lastSink = this.#notFollow(current, node as StageNode, lastSink);
      else if (node.edge === 'NOT_NEXT')
        lastSink = this.#notNext(current, node as StageNode, lastSink);
      else lastSink = this.#convert(current, lastSink);
      current = { ...current, index: current.index - 1, following: node };
      // The window of the whole is the smallest of all; that of the very last node was there first.
      const windowMs = (current.chain[current.index] as PatternNode).windows.FIRST_AND_LAST;
      if (windowMs !== undefined && (this.#windowMs === null || windowMs < this.#windowMs)) {
        this.#windowMs = windowMs;
      }
    }
    return { place: current, sink: lastSink };
  }

  /** A last notFollowedBy waits; any other is a guard on the states around it and has no state. */
  #notFollow(place: Place, node: StageNode, sink: Draft): Draft {
    const hasWindow = this.#windowMs !== null || node.windows.PREVIOUS_AND_CURRENT !== undefined;
    if (!hasWindow || sink.type !== 'FINAL') return sink;
    const pending = this.#draftOf(node, 'PENDING', true);
    const fits = this.#take(place, node);
    this.#proceed(pending, this.#stop(node.name, fits), fits);
    this.#ignore(pending, pending, not(fits));
    return pending;
  }

  #notNext(place: Place, node: StageNode, sink: Draft): Draft {
    const state = this.#draftOf(node, 'NORMAL', true);
    const fits = this.#take(place, node);
    const stop = this.#stop(node.name, fits);
    // As the last stage it is decided by the next event, which a PROCEED would not wait for.
    if (sink.type === 'FINAL') this.#ignore(state, sink, not(fits));
    else this.#proceed(state, sink, not(fits));
    this.#proceed(state, stop, fits);
    return state;
  }

  #convert(place: Place, sink: Draft): Draft {
    const node = place.chain[place.index] as PatternNode;
    const { quantifier } = node;
    let state: Draft;
    if (quantifier.kind === 'LOOPING') {
      if (node.kind === 'GROUP') this.#repeating.add(node);
      const loop = this.#loop(place, node, this.#withoutEarlierNots(place, node, sink));
      if (node.kind === 'GROUP') this.#repeating.delete(node);
      state = this.#times(place, node, loop, sink);
    } else if (quantifier.kind === 'TIMES') {
      state = this.#times(place, node, sink, sink);
    } else {
      state = this.#single(place, node, {
        sink,
        proceed: sink,
        take: this.#take(place, node),
        ignore: this.#ignoreGuard(place, node),
        optional: quantifier.optional,
      });
    }
    for (const { name, fits } of this.#earlierNots(place)) {
      this.#proceed(state, this.#stop(name, fits), fits);
    }
    return state;
  }

  #times(place: Place, node: PatternNode, sink: Draft, proceed: Draft): Draft {
    const { from, to } = node.quantifier.times as { from: number; to: number };
    const until = this.#untilOf(node);
    const take = whileNot(until, this.#take(place, node)) as Guard;
    const innerIgnore = whileNot(until, this.#innerIgnoreGuard(place, node));
    if (node.quantifier.greedy && from !== to) {
      if (until) this.#withoutGreed.set(sink, this.#copy(sink));
      addGreed(sink, take);
    }
    if (node.kind === 'GROUP') this.#repeating.add(node);
    let lastSink = sink;
    for (let i = from; i < to; i++) {
      lastSink = this.#single(place, node, {
        sink: lastSink,
        proceed,
        take,
        ignore: innerIgnore,
        optional: true,
      });
      this.#stopBeforeFollowing(place, lastSink);
    }
    for (let i = 1; i < from; i++) {
      lastSink = this.#single(place, node, {
        sink: lastSink,
        proceed: null,
        take,
        ignore: innerIgnore,
        optional: false,
      });
      this.#stopBeforeFollowing(place, lastSink);
    }
    if (node.kind === 'GROUP') this.#repeating.delete(node);
    return this.#single(place, node, {
      sink: lastSink,
      proceed,
      take,
      ignore: this.#ignoreGuard(place, node),
      optional: node.quantifier.optional,
    });
  }

  /** The state behind the mandatory repetitions: takes more, or goes on. */
  #loop(place: Place, node: PatternNode, sink: Draft): Draft {
    if (node.kind === 'GROUP') return this.#loopingGroup(place, node, sink);
    const until = this.#untilOf(node);
    const take = whileNot(until, this.#take(place, node)) as Guard;
    const ignore = whileNot(until, this.#innerIgnoreGuard(place, node));
    const onward = this.#always(place);
    // The first one of the stage has no limit; in the further repetitions of a group it has one.
    const loop = this.#draftOf(node, 'NORMAL', true);
    if (node.quantifier.greedy) {
      if (until) {
        const ungreedy = this.#copy(sink);
        this.#proceed(loop, ungreedy, both(onward, until));
        this.#withoutGreed.set(sink, ungreedy);
      }
      this.#proceed(loop, sink, until ? both(onward, not(until)) : onward);
      addGreed(sink, this.#take(place, node));
    } else {
      this.#proceed(loop, sink, onward);
    }
    this.#addTake(loop, loop, take);
    this.#stopBeforeFollowing(place, loop);
    if (ignore) {
      // What has ignored an event waits in a twin without a way on: that stays with the loop.
      const waiting = this.#draftOf(node, 'NORMAL', false);
      this.#addTake(waiting, loop, take);
      this.#ignore(waiting, waiting, ignore);
      this.#ignore(loop, waiting, ignore);
      this.#stopBeforeFollowing(place, waiting);
    }
    return loop;
  }

  #loopingGroup(place: Place, group: GroupNode, sink: Draft): Draft {
    const again = this.#draft('$group', -1, 'NORMAL');
    // As of a stage's copies: the group's limit holds from the second looping group of the pattern on.
    if (again.name.includes(':')) again.gapMs = group.quantifier.times?.gapMs ?? null;
    const head = this.#members(place, group, again);
    this.#proceed(head, sink, this.#always(place));
    this.#proceed(again, head, this.#always(place));
    return head;
  }

  /** One repetition of a stage or group. */
  #single(
    place: Place,
    node: PatternNode,
    step: {
      sink: Draft;
      /** Where an optional stage goes on to when it is skipped. */
      proceed: Draft | null;
      take: Guard;
      ignore: Guard | null;
      optional: boolean;
    },
  ): Draft {
    if (node.kind === 'GROUP') {
      const head = this.#members(place, node, step.sink);
      if (step.optional) this.#proceed(head, step.proceed as Draft, this.#always(place));
      return head;
    }
    const state = this.#draftOf(node, 'NORMAL', true);
    // Taking an optional stage lifts the notFollowedBy before it, skipping it does not.
    const sink = this.#withoutEarlierNots(place, node, step.sink);
    this.#addTake(state, sink, step.take);
    if (step.optional) {
      const proceed = step.proceed as Draft;
      const onward = this.#always(place);
      const until = node.quantifier.greedy ? this.#untilOf(node) : null;
      if (until) {
        const ungreedy = this.#withoutGreed.get(proceed) ?? this.#nowhere(node);
        this.#proceed(state, ungreedy, both(onward, until));
        this.#proceed(state, proceed, both(onward, not(until)));
      } else {
        this.#proceed(state, proceed, onward);
      }
    }
    if (step.ignore) {
      let waiting = state;
      if (step.optional || this.#headsOptionalGroup(place)) {
        waiting = this.#draftOf(node, 'NORMAL', false);
        this.#addTake(waiting, sink, step.take);
        this.#ignore(waiting, waiting, step.ignore);
        for (const { name, fits } of this.#earlierNots(place)) {
          this.#proceed(waiting, this.#stop(name, fits), fits);
        }
      }
      this.#ignore(state, waiting, step.ignore);
    }
    return state;
  }

  /**
   * Flink looks for the sink without the greedy guards under the name of the sink, and where a notFollowedBy
   * stands before the loop it was kept under that of a copy: the transition gets no target.
   */
  #nowhere(node: StageNode): Draft {
    return this.#draft('$nowhere', this.#stageOf(node.name), 'NOWHERE');
  }

  /** Whether skipping this stage is, at this place, skipping the group that it is the first of. */
  #headsOptionalGroup({ group, index }: Place): boolean {
    return index === 0 && !!group?.quantifier.optional && !this.#repeating.has(group);
  }

  /** The members of a group, once. */
  #members(place: Place, group: GroupNode, sink: Draft): Draft {
    const { chain } = group;
    const first = this.#middle({ ...place, chain, index: chain.length - 1, group }, sink);
    return this.#convert(first.place, first.sink);
  }

  // ---- guards

  #guardOf(condition: Condition | null): Guard {
    if (condition === null) return TRUE;
    let index = this.#conditions.indexOf(condition);
    if (index < 0) index = this.#conditions.push(condition) - 1;
    return { op: 'TEST', condition: index };
  }

  #untilOf(node: PatternNode | null): Guard | null {
    return node?.until ? this.#guardOf(node.until) : null;
  }

  /** True, but for the until of the group around. */
  #always(place: Place): Guard {
    return whileNot(this.#untilOf(place.group), TRUE) as Guard;
  }

  #take(place: Place, node: PatternNode): Guard {
    const own = this.#guardOf(node.kind === 'STAGE' ? node.condition : null);
    return whileNot(this.#untilOf(place.group), own) as Guard;
  }

  /** Which events the first repetition passes over; null for none. */
  #ignoreGuard(place: Place, node: PatternNode): Guard | null {
    let strategy = node.edge;
    if (place.group && place.index === 0) {
      const { group } = place;
      strategy = this.#repeating.has(group) ? group.quantifier.inner : group.edge;
    }
    return this.#ignoreUnder(strategy, place, node);
  }

  /** Which events are passed over between repetitions; null for none. The head of a group has the group's. */
  #innerIgnoreGuard(place: Place, node: PatternNode): Guard | null {
    const { group, index } = place;
    const { inner } = group && index === 0 ? group.quantifier : node.quantifier;
    return this.#ignoreUnder(inner, place, node);
  }

  #ignoreUnder(strategy: string, place: Place, node: PatternNode): Guard | null {
    if (strategy !== 'SKIP_TILL_NEXT' && strategy !== 'SKIP_TILL_ANY') return null;
    const own = this.#guardOf(node.kind === 'STAGE' ? node.condition : null);
    const ignore = strategy === 'SKIP_TILL_ANY' ? TRUE : not(own);
    return whileNot(this.#untilOf(place.group), ignore);
  }

  // ---- NOT stages

  /** The notFollowedBy stages that still hold at this place: those before it, over optional stages. */
  #earlierNots({ chain, index, group }: Place): { name: string; fits: Guard }[] {
    const nots: { name: string; fits: Guard }[] = [];
    for (let i = index - 1; i >= 0; i--) {
      const node = chain[i] as PatternNode;
      if (node.edge === 'NOT_FOLLOW') {
        const { name } = node as StageNode;
        nots.push({ name, fits: this.#take({ chain, index: i, following: null, group }, node) });
      } else if (!node.quantifier.optional) break;
    }
    return nots;
  }

  /** A copy of the sink that is no longer stopped by the NOT stages before an optional stage. */
  #withoutEarlierNots(place: Place, node: PatternNode, sink: Draft): Draft {
    const nots = this.#earlierNots(place);
    if (nots.length === 0 || !node.quantifier.optional) return sink;
    const lifted = new Set(nots.map(({ name }) => this.#stopStates.get(name)));
    const path = new Set<Draft>();
    const copyWithout = (state: Draft): Draft => {
      // P3: this walk would not end either.
      if (path.has(state)) throw this.#proceedCycle(state, path);
      path.add(state);
      const copy = this.#copyBare(state);
      for (const { action, target, guard } of state.transitions) {
        if (target.type === 'NOWHERE') {
          // Flink's copy meets the null pointer that its automaton would meet later.
          throw malformed(
            'UNTIL_LEADS_NOWHERE',
            node,
            `the greedy loop with until() behind it cannot follow a notFollowedBy() and an optional stage: make the loop mandatory, or drop greedy()`,
          );
        }
        if (action !== 'PROCEED') {
          this.#transition(copy, action, target === state ? copy : target, guard);
        } else if (target.type !== 'STOP') {
          this.#proceed(copy, copyWithout(target), guard);
        } else if (!lifted.has(target)) {
          this.#proceed(copy, target, guard);
        }
      }
      path.delete(state);
      return copy;
    };
    return copyWithout(sink);
  }

  /** A notFollowedBy behind a loop also stops the loop itself. */
  #stopBeforeFollowing(place: Place, state: Draft): void {
    const { following } = place;
    if (following?.edge !== 'NOT_FOLLOW') return;
    const fits = this.#take(place, following);
    this.#proceed(state, this.#stop((following as StageNode).name, fits), fits);
  }

  #stop(name: string, fits: Guard): Draft {
    const known = this.#stopStates.get(name);
    if (known) return known;
    const stop = this.#draft(name, this.#stageOf(name), 'STOP');
    this.#addTake(stop, stop, fits);
    this.#stopStates.set(name, stop);
    return stop;
  }

  // ---- states

  #draft(name: string, stage: number, type: StateType): Draft {
    let unique = name;
    for (let i = 0; this.#usedNames.has(unique); i++) unique = `${name}:${i}`;
    this.#usedNames.add(unique);
    const draft: Draft = { name: unique, stage, type, gapMs: null, transitions: [] };
    this.#drafts.push(draft);
    return draft;
  }

  #draftOf(node: StageNode, type: StateType, isStep: boolean): Draft {
    const draft = this.#draft(node.name, this.#stageOf(node.name), type);
    if (!isStep) return draft;
    const { times } = node.quantifier;
    if (times === null) draft.gapMs = node.windows.PREVIOUS_AND_CURRENT ?? null;
    // Flink tells the first-made copy, which is the last one in the pattern, by its plain name.
    else if (draft.name.includes(':')) draft.gapMs = times.gapMs;
    return draft;
  }

  #stageOf(name: string): number {
    return this.#stageNames.indexOf(shownName(name));
  }

  #copyBare(state: Draft): Draft {
    const name = state.stage < 0 ? '$end' : (this.#stageNames[state.stage] as string);
    return this.#draft(name, state.stage, state.type);
  }

  #copy(state: Draft): Draft {
    const copy = this.#copyBare(state);
    for (const { action, target, guard } of state.transitions) {
      this.#transition(copy, action, target === state ? copy : target, guard);
    }
    return copy;
  }

  #transition(from: Draft, action: TransitionAction, target: Draft, guard: Guard): void {
    from.transitions.push({ action, target, guard });
  }

  #addTake(from: Draft, target: Draft, guard: Guard): void {
    this.#transition(from, 'TAKE', target, guard);
  }

  #ignore(from: Draft, target: Draft, guard: Guard): void {
    this.#transition(from, 'IGNORE', target, guard);
  }

  #proceed(from: Draft, target: Draft, guard: Guard): void {
    this.#transition(from, 'PROCEED', target, guard);
  }

  #freeze(): State[] {
    const states = this.#drafts.map(({ name, stage, type, gapMs }, index) => {
      const transitions: StateTransition[] = [];
      return { index, name, stage, type, gapMs, transitions, decision: null, decisions: 0 };
    });
    this.#drafts.forEach((draft, index) => {
      for (const { action, target, guard } of draft.transitions) {
        const to = states[this.#drafts.indexOf(target)] as State;
        states[index]?.transitions.push({ action, target: to, guard });
      }
    });
    return states;
  }
}

/** Flink uses the colon itself, and loses what a stage's name has behind it. */
function shownName(name: string): string {
  return name.split(':', 1)[0] as string;
}

/** The guard, as long as the until condition does not hold; null stays null. */
function whileNot(until: Guard | null, guard: Guard | null): Guard | null {
  return until && guard ? both(not(until), guard) : guard;
}

/** Greedy: what fits the loop may not use any transition of the state behind it. */
function addGreed(sink: Draft, fits: Guard): void {
  for (const transition of sink.transitions) transition.guard = both(transition.guard, not(fits));
}

/** FNV-1a over the structure: enough to tell a snapshot of another pattern. */
function fingerprintOf(states: readonly State[], windowMs: Millis | null): string {
  const text = JSON.stringify([
    windowMs,
    states.map(({ name, type, gapMs, transitions }) => [
      name,
      type,
      gapMs,
      transitions.map(({ action, target, guard }) => [action, target.index, guard]),
    ]),
  ]);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
