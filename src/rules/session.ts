// Session: all rules of a journey over the events of one key. A fold: it is given events and watermarks
// and answers with alerts; it knows no clock, no queue and no Temporal. The workflow, the offline run
// and the tests are its drivers.
//
//   S1. Every rule sees every event, in event-time order.
//   S2. A rule that fails (as Flink's job would) loses its open matches, is named and counted, and goes
//       on with the next event; the other rules do not notice.
//   S3. The same events and watermarks give the same alerts with the same ids, however the watermarks
//       are spaced, unless more events wait than may.
//   S4. Rules may change between two events. An event that waits for the watermark is matched by the rules that are
//       in force when its time comes. A rule that is no longer in force brings nothing more forth.

import { assert } from '../assert.js';
import { explainNow, type NowExplanation } from '../automaton/explain-now.js';
import { jsonBytes } from '../automaton/limits.js';
import type { OpenMatch } from '../automaton/operator.js';
import {
  CepOperator,
  type OperatorOptions,
  type OperatorOutput,
  type OperatorSnapshot,
} from '../automaton/operator.js';
import { withoutBegin } from '../automaton/retire.js';
import { openCountOf } from '../automaton/snapshot.js';
import { CepError, messageOf } from '../errors.js';
import type { CepEvent } from '../event.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';
import { type AlertOrigin, outputKey, type PlannedAlert, planAlert } from './alert.js';
import type { CompiledJourney, CompiledRule } from './compiled.js';
import { isBefore, type RuleInForce } from './revision.js';
import { EventTable, unpack } from './shared-events.js';

// A look-up of a global is dear in the workflow sandbox.
const { max, min } = Math;

/** What one rule has done so far in a session. */
export interface RuleCounts {
  matches: number;
  timeouts: number;
  /** Conditions, `when`s and messages that threw. */
  errors: number;
  /** Times that the rule failed and lost its open matches. */
  failures: number;
  /** Partial matches that were dropped at a limit. */
  dropped: number;
}

const NO_COUNTS: Readonly<RuleCounts> = newCounts();

/** For each rule of each session: to copy is dearer. */
function newCounts(): RuleCounts {
  return { matches: 0, timeouts: 0, errors: 0, failures: 0, dropped: 0 };
}

const NOTHING: readonly never[] = [];

const COUNTS = Object.keys(NO_COUNTS) as (keyof RuleCounts)[];

/** Adds a rule's counts to those that are known under an id. */
export function addCounts(sums: Map<string, RuleCounts>, id: string, counts: RuleCounts): void {
  const sum = sums.get(id) ?? { ...NO_COUNTS };
  for (const name of COUNTS) sum[name] += counts[name];
  sums.set(id, sum);
}

/** What became of an event that was brought to a session. */
export type Acceptance =
  | 'TAKEN'
  /** Event time had passed it. */
  | 'LATE'
  /** As many events as may wait for the watermark did so already; those are refused with it. */
  | 'REFUSED';

/** What is told of a session while it goes on. Whoever listens must change nothing. */
export interface SessionObserver {
  /** Stages of a rule have taken an event. */
  took(rule: string, event: CepEvent, stages: readonly string[]): void;
  /** A match or a timeout of a rule. */
  found(rule: string, found: OperatorOutput[number]): void;
  /** Partial matches of a rule were dropped at a limit, or because the rule failed. */
  dropped(rule: string, count: number, why: string): void;
}

/** Told of each match and timeout of a step that the rule says something about, with a number that tells equal ones apart. May throw, as messages do. */
export type Tell = (origin: AlertOrigin, found: OperatorOutput[number], ordinal: number) => void;

interface RuleRun {
  compiled: CompiledRule;
  operator: CepOperator;
  /** Shared by all texts of a rule. */
  readonly counts: RuleCounts;
  /** Of the last failure or error. */
  lastError: string | null;
  /** A text that is no longer in force: what it has open goes on, and nothing begins. */
  isRetiring: boolean;
}

/** A session's rules as JSON. */
export interface SessionRulesSnapshot {
  readonly watermark: Timestamp;
  /** All that some rule holds, each once. */
  readonly events: readonly CepEvent[];
  readonly rules: Readonly<
    Record<
      string,
      {
        readonly hash: string;
        /** With rows of `events` in place of events. */
        readonly operator: OperatorSnapshot<number>;
        readonly counts: RuleCounts;
        readonly lastError: string | null;
      }
    >
  >;
  /** Former texts of rules that still have matches open. */
  readonly retiring?: readonly {
    readonly inForce: RuleInForce;
    readonly operator: OperatorSnapshot<number>;
    readonly lastError: string | null;
  }[];
}

