/** Lets an ingest stand still: while it is paused no record is taken, and event time stands. What was taken is delivered. */
export class IngestPause {
  #isPaused = false;
  #resumed: Promise<void> = Promise.resolve();
  #resume: () => void = () => {};

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** At the end of the pause, or at once. */
  get resumed(): Promise<void> {
    return this.#resumed;
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#resumed = new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#isPaused = false;
    this.#resume();
  }
}
