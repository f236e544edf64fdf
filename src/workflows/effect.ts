// The workflow of an alert's effects: a thin, durable shell around activities that plan, decide and send. It waits, for a delay, for the
// end of quiet hours or for a follow-up, and a goal of the user ends the wait.
//
//   F1. What it has to know of a declaration comes from an activity: a worker with another one replays it all the same.
//   F2. It decides nothing. What it is told when it asks was decided in one transaction, and is told again to who asks again.
//   F3. A goal that is missed as a signal is found in the ledger when it is decided.
//   F4. What has a goal is not decided before ingestors have read as far as it is due: a purchase may wait in Kafka. Only of live
//       streams: a historic one has been read to its end, or stands for good.

import {
  CancellationScope,
  CancelledFailure,
  condition,
  defineQuery,
  defineSignal,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { EffectActivities } from '../activities/effects.js';
import type { SessionActivities } from '../activities/index.js';
import type { Reason } from '../effects/record.js';
import { messageOf } from '../errors.js';
import { type Millis, minutes, readableTimestamp, seconds, type Timestamp } from '../time.js';
import {
  AGAIN_SIGNAL,
  EFFECTS_QUERY,
  type EffectInput,
  type EffectPlan,
  type EffectProgress,
  GOAL_SIGNAL,
  isOver,
} from './effect-messages.js';
import { type SourcePartition, SUMMARY_LENGTH_MAX } from './messages.js';

export const goalSignal = defineSignal<[goal: string, at: Timestamp]>(GOAL_SIGNAL);
export const againSignal = defineSignal<[effect: string]>(AGAIN_SIGNAL);
export const effectsQuery = defineQuery<EffectProgress[]>(EFFECTS_QUERY);

/** A receiver is given its time, and the ledger its own. */
const LEDGER_MS: Millis = seconds(15);
/** Who decides that it is to be held has a clock of its own: not at once again. */
const HOLD_MIN_MS: Millis = seconds(1);
/** Between two looks at how far ingestors are: twice as long each time, as an outage may last for days. */
const LOOK_MIN_MS: Millis = seconds(1);
const LOOK_MAX_MS: Millis = minutes(10);
/** As Temporal's own default: 1 s, then twice that, ..., tried for as long as it takes. */
const ledger = { startToCloseTimeout: LEDGER_MS };

const { planEffect, decideEffect, suppressEffect, giveUpEffect } =
  proxyActivities<EffectActivities>(ledger);
const { readProgress } = proxyActivities<Pick<SessionActivities, 'readProgress'>>(ledger);

/** Takes care of an alert's effects, and of what follows on them, until nothing is left to do. */
export async function effect(input: EffectInput): Promise<EffectProgress[]> {
  const effects = new AlertEffects(input);
  setHandler(goalSignal, (goal, at) => effects.goalReached(goal, at));
  setHandler(againSignal, (name) => effects.beginAgain(name));
  setHandler(effectsQuery, () => effects.progress);
  for (const name of input.effects) effects.begin(name);
  // Who cancels it ends what waits; the ledger is told of that, too.
  await CancellationScope.nonCancellable(() => condition(() => effects.isDone));
  if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
  return effects.progress;
}

class AlertEffects {
  readonly #alert: EffectInput['alert'];
  readonly #readFrom: readonly SourcePartition[];
  readonly #progress = new Map<string, EffectProgress>();
  /** Goals reached since the match. */
  readonly #goals = new Set<string>();
  /** What is to be tried again once it is known here that it is dead: the ledger, and who looks into it, may know it before. */
  readonly #again = new Set<string>();
  #underWay = 0;

  constructor({ alert, readFrom = [] }: EffectInput) {
    this.#alert = alert;
    this.#readFrom = readFrom;
  }

  get isDone(): boolean {
    return this.#underWay === 0;
  }

  get progress(): EffectProgress[] {
    return [...this.#progress.values()];
  }

  goalReached(goal: string, at: Timestamp): void {
    if (at > this.#alert.at) this.#goals.add(goal);
  }

  /** Each effect goes its own way; one that is under way already goes on. */
  begin(name: string): void {
    const known = this.#progress.get(name);
    if (known && !isOver(known.state)) return;
    this.#underWay++;
    this.#tell(name, 'deciding');
    void this.#run(name).finally(() => {
      this.#underWay--;
      for (const again of [...this.#again]) this.beginAgain(again);
    });
  }

  beginAgain(name: string): void {
    const state = this.#progress.get(name)?.state;
    this.#again.delete(name);
    if (state !== undefined && !isOver(state)) this.#again.add(name);
    else if (state !== 'delivered') this.begin(name);
  }

  /** An effect, and the one that follows on it, ... */
  async #run(first: string): Promise<void> {
    let goal: string | null = null;
    // Event time may be ahead of the clock: what has no delay waits for nothing.
    let since: Timestamp = Math.min(this.#alert.at, Date.now());
    for (let name: string | null = first; name !== null; ) {
      // Two effects may be followed by the same one, which is sent once.
      if (name !== first && this.#progress.has(name)) return;
      try {
        const plan: EffectPlan | null = await planEffect(this.#alert, name, goal);
        if (plan === null) return this.#tell(name, 'not sent');
        ({ goal } = plan);
        if (!(await this.#send(name, plan, since + plan.delayMs))) return;
        name = plan.followUp?.effect ?? null;
        since = Date.now() + (plan.followUp?.afterMs ?? 0);
      } catch (error) {
        return await this.#failed(name as string, error);
      }
    }
  }

  async #failed(name: string, error: unknown): Promise<void> {
    if (!isCancellation(error)) {
      // An activity of ours is tried until it works: what comes here is a fault of ours, and must be seen.
      log.error('effect failed', { effect: name, reason: messageOf(error) });
      return this.#tell(name, 'dead', messageOf(error));
    }
    await CancellationScope.nonCancellable(() => suppressEffect(this.#alert, name, 'CANCELLED'));
    this.#refused(name, 'CANCELLED');
  }

  /** @returns whether it was sent */
  async #send(name: string, plan: EffectPlan, dueAt: Timestamp): Promise<boolean> {
    let until = dueAt;
    let why = 'its delay';
    for (;;) {
      if (await this.#goalComesFirst(name, plan.goal, until, why)) {
        await suppressEffect(this.#alert, name, 'GOAL_REACHED');
        return this.#refused(name, 'GOAL_REACHED');
      }
      this.#tell(name, 'deciding');
      const decision = await decideEffect(this.#alert, name, plan.goal);
      if (decision.decision === 'send') return await this.#try(name, plan);
      if (decision.decision === 'refuse') {
        this.#refused(name, decision.reason, decision.detail);
        // What would have followed is tried out, too.
        return decision.reason === 'DRY_RUN';
      }
      until = Math.max(decision.until, Date.now() + HOLD_MIN_MS);
      why = decision.reason;
    }
  }

  /** Waits, for whatever reason, until then; with a goal, until ingestors have read as far (F4). */
  async #goalComesFirst(
    name: string,
    goal: string | null,
    until: Timestamp,
    why: string,
  ): Promise<boolean> {
    const isReached = () => goal !== null && this.#goals.has(goal);
    const ms = until - Date.now();
    if (ms > 0) {
      this.#tell(name, 'waiting', why, until);
      await condition(isReached, ms);
    }
    for (let longer = 1; goal !== null && !isReached(); longer *= 2) {
      const behindMs = await this.#behind(until);
      if (behindMs <= 0) break;
      this.#tell(name, 'waiting', `events up to ${readableTimestamp(until)} are still to be read`);
      await condition(isReached, Math.min(longer * Math.max(behindMs, LOOK_MIN_MS), LOOK_MAX_MS));
    }
    return isReached();
  }

  /** How far ingestors of live streams are from it. What was done before the match is no goal. */
  async #behind(until: Timestamp): Promise<Millis> {
    if (this.#readFrom.length === 0 || until <= this.#alert.at) return 0;
    const answers = await readProgress(
      this.#readFrom.map((partition) => ({ ...partition, watermark: until })),
    );
    const open = answers.filter((answer) => answer?.isLive && !answer.finished);
    return Math.max(0, ...open.map((answer) => until - (answer?.watermark ?? until)));
  }

  async #try(name: string, { timeoutMs, retry }: EffectPlan): Promise<boolean> {
    this.#tell(name, 'sending');
    const { sendEffect } = proxyActivities<EffectActivities>({
      startToCloseTimeout: timeoutMs + LEDGER_MS,
      scheduleToCloseTimeout: retry.forMs,
      retry: { initialInterval: retry.firstMs, maximumInterval: retry.longestMs },
      summary: `${name}: ${this.#alert.type}`.slice(0, SUMMARY_LENGTH_MAX),
    });
    try {
      const outcome = await sendEffect(this.#alert, name);
      if (typeof outcome === 'string') return this.#refused(name, outcome);
      this.#tell(name, outcome ? 'delivered' : 'dead');
      return outcome;
    } catch (error) {
      const reason = messageOf((error as Error).cause ?? error);
      // Also for who has the workflow cancelled.
      const isDelivered = await CancellationScope.nonCancellable(() =>
        giveUpEffect(this.#alert, name, reason),
      );
      this.#tell(name, isDelivered ? 'delivered' : 'dead', isDelivered ? null : reason);
      return isDelivered;
    }
  }

  #refused(name: string, reason: Reason, detail?: string): false {
    this.#tell(name, 'not sent', detail === undefined ? reason : `${reason}: ${detail}`);
    return false;
  }

  #tell(
    effect: string,
    state: EffectProgress['state'],
    why: string | null = null,
    until: Timestamp | null = null,
  ): void {
    this.#progress.set(effect, { effect, state, why, until });
    setCurrentDetails(this.progress.map(lineOf).join('\n'));
  }
}

function lineOf({ effect, state, why, until }: EffectProgress): string {
  const time = until === null ? '' : ` until ${readableTimestamp(until)}`;
  return `- **${effect}** ${state}${time}${why === null ? '' : ` (${why})`}`;
}
