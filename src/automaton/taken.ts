// What partial matches have taken. FlinkCEP keeps it in a buffer of reference-counted, Dewey-numbered nodes;
// here a partial match points at the newest event it has taken, that at the one before, and the garbage
// collector does the counting.
//
// Partial matches that nothing will ever tell apart (nfa.ts, N5) are one, whose list forks: what an event
// does to all of them is done once, and a loop that begins with every event has a node for each event
// instead of one for each pair of them. After CORE's enumerable sets (Bucchi et al., 2022).
//
//   T1. A node never changes. A fork forgets lists whose window is over or that are dropped, and nothing else
//       about it changes.
//   T2. Once time has passed, nothing that is over can be reached any longer: what is here is live.
//   T3. Lists can be longer than the stack is deep: nothing here calls itself along them.

import type { CepEvent } from '../event.js';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../time.js';

// A look-up of a global is dear in the workflow sandbox.
const OwnArray = Array;
const { max } = Math;

/** Where one list ends, or several. */
export type Branches = Taken | Fork;

/** Times of first events: those between the two, which are outside. */
export interface Span {
  readonly after: Timestamp;
  readonly before: Timestamp;
}

/** An event that was taken, and the list, or lists, of those before it. */
export class Taken {
  /** Index into the automaton's stage names. */
  readonly stage: number;
  readonly event: CepEvent;
  /** Numbers the taken events of one operator in the order of processing, and so of event time. */
  readonly sequence: number;
  readonly previous: Branches | null;
  /** The nearest node that knows of first events: a first event itself, or a fork. */
  readonly origin: Branches;

  /** @param origin - that of `previous` */
  constructor(
    stage: number,
    event: CepEvent,
    sequence: number,
    previous: Branches | null,
    origin: Branches | null,
  ) {
    this.stage = stage;
    this.event = event;
    this.sequence = sequence;
    this.previous = previous;
    this.origin = origin ?? this;
  }
}

/** Several lists. `event` and `sequence` are those of the earliest first event. */
export class Fork {
  readonly origin: Fork = this;
  event: CepEvent;
  sequence: number;
  /** Time of the latest first event. */
  latest: Timestamp;
  /** How many lists there are. */
  count: number;
  /** How many nodes are directly behind it. */
  width: number;
  /** Shared with the forks that grew from this one; ours are those from `#from` to before `#to`. */
  #branches: Branches[];
  #from: number;
  #to: number;
  /** Whether each branch is one list, and they stand in the order of their first events. */
  readonly #isQueue: boolean;

