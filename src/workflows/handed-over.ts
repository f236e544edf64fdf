// What backtests have handed over to a session, and no revision of its rules has begun yet: update-with-start brings it, and the
// hand-over is done, or given up, soon after.

import { defineUpdate } from '@temporalio/workflow';
import type { JourneyRules } from '../rules/revision.js';
import type { HandedOver } from '../rules/session.js';
import { TAKE_OVER_UPDATE } from './messages.js';
import { refusal } from './update-arguments.js';

/** Gives a session what a backtest left open of a rule, under its key. Done again it changes nothing. */
export const takeOverUpdate = defineUpdate<void, [HandedOver]>(TAKE_OVER_UPDATE);

/** @throws ApplicationFailure `UPDATE_REFUSED` for what is none: people see this update too */
export function checkHandedOver(open: Partial<HandedOver> | undefined): void {
  const { handOver, rule, hash, events, operator } = open ?? {};
  const isWhole = [handOver, rule, hash].every((text) => typeof text === 'string');
  if (isWhole && Array.isArray(events) && operator?.matches) return;
  throw refusal('this is what temporal-cep backtest --hand-over sends, and nobody else');
}

export class HandedOverRules {
  #waiting: readonly HandedOver[];

  constructor(carried: readonly HandedOver[] = []) {
    this.#waiting = carried;
  }

  get all(): readonly HandedOver[] {
    return this.#waiting;
  }

  /** Hand-overs that are neither done nor given up, as far as the session knows. */
  get ids(): string[] {
    return [...new Set(this.#waiting.map(({ handOver }) => handOver))];
  }

  take(open: HandedOver): void {
    const { handOver, rule } = open;
    const others = this.#waiting.filter((one) => one.handOver !== handOver || one.rule !== rule);
    this.#waiting = [...others, open];
  }

  /** Rules are in force. @returns what was for one of them and does not fit it */
  begin({ rules }: JourneyRules, hashes: ReadonlySet<string>): HandedOver[] {
    const begun = new Set(rules.map(({ start }) => start?.handOver));
    const over = this.#waiting.filter(({ handOver }) => begun.has(handOver));
    this.#waiting = this.#waiting.filter(({ handOver }) => !begun.has(handOver));
    return over.filter(({ hash }) => !hashes.has(hash));
  }

  /** The hand-over was given up: its rules never begin. */
  forget(id: string): void {
    this.#waiting = this.#waiting.filter(({ handOver }) => handOver !== id);
  }
}
