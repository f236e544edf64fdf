// A binary heap that lays its array out exactly as java.util.PriorityQueue does. FlinkCEP keeps partial
// and finished matches in such queues, ordered by start event alone; what is emitted first among
// matches of equal start therefore falls out of the array. Under a skip strategy that decides which
// match survives, so the layout is part of the semantics (test/vectors/SEMANTICS.md, "Order").

export class PriorityQueue<T> {
  /** The heap's array, root first. Read it, don't change it. */
  readonly items: T[];
  readonly #compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number, items: T[] = []) {
    this.#compare = compare;
    this.items = items;
  }

  peek(): T | undefined {
    return this.items[0];
  }

  offer(item: T): void {
    const items = this.items;
    let k = items.length;
    items.push(item);
    while (k > 0) {
      const parent = (k - 1) >>> 1;
      const above = items[parent] as T;
      if (this.#compare(item, above) >= 0) break;
      items[k] = above;
      k = parent;
    }
    items[k] = item;
  }

  poll(): T | undefined {
    const items = this.items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return last;
    const root = items[0];
    this.#siftDown(0, last);
    return root;
  }

  /** Removes in bulk, then rebuilds the heap: a removal one by one would give another layout. */
  removeIf(test: (item: T) => boolean): void {
    const items = this.items;
    let kept = 0;
    for (const item of items) if (!test(item)) items[kept++] = item;
    if (kept === items.length) return;
    items.length = kept;
    for (let i = (kept >>> 1) - 1; i >= 0; i--) this.#siftDown(i, items[i] as T);
  }

  #siftDown(from: number, item: T): void {
    const items = this.items;
    const size = items.length;
    const half = size >>> 1;
    let k = from;
    while (k < half) {
      let child = 2 * k + 1;
      let least = items[child] as T;
      const right = child + 1;
      if (right < size && this.#compare(least, items[right] as T) > 0) {
        child = right;
        least = items[child] as T;
      }
      if (this.#compare(item, least) <= 0) break;
      items[k] = least;
      k = child;
    }
    items[k] = item;
  }
}
