// What was read and waits to be counted: while one transaction is under way, the next one gathers.

export class Backlog<T> {
  readonly #max: number;
  #items: T[] = [];
  #end: { readonly error?: unknown } | null = null;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};

  /** @param max - items that may wait */
  constructor(max: number) {
    this.#max = max;
  }

  /** Takes an item at once, if there is room for it. */
  offer(item: T): boolean {
    if (this.#items.length >= this.#max) return false;
    this.#items.push(item);
    this.#wakeWriter();
    return true;
  }

  /** Waits until there is room for more. @returns false where nobody wants more */
  async room(): Promise<boolean> {
    while (this.#items.length >= this.#max && this.#end === null) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    return this.#end === null;
  }

  /** Nothing more will come; what waits is handed out first, and then the error is thrown. */
  end(of: { error?: unknown } = {}): void {
    this.#end ??= of;
    this.#wakeReader();
    this.#wakeWriter();
  }

  /** All that waits, as soon as there is something; nothing at the end. */
  async take(): Promise<T[]> {
    while (this.#items.length === 0) {
      if (this.#end !== null) {
        if ('error' in this.#end) throw this.#end.error;
        return [];
      }
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    const taken = this.#items;
    this.#items = [];
    this.#wakeReader();
    return taken;
  }
}