/** What a backtest has left open of a rule, for a session that is to go on with it. */
export interface HandedOver {
  /** Id of the hand-over. */
  readonly handOver: string;
  readonly rule: string;
  /** Of the rule as it was run. */
  readonly hash: string;
  readonly events: readonly CepEvent[];
  /** With rows of `events` in place of events. */
  readonly operator: OperatorSnapshot<number>;
}

/** What a snapshot has of one rule's operator; undefined where it has no such rule. */
export function operatorOf(
  { rules, events }: SessionRulesSnapshot,
  rule: string,
): OperatorSnapshot | undefined {
  const known = Object.hasOwn(rules, rule) ? rules[rule] : undefined;
  return known && unpack(known.operator, events);
}

/** Open matches that could not be taken over. */
export interface LostMatches {
  readonly rule: string;
  readonly partialMatches: number;
  readonly why: 'RULE_CHANGED' | 'RULE_REMOVED';
}

/** A rule's part of a session, for people. */
export interface RuleView {
  readonly rule: string;
  readonly version: number;
  /** Whether it is a former text of the rule, which only ends what it has open. */
  readonly isRetiring?: true;
  /** Whether what it finds is recorded only. */
  readonly isShadow?: true;
  readonly description: string | null;
  /** The oldest open matches; all of them unless fewer were asked for. */
  readonly open: readonly OpenMatch[];
  /** How many are open. */
  readonly openCount: number;
  readonly nextDeadline: Timestamp | null;
  readonly counts: Readonly<RuleCounts>;
  readonly lastError: string | null;
}

export class Session {
  #journey: CompiledJourney;
  readonly #key: string;
  #runs: RuleRun[];
  /**
   * An event that waits alone, as most do where event time follows closely: it need not lie in every operator's buffer. Whoever
   * looks at the rules from outside has it put there first.
   */
  #next: CepEvent | null = null;
  readonly #observer: SessionObserver | null;
  #watermark: Timestamp;
  /** Whether a rule has been handed over that is not as far as the session. */
  #isBehind = false;
  /** What the rules of its snapshot held open and those of today can't go on with. */
  readonly lost: readonly LostMatches[];