  private constructor(branches: Branches[], from: number, before: Branches, added: Branches) {
    const [one, other] = [before.origin, added.origin];
    const earliest = other.sequence < one.sequence ? other : one;
    this.event = earliest.event;
    this.sequence = earliest.sequence;
    this.latest = max(latestOf(one), latestOf(other));
    this.count = countOf(before) + countOf(added);
    this.width = widthOf(before) + widthOf(added);
    this.#branches = branches;
    this.#from = from;
    this.#to = branches.length;
    const last = branches[branches.length - 2] as Branches;
    this.#isQueue =
      (before instanceof Fork ? before.#isQueue : one instanceof Taken) &&
      other instanceof Taken &&
      last.origin.sequence <= other.sequence;
  }

  /** The lists of both. */
  static of(before: Branches, added: Branches): Fork {
    if (!(before instanceof Fork)) return new Fork([before, added], 0, before, added);
    const isEnd = before.#branches.length === before.#to;
    const branches = isEnd ? before.#branches : before.#branches.slice(before.#from, before.#to);
    branches.push(added);
    return new Fork(branches, isEnd ? before.#from : 0, before, added);
  }

  /** The ends of the lists; forks among them. */
  get branches(): readonly Branches[] {
    return this.#branches.slice(this.#from, this.#to);
  }

  /** Pushes the branches with a list that begins by then, the first one last: so it is the first to be popped. */
  pushBegunBy(time: Timestamp, stack: Branches[]): void {
    for (let i = this.#to - 1; i >= this.#from; i--) {
      const branch = this.#branches[i] as Branches;
      if (branch.origin.event.timestamp <= time) stack.push(branch);
    }
  }

  /** The forks behind this one that have to {@link forget} before it does. */
  stale(live: Span): Fork[] {
    if (this.#isQueue) return [];
    return this.branches
      .map(({ origin }) => origin)
      .filter((origin) => origin instanceof Fork)
      .filter((fork) => fork.isStale(live) && isLive(fork, live));
  }

  /** Whether there are lists to forget. */
  isStale({ after, before }: Span): boolean {
    return this.event.timestamp <= after || this.latest >= before;
  }

  /** Forgets the lists that begin at other times; the forks behind this one have done so. One list at least is left. */
  forget(live: Span): void {
    if (this.#isQueue) {
      // A long queue of carts loses its first one at a time: that must not cost a look at all of them.
      while (!isLive(this.#branches[this.#from] as Branches, live)) this.#from++;
      while (!isLive(this.#branches[this.#to - 1] as Branches, live)) this.#to--;
      this.count = this.#to - this.#from;
      this.width = this.count;
    } else {
      this.#branches = this.branches.filter((branch) => isLive(branch, live));
      this.#from = 0;
      this.#to = this.#branches.length;
      this.count = this.#branches.reduce((count, branch) => count + countOf(branch), 0);
      this.width = this.#branches.reduce((width, branch) => width + widthOf(branch), 0);
    }
    const origins = this.#isQueue
      ? [this.#branches[this.#from] as Branches, this.#branches[this.#to - 1] as Branches]
      : this.#branches;
    const first = origins.reduce((a, b) => (b.origin.sequence < a.origin.sequence ? b : a));
    this.event = first.origin.event;
    this.sequence = first.origin.sequence;
    this.latest = origins.reduce((a, { origin: b }) => max(a, latestOf(b)), MIN_TIMESTAMP);
  }
}

/** When the last of the lists with this origin begins. */
export function latestOf(origin: Branches): Timestamp {
  return origin instanceof Fork ? origin.latest : origin.event.timestamp;
}

/** How many lists end here. */
export function countOf({ origin }: Branches): number {
  return origin instanceof Fork ? origin.count : 1;
}

/** How many nodes are directly behind a place. */
export function widthOf(branches: Branches | null): number {
  if (branches === null) return 0;
  return branches instanceof Fork ? branches.width : 1;
}

/** When the first of the lists that end here begins. */
export function earliestOf({ origin }: Branches): Timestamp {
  return origin.event.timestamp;
}

/** Whether a list that ends here begins in the span, which has one open end. */
export function isLive({ origin }: Branches, { after, before }: Span): boolean {
  return latestOf(origin) > after && earliestOf(origin) < before;
}

/** Makes the forks behind a place forget the lists that begin outside a span. One at least must begin in it. */
export function forget({ origin }: Branches, live: Span): void {
  if (!(origin instanceof Fork)) return;
  const stack: Fork[] = [origin];
  for (let fork = stack.at(-1); fork !== undefined; fork = stack.at(-1)) {
    const stale = fork.isStale(live) ? fork.stale(live) : [];
    if (stale.length > 0) {
      stack.push(...stale);
      continue;
    }
    if (fork.isStale(live)) fork.forget(live);
    stack.pop();
  }
}

/** A list from one of its events on. The ends of several lists are shared. */
export interface Path {
  readonly taken: Taken;
  readonly next: Path | null;
}

/** The nodes of a path, oldest first. */
export function alongPath(from: Path): Taken[] {
  const taken: Taken[] = [];
  for (let path: Path | null = from; path !== null; path = path.next) taken.push(path.taken);
  return taken;
}

/** The lists that end here and begin by then, with their last events; at most so many of them. */
export function pathsOf(
  end: Branches,
  begunBy: Timestamp = MAX_TIMESTAMP,
  most = MAX_TIMESTAMP,
): { path: Path; last: Taken }[] {
  const found: { path: Path; last: Taken }[] = [];
  // What is still to be followed back: from where, what comes after it, and the list's last event.
  const places: Branches[] = [end];
  const nexts: (Path | null)[] = [null];
  const lasts: (Taken | null)[] = [null];
  for (let at = places.pop(); at !== undefined && found.length < most; at = places.pop()) {
    let next = nexts.pop() as Path | null;
    let last = lasts.pop() as Taken | null;
    let place: Branches | null = at;
    while (place instanceof Taken) {
      last ??= place;
      next = { taken: place, next };
      place = place.previous;
    }
    if (place !== null) {
      const before = places.length;
      place.pushBegunBy(begunBy, places);
      for (let i = before; i < places.length; i++) {
        nexts.push(next);
        lasts.push(last);
      }
    } else if (next !== null && last !== null) {
      if (next.taken.event.timestamp <= begunBy) found.push({ path: next, last });
    }
  }
  return found;
}

/**
 * The lists that end here, but for one; null when there is no other. What the others share with it stays as it is, and
 * what leads to it is made anew without it.
 *
 * @param list - the one, oldest first
 */
export function without(end: Branches, list: readonly Taken[]): Branches | null {
  let before: Taken | null = null;
  /** What still ends in that node, or in its copy. */
  let left: Taken | null = null;
  for (const node of list) {
    const previous: Branches | null =
      before === null ? null : replacing(node.previous, before, left);
    left = previous && new Taken(node.stage, node.event, node.sequence, previous, previous.origin);
    before = node;
  }
  return before === null ? end : replacing(end, before, left);
}

/** The nodes directly behind a place, one of them replaced, or left out for null. */
function replacing(branches: Branches | null, node: Taken, by: Taken | null): Branches | null {
  const [first, ...others] = nodesAt(branches).flatMap((each) =>
    each === node ? (by ?? []) : each,
  );
  return first === undefined ? null : others.reduce<Branches>(Fork.of, first);
}

/** The nodes directly behind a place. T3: forks lie in forks, one for each event of a loop. */
export function nodesAt(branches: Branches | null): Taken[] {
  if (branches === null) return [];
  const nodes: Taken[] = [];
  const stack: Branches[] = [branches];
  for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
    if (place instanceof Taken) nodes.push(place);
    else place.pushBegunBy(MAX_TIMESTAMP, stack);
  }
  return nodes;
}

/** Every node behind some places, each once, and behind those before it. */
export function nodesBehind(ends: Iterable<Branches>): Set<Taken> {
  const found = new Set<Taken>();
  const stack: Taken[] = [];
  for (const end of ends) {
    stack.push(...nodesAt(end));
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      const missing = nodesAt(node.previous).filter((each) => !found.has(each));
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      found.add(node);
      stack.pop();
    }
  }
  return found;
}

/** What was taken by a list that does not fork, oldest first. */
export function listOf(last: Taken): Taken[] {
  let length = 0;
  for (let node: Branches | null = last; node !== null; node = (node as Taken).previous) length++;
  const list = new OwnArray<Taken>(length);
  for (let node: Branches | null = last; node !== null; node = (node as Taken).previous) {
    list[--length] = node as Taken;
  }
  return list;
}
