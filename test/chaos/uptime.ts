// When something was down: killed, or stopped by SIGSTOP.

/** From when to when, in ms since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export class Uptime {
  readonly #downs: Span[] = [];
  #downSince: number | null;

  /** @param isUp - whether it begins as something that runs */
  constructor(isUp = false) {
    this.#downSince = isUp ? null : Date.now();
  }

  set(isUp: boolean, now = Date.now()): void {
    if (isUp === this.isUp) return;
    if (this.#downSince !== null) this.#downs.push({ from: this.#downSince, to: now });
    this.#downSince = isUp ? null : now;
  }

  get isUp(): boolean {
    return this.#downSince === null;
  }

  /** The spans that are over. */
  get downs(): readonly Span[] {
    return this.#downs;
  }
}

/** When both were down. */
export function overlaps(some: readonly Span[], others: readonly Span[]): Span[] {
  return some.flatMap((one) =>
    others
      .map(({ from, to }) => ({ from: Math.max(one.from, from), to: Math.min(one.to, to) }))
      .filter(({ from, to }) => from < to),
  );
}