  /**
   * @param snapshot - to go on from. A rule whose hash has changed since begins afresh; what it held open counts as
   *   dropped
   * @param observer - who is told what happens; nobody by default
   * @param compile - reads the former texts of rules in a snapshot
   */
  constructor(
    journey: CompiledJourney,
    key: string,
    snapshot?: SessionRulesSnapshot,
    observer: SessionObserver | null = null,
    compile?: (inForce: RuleInForce) => CompiledRule,
  ) {
    this.#journey = journey;
    this.#key = key;
    this.#observer = observer;
    this.#watermark = snapshot?.watermark ?? MIN_TIMESTAMP;
    this.lost = snapshot ? lostOf(journey, snapshot) : NOTHING;
    this.#runs = journey.rules.map((compiled): RuleRun => {
      const { id } = compiled.rule;
      const known = snapshot && Object.hasOwn(snapshot.rules, id) ? snapshot.rules[id] : undefined;
      const same = known?.hash === compiled.hash ? known : undefined;
      const lost = this.lost.find(({ rule }) => rule === id)?.partialMatches ?? 0;
      const counts = known ? { ...NO_COUNTS, ...known.counts } : newCounts();
      counts.dropped += lost;
      return {
        compiled,
        operator:
          snapshot && same
            ? new CepOperator(
                compiled.nfa,
                operatorOptions(compiled, observer),
                unpack(same.operator, snapshot.events),
              )
            : freshOperator(compiled, this.#watermark, observer),
        counts,
        lastError:
          lost > 0 ? `the rule changed while it had ${lost} open` : (known?.lastError ?? null),
        isRetiring: false,
      };
    });
    for (const { inForce, operator, lastError } of snapshot?.retiring ?? []) {
      assert(compile !== undefined, 'who reads a snapshot with former rules can read those');
      const compiled = retired(compile(inForce));
      const { events } = snapshot as SessionRulesSnapshot;
      this.#runs.push({
        compiled,
        operator: this.#operator(compiled, unpack(operator, events)),
        counts: this.#countsOf(compiled.rule.id) ?? { ...NO_COUNTS },
        lastError,
        isRetiring: true,
      });
    }
  }

  #operator(compiled: CompiledRule, snapshot: OperatorSnapshot): CepOperator {
    return new CepOperator(compiled.nfa, operatorOptions(compiled, this.#observer), snapshot);
  }

  /**
   * Takes up other rules: S4. A rule of the same hash goes on as it is. Of one with another text what is open is finished or
   * dropped, as the new one says; of one that is not there any more it is dropped. One that a hand-over begins goes on with what
   * is handed over, from the next `advance` on.
   *
   * @param handedOver - for rules that begin with the journey, or later
   * @returns what was dropped of rules that are not there any more
   */
  change(journey: CompiledJourney, handedOver: readonly HandedOver[] = []): LostMatches[] {
    const { waiting } = this;
    const before = this.#rules;
    this.#journey = journey;
    const current = journey.rules.map((compiled): RuleRun => {
      const same = before.find((run) => run.compiled.hash === compiled.hash);
      if (same && !same.isRetiring) return Object.assign(same, { compiled });
      const counts = this.#countsOf(compiled.rule.id);
      const open = handedOver.find((each) => isFor(each, compiled));
      const operator = open
        ? this.#operator(compiled, unpack(open.operator, open.events))
        : same
          ? this.#operator(compiled, same.operator.snapshot())
          : freshOperator(compiled, this.#watermark, this.#observer);
      for (const event of waiting) {
        if (!isHistory(compiled, event)) operator.processElement(event);
      }
      const lastError = same?.lastError ?? null;
      return {
        compiled,
        operator,
        counts: counts ?? { ...NO_COUNTS },
        lastError,
        isRetiring: false,
      };
    });
    const hashes = new Set(current.map(({ compiled }) => compiled.hash));
    const former = before.filter(({ compiled }) => !hashes.has(compiled.hash));
    const ids = new Set(current.map((run) => run.compiled.rule.id));
    const lost = former
      .filter((run) => !ids.has(run.compiled.rule.id) && run.operator.openCount > 0)
      .map(({ compiled, operator }): LostMatches => {
        const { openCount: partialMatches } = operator;
        return { rule: compiled.rule.id, partialMatches, why: 'RULE_REMOVED' };
      });
    this.#runs = [...current, ...former.filter((run) => this.#retires(run, journey))];
    this.#isBehind = current.some(({ operator }) => operator.watermark < this.#watermark);
    return lost;
  }

  /** Whether what is open of a former text goes on; else it is dropped. */
  #retires(run: RuleRun, { rules }: CompiledJourney): boolean {
    const { operator, compiled } = run;
    const { id } = compiled.rule;
    const next = rules.find(({ rule }) => rule.id === id);
    const isFinished = next !== undefined && (next.inForce?.onChange ?? 'finish') === 'finish';
    if (isFinished && compiled.inForce) {
      if (run.isRetiring) return true;
      operator.discardBuffered();
      run.compiled = retired(compiled);
      run.operator = this.#operator(run.compiled, operator.snapshot());
      run.isRetiring = true;
      return !run.operator.isIdle;
    }
    this.#drops(run, operator.openCount, next ? 'the rule has changed' : 'the rule is off');
    return false;
  }

  get watermark(): Timestamp {
    return this.#watermark;
  }

  /** The rules, with all that waits in their operators. */
  get #rules(): RuleRun[] {
    if (this.#next !== null) {
      const event = this.#next;
      this.#next = null;
      this.#distribute(event);
    }
    return this.#runs;
  }

  /** Whether no rule has an open match or a buffered event. */
  get isIdle(): boolean {
    return this.#rules.every(({ operator }) => operator.isIdle);
  }

  /** The earliest time at which a watermark alone would change anything; null for never. */
  get nextDeadline(): Timestamp | null {
    let next: Timestamp = MAX_TIMESTAMP;
    for (const { operator } of this.#rules) {
      const deadline = operator.nextDeadline;
      if (deadline !== null && deadline < next) next = deadline;
    }
    return next < MAX_TIMESTAMP ? next : null;
  }

  /**
   * When a watermark alone should be brought to it: when that brings an alert forth, or, where none would, when all is
   * over. Null for never.
   */
  get wakesAt(): Timestamp | null {
    let next: Timestamp = MAX_TIMESTAMP;
    let last: Timestamp = MIN_TIMESTAMP;
    for (const { operator, compiled } of this.#rules) {
      next = min(next, operator.nextResult(tellsTimeouts(compiled)) ?? MAX_TIMESTAMP);
      last = max(last, operator.lastDeadline ?? MIN_TIMESTAMP);
    }
    if (next < MAX_TIMESTAMP) return next;
    return last > this.#watermark ? last : null;
  }

  /** Coordinates-free test for repeats: the ids of the events that some rule still holds. */
  heldIds(): Set<string> {
    const ids = new Set<string>();
    for (const { operator } of this.#rules) {
      for (const { id, source } of operator.heldEvents()) {
        if (id !== undefined) ids.add(repeatKey(source, id));
      }
    }
    return ids;
  }

  /**
   * Takes an event in, for all rules or for none. Where too many wait already, they and the event are refused,
   * and what is open is lost: to match on without those that are missing would make up what never was.
   *
   * @param refused - where refused events go
   * @param hasRoom - whether another one may wait, as far as whoever asks is concerned
   */
  accept(event: CepEvent, refused: CepEvent[] = [], hasRoom = true): Acceptance {
    if (event.timestamp <= this.#watermark) return 'LATE';
    if (hasRoom && this.#next === null && this.#runs.every(hasNoneWaiting)) {
      this.#next = event;
      return 'TAKEN';
    }
    if (!hasRoom || this.#rules.some(({ operator }) => operator.isFull)) {
      refused.push(...this.refuseWaiting(), event);
      return 'REFUSED';
    }
    this.#distribute(event);
    return 'TAKEN';
  }

  #distribute(event: CepEvent): void {
    for (const run of this.#runs) this.#give(run, event);
  }

  #give({ operator, compiled }: RuleRun, event: CepEvent): void {
    if (isHistory(compiled, event)) return;
    const taken = operator.processElement(event);
    assert(
      taken || compiled.inForce?.start !== undefined,
      'a rule is never ahead of its session, unless a backtest brought it there',
    );
  }

  /** Gives up the events that wait, and what is open with them. @returns those events */
  refuseWaiting(): readonly CepEvent[] {
    const { waiting } = this;
    for (const run of this.#rules) this.#overflow(run);
    return waiting;
  }

  #overflow(run: RuleRun): void {
    const { counts, operator, compiled } = run;
    counts.failures++;
    run.lastError = `${operator.buffered.length} events waited for the watermark, and there was no room for more`;
    this.#drops(run, operator.openCount, run.lastError);
    run.operator = freshOperator(compiled, this.#watermark, this.#observer);
  }

  #drops({ counts, compiled }: RuleRun, count: number, why: string | null): void {
    if (count === 0) return;
    counts.dropped += count;
    if (why !== null) this.#observer?.dropped(compiled.rule.id, count, why);
  }

  /** Lets event time reach `watermark`; one that is not ahead changes nothing. */
  advance(watermark: Timestamp): PlannedAlert[] {
    const alerts: PlannedAlert[] = [];
    this.advanceTelling(watermark, planning(alerts));
    return alerts;
  }

  /** The same, for those who want something else than alerts. */
  advanceTelling(watermark: Timestamp, tell: Tell): void {
    if (watermark <= this.#watermark && !this.#isBehind) return;
    this.#watermark = max(watermark, this.#watermark);
    const isDue = this.#next !== null && this.#next.timestamp <= this.#watermark;
    const event = isDue ? this.#next : null;
    if (isDue) this.#next = null;
    for (const run of this.#runs) {
      if (event !== null) this.#process(run, event, tell);
      this.#advanceRule(run, this.#watermark, tell);
    }
    this.#isBehind = false;
    if (this.#runs.some(isDone)) this.#runs = this.#runs.filter((run) => !isDone(run));
  }

  /** Brings a rule to an event that waited alone, and lets it take it: as if it had waited in its operator. */
  #process(run: RuleRun, event: CepEvent, tell: Tell): void {
    const { timestamp } = event;
    if (!run.operator.takesAtOnce || timestamp <= run.operator.watermark) {
      this.#give(run, event);
      return;
    }
    if (isHistory(run.compiled, event)) return;
    this.#advanceRule(run, timestamp - 1, tell);
    this.#act(run, timestamp, tell, taking, event);
  }

  /**
   * S3: one deadline after the other, because a match that is released discards others, and they must
   * not have timed out before. Under `flink` several are handled at once, as Flink does.
   */
  #advanceRule(run: RuleRun, watermark: Timestamp, tell: Tell): void {
    while (run.operator.watermark < watermark) {
      if (run.operator.skipTo(watermark)) return;
      const step = run.operator.nextStep(watermark);
      this.#act(run, step, tell, advancing, step);
    }
  }

  /**
   * S2. Lets an operator do something, and tells what comes out.
   *
   * @param act - given the argument too, so that none has to be made for each event
   * @param why - partial matches are dropped by it; null where whoever asked for it knows
   */
  #act<A>(
    run: RuleRun,
    watermark: Timestamp,
    tell: Tell,
    act: Act<A>,
    argument: A,
    why: string | null = 'a limit was reached',
  ): void {
    const { compiled, counts, operator } = run;
    const output: OperatorOutput = [];
    const { conditionErrors, dropped } = operator;
    let lost = 0;
    try {
      act(operator, output, argument);
    } catch (error) {
      if (!(error instanceof CepError)) throw error;
      counts.failures++;
      if (error.code === 'STATE_LIMIT') lost = operator.openCount;
      run.lastError = messageOf(error);
      run.operator = replacementOf(operator, compiled, watermark, this.#observer);
    }
    counts.errors += operator.conditionErrors - conditionErrors;
    this.#drops(run, lost, run.lastError);
    this.#drops(run, operator.dropped - dropped, why);
    if (output.length > 0) this.#tellAll(run, output, tell);
  }

  #tellAll(run: RuleRun, output: OperatorOutput, tell: Tell): void {
    const { compiled, counts } = run;
    const { rule } = compiled;
    let ordinals: number[] | null | undefined;
    for (let i = 0; i < output.length; i++) {
      const found = output[i] as OperatorOutput[number];
      const isMatch = found.type === 'match';
      if (isMatch) counts.matches++;
      else counts.timeouts++;
      this.#observer?.found(rule.id, found);
      // Of most timeouts nobody wants to hear.
      if (!(isMatch ? rule.onMatch : rule.onTimeout)) continue;
      if (ordinals === undefined) ordinals = ordinalsOf(output);
      this.#tell(run, found, ordinals?.[i] ?? 0, tell);
    }
  }

  #tell(run: RuleRun, found: OperatorOutput[number], ordinal: number, tell: Tell): void {
    const { rule, hash, inForce } = run.compiled;
    const isShadow = inForce?.mode === 'shadow';
    const journey = this.#journey.journey.id;
    const origin = { journey, key: this.#key, rule, ruleHash: hash, isShadow };
    try {
      tell(origin, found, ordinal);
    } catch (error) {
      run.counts.errors++;
      run.lastError = `${found.type} without alert: ${messageOf(error)}`;
    }
  }

  /**
   * Begins event time anew, after the end of the stream so far: what follows is another stream.
   * Nothing may be open.
   */
  restart(): void {
    assert(this.isIdle, 'only an idle session begins anew');
    this.#watermark = MIN_TIMESTAMP;
    for (const run of this.#rules) {
      run.operator = freshOperator(run.compiled, MIN_TIMESTAMP, this.#observer);
    }
  }

  // ---- what people do to it

  /** Whether the rule has a partial match of this id open. */
  has(rule: string, id: string): boolean {
    return this.#rules.some((run) => run.compiled.rule.id === rule && run.operator.has(id));
  }

  /**
   * Drops the partial match of an id, or all of a rule, or all there are: they give no timeout.
   *
   * @param which - null for all
   * @returns how many were dropped, and alerts of finished matches that only those held back
   */
  drop(
    rule: string | null,
    which: string | null = null,
  ): { dropped: number; alerts: PlannedAlert[] } {
    const alerts: PlannedAlert[] = [];
    let dropped = 0;
    for (const run of this.#rules) {
      if (rule !== null && run.compiled.rule.id !== rule) continue;
      const { counts } = run;
      const before = counts.dropped;
      this.#act(run, this.#watermark, planning(alerts), dropping, which, null);
      dropped += counts.dropped - before;
    }
    return { dropped, alerts };
  }

  /** Gives up the events that wait for the watermark. @returns those, each once */
  discardWaiting(): CepEvent[] {
    return [...new Set(this.#rules.flatMap(({ operator }) => operator.discardBuffered()))];
  }

  /** The events that wait for the watermark, each once. */
  get waiting(): readonly CepEvent[] {
    return [...new Set(this.#rules.flatMap(({ operator }) => operator.buffered))];
  }

  #countsOf(id: string): RuleCounts | undefined {
    return this.#rules.find(({ compiled }) => compiled.rule.id === id)?.counts;
  }

  /** What is open of each rule, and what its conditions say to the last events. Changes nothing. */
  explain(recent: readonly CepEvent[]): (NowExplanation & { rule: string; openCount: number })[] {
    return this.#rules.map(({ compiled, operator }) => ({
      rule: compiled.rule.id,
      openCount: operator.openCount,
      ...explainNow(compiled.nfa, operator.snapshot(), recent),
    }));
  }

  /** What each rule has done so far. */
  counts(): { rule: string; counts: Readonly<RuleCounts> }[] {
    return this.#rules.map(({ compiled, counts }) => ({ rule: compiled.rule.id, counts }));
  }

  // ---- for people

  /**
   * What each rule is about, for queries and the Temporal UI.
   *
   * @param openMax - greatest number of open matches to show per rule; all by default
   * @param options.named - open matches with their ids. Default false
   */
  view(openMax = Number.POSITIVE_INFINITY, options: { named?: boolean } = {}): RuleView[] {
    return this.#rules.map(({ compiled, operator, counts, lastError, isRetiring }) => ({
      rule: compiled.rule.id,
      version: compiled.rule.version ?? 1,
      ...(isRetiring && { isRetiring }),
      ...(compiled.inForce?.mode === 'shadow' && { isShadow: true }),
      description: compiled.rule.description ?? null,
      open: operator.openMatches(openMax, options),
      openCount: operator.openCount,
      nextDeadline: operator.nextDeadline,
      counts,
      lastError,
    }));
  }

  /** Ids of the rules for which it {@link wakesAt} this time. */
  rulesDueAt(time: Timestamp): string[] {
    return this.#rules
      .filter(({ operator, compiled }) =>
        [operator.nextResult(tellsTimeouts(compiled)), operator.lastDeadline].includes(time),
      )
      .map(({ compiled }) => compiled.rule.id);
  }

  /** Ids of the rules with an open match. */
  rulesInProgress(): string[] {
    return this.#rules.filter(({ operator }) => !operator.isIdle).map((r) => r.compiled.rule.id);
  }

  /** Each rule in progress with the stages in which its open matches stand. */
  stagesInProgress(): { rule: string; stages: string[] }[] {
    return this.#rules
      .map(({ compiled, operator }) => ({ rule: compiled.rule.id, stages: operator.openStages }))
      .filter(({ stages }) => stages.length > 0);
  }

  snapshot(): SessionRulesSnapshot {
    const table = new EventTable();
    const of = (isRetiring: boolean) => this.#rules.filter((run) => run.isRetiring === isRetiring);
    const rules = of(false).map(({ compiled, operator, counts, lastError }) => {
      const packed = table.pack(operator.snapshot());
      const rule = { hash: compiled.hash, operator: packed, counts: { ...counts }, lastError };
      return [compiled.rule.id, rule];
    });
    const retiring = of(true).map(({ compiled, operator, lastError }) => ({
      inForce: compiled.inForce as RuleInForce,
      operator: table.pack(operator.snapshot()),
      lastError,
    }));
    return {
      watermark: this.#watermark,
      events: table.events,
      rules: Object.fromEntries(rules),
      ...(retiring.length > 0 && { retiring }),
    };
  }

  /** What is open, rule by rule, for sessions that are to go on with it. */
  handOver(id: string): HandedOver[] {
    return this.#rules
      .filter(({ operator }) => !operator.isIdle)
      .map(({ compiled, operator }) => {
        const table = new EventTable();
        const packed = table.pack(operator.snapshot());
        const { rule, hash } = compiled;
        return { handOver: id, rule: rule.id, hash, events: table.events, operator: packed };
      });
  }

  /**
   * Drops of what is open until the snapshot has no more than so many bytes as JSON, of the largest rule first. What
   * waits for the watermark stays.
   *
   * @returns alerts of finished matches that only those dropped held back
   */
  shrink(bytes: number): PlannedAlert[] {
    const alerts: PlannedAlert[] = [];
    while (jsonBytes(this.snapshot()) > bytes) {
      const sizes = this.#rules
        .filter(({ operator }) => operator.openCount > 0)
        .map((run) => ({ run, size: jsonBytes(run.operator.snapshot().matches) }));
      const largest = sizes.sort((a, b) => b.size - a.size)[0];
      if (!largest) break;
      this.#act(largest.run, this.#watermark, planning(alerts), shrinking, bytes);
    }
    return alerts;
  }
}

type Act<A> = (operator: CepOperator, output: OperatorOutput, argument: A) => void;

const taking: Act<CepEvent> = (operator, output, event) => operator.process(event, output);
const advancing: Act<Timestamp> = (operator, output, watermark) => {
  operator.advanceWatermark(watermark, output);
};
const dropping: Act<string | null> = (operator, output, which) => {
  operator.drop(which, output);
};
const shrinking: Act<number> = (operator, output, bytes) => {
  operator.shrink(1 / 4, `${bytes} bytes for all rules`, output);
};

function hasNoneWaiting({ operator }: RuleRun): boolean {
  return operator.buffered.length === 0;
}

function planning(alerts: PlannedAlert[]): Tell {
  return (origin, found, ordinal) => {
    const planned = planAlert(origin, found, ordinal);
    if (planned) alerts.push(planned);
  };
}

function lostOf(journey: CompiledJourney, snapshot: SessionRulesSnapshot): LostMatches[] {
  const hashes = new Map(journey.rules.map(({ rule, hash }) => [rule.id, hash]));
  return Object.entries(snapshot.rules).flatMap(([rule, { hash, operator }]) => {
    const today = hashes.get(rule);
    const partialMatches = today === hash ? 0 : openCountOf(operator.matches);
    const why = today === undefined ? 'RULE_REMOVED' : 'RULE_CHANGED';
    return partialMatches > 0 ? [{ rule, partialMatches, why }] : [];
  });
}

function isFor({ handOver, hash }: HandedOver, { hash: own, inForce }: CompiledRule): boolean {
  return inForce?.start?.handOver === handOver && hash === own;
}

/** Whether the rule began later than the event was read. */
function isHistory({ inForce }: CompiledRule, event: CepEvent): boolean {
  return inForce?.start !== undefined && isBefore(inForce.start, event);
}

function isDone({ isRetiring, operator }: RuleRun): boolean {
  return isRetiring && operator.isIdle;
}

/** For what a former text has open. */
function retired(compiled: CompiledRule): CompiledRule {
  return { ...compiled, nfa: withoutBegin(compiled.nfa) };
}

function tellsTimeouts({ rule: { onTimeout } }: CompiledRule): boolean {
  return onTimeout !== undefined;
}

/** Names an event by its source and its record's own id. */
export function repeatKey(source: string, id: string): string {
  return `${source}\n${id}`;
}

/** An operator that is as far in time as its session, so that it calls late what the session does. */
function freshOperator(
  compiled: CompiledRule,
  watermark: Timestamp,
  observer: SessionObserver | null,
): CepOperator {
  const operator = new CepOperator(compiled.nfa, operatorOptions(compiled, observer));
  operator.advanceWatermark(watermark);
  return operator;
}

/** Takes the place of a failed operator: without its matches, with the events it had not come to. */
function replacementOf(
  failed: CepOperator,
  compiled: CompiledRule,
  watermark: Timestamp,
  observer: SessionObserver | null,
): CepOperator {
  const next = failed.buffered[0]?.timestamp ?? MAX_TIMESTAMP;
  const operator = freshOperator(compiled, min(watermark, next - 1), observer);
  for (const event of failed.buffered) operator.processElement(event);
  return operator;
}

const NO_OPTIONS: OperatorOptions = {};

function operatorOptions(
  { rule: { id, timers, limits } }: CompiledRule,
  observer: SessionObserver | null,
): OperatorOptions {
  if (!timers && !limits && !observer) return NO_OPTIONS;
  return {
    ...(timers && { timers }),
    ...(limits && { limits }),
    ...(observer && { onTaken: (event, stages) => observer.took(id, event, stages) }),
  };
}

/** Which of its equals each output is, from 0; null for one that is alone, as most are. */
function ordinalsOf(output: OperatorOutput): number[] | null {
  if (output.length === 1) return null;
  const counts = new Map<string, number>();
  return output.map((found) => {
    const key = outputKey(found);
    const ordinal = counts.get(key) ?? 0;
    counts.set(key, ordinal + 1);
    return ordinal;
  });
}
