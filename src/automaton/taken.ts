// What partial matches have taken. FlinkCEP keeps it in a buffer of reference-counted, Dewey-numbered nodes;
// here a partial match points at the newest event it has taken, that at the one before, and the garbage
// collector does the counting.
//
// Partial matches that nothing will ever tell apart (nfa.ts, N5) are one, whose list forks: what an event
// does to all of them is done once, and a loop that begins with every event has a node for each event
// instead of one for each pair of them. After CORE's enumerable sets (Bucchi et al., 2022).
//
//   T1. A node never changes. A fork forgets branches whose window is over, and nothing else about it changes.
//   T2. A list is live while its first event is later than the horizon; each node that live lists lead
//       through is kept, and no other is shown, written or counted.
//   T3. Lists can be longer than the stack is deep: nothing here calls itself along them.

import type { CepEvent } from '../event.js';
import type { Timestamp } from '../time.js';

/** Where one list ends, or several. */
export type Branches = Taken | Fork;

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

/** Several lists. `event` and `sequence` are those of the earliest first event among the live ones. */
export class Fork {
  readonly origin: Fork = this;
  event: CepEvent;
  sequence: number;
  /** Time of the latest first event. */
  readonly latest: Timestamp;
  /** How many lists are live. */
  count: number;
  /** Shared with the forks that grew from this one; ours are those from `#from` to before `#to`. */
  readonly #branches: Branches[];
  readonly #to: number;
  #from: number;
  /** Whether each branch is one list, and they stand in the order of their first events. */
  readonly #isQueue: boolean;

  private constructor(branches: Branches[], from: number, before: Branches, added: Branches) {
    const [one, other] = [before.origin, added.origin];
    const earliest = other.sequence < one.sequence ? other : one;
    this.event = earliest.event;
    this.sequence = earliest.sequence;
    this.latest = Math.max(latestOf(one), latestOf(other));
    this.count = countOf(before) + countOf(added);
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

  /** The branches with a list that begins after one time and not after another; forks among them. */
  *between(after: Timestamp, through: Timestamp): Generator<Branches> {
    for (let i = this.#from; i < this.#to; i++) {
      const branch = this.#branches[i] as Branches;
      const { origin } = branch;
      if (origin.event.timestamp > through) {
        if (this.#isQueue) return;
      } else if (latestOf(origin) > after) yield branch;
    }
  }

  /** Pushes the branches {@link between} two times, the first one last: so it is the first to be popped. */
  pushBetween(after: Timestamp, through: Timestamp, stack: Branches[]): void {
    for (let i = this.#to - 1; i >= this.#from; i--) {
      const branch = this.#branches[i] as Branches;
      const { origin } = branch;
      if (origin.event.timestamp <= through && latestOf(origin) > after) stack.push(branch);
    }
  }

  /** The forks behind this one that still have to {@link forget}. */
  stale(horizon: Timestamp): Fork[] {
    const found: Fork[] = [];
    if (this.#isQueue) return found;
    for (const { origin } of this.between(horizon, Number.POSITIVE_INFINITY)) {
      if (origin instanceof Fork && origin.event.timestamp <= horizon) found.push(origin);
    }
    return found;
  }

  /** Forgets what is over; the forks behind this one must have done so. One list at least must be live. */
  forget(horizon: Timestamp): void {
    let forgotten = 0;
    while (latestOf((this.#branches[this.#from] as Branches).origin) <= horizon) {
      forgotten++;
      this.#from++;
    }
    const first = (this.#branches[this.#from] as Branches).origin;
    this.event = first.event;
    this.sequence = first.sequence;
    // A long queue of carts loses its first one at a time: that must not cost a look at all of them.
    if (this.#isQueue) {
      this.count -= forgotten;
      return;
    }
    this.count = 0;
    for (const branch of this.between(horizon, Number.POSITIVE_INFINITY)) {
      this.count += countOf(branch);
      const { event, sequence } = branch.origin;
      if (sequence < this.sequence) {
        this.event = event;
        this.sequence = sequence;
      }
    }
  }
}

function latestOf(origin: Branches): Timestamp {
  return origin instanceof Fork ? origin.latest : origin.event.timestamp;
}

/** How many live lists end here. */
export function countOf({ origin }: Branches): number {
  return origin instanceof Fork ? origin.count : 1;
}

/** Whether a list that ends here is live. */
export function isLive({ origin }: Branches, horizon: Timestamp): boolean {
  return latestOf(origin) > horizon;
}

/** Makes the forks behind a place forget the lists that are no longer live. One at least must be. */
export function forget({ origin }: Branches, horizon: Timestamp): void {
  if (!(origin instanceof Fork)) return;
  const stack: Fork[] = [origin];
  for (let fork = stack.at(-1); fork !== undefined; fork = stack.at(-1)) {
    const stale = fork.event.timestamp > horizon ? [] : fork.stale(horizon);
    if (stale.length > 0) {
      stack.push(...stale);
      continue;
    }
    if (fork.event.timestamp <= horizon) fork.forget(horizon);
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

/** The lists that end here and begin after one time and not after another, with their last events. */
export function pathsOf(
  end: Branches,
  after: Timestamp,
  through: Timestamp,
): { path: Path; last: Taken }[] {
  const found: { path: Path; last: Taken }[] = [];
  // What is still to be followed back: from where, what comes after it, and the list's last event.
  const places: Branches[] = [end];
  const nexts: (Path | null)[] = [null];
  const lasts: (Taken | null)[] = [null];
  for (let at = places.pop(); at !== undefined; at = places.pop()) {
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
      place.pushBetween(after, through, places);
      for (let i = before; i < places.length; i++) {
        nexts.push(next);
        lasts.push(last);
      }
    } else if (next !== null && last !== null) {
      const { timestamp } = next.taken.event;
      if (timestamp > after && timestamp <= through) found.push({ path: next, last });
    }
  }
  return found;
}

/** The nodes directly behind a place. */
export function nodesAt(branches: Branches | null, horizon: Timestamp): Taken[] {
  if (branches === null) return [];
  if (branches instanceof Taken) return [branches];
  const several = [...branches.between(horizon, Number.POSITIVE_INFINITY)];
  return several.flatMap((each) => nodesAt(each, horizon));
}

/** Every node that live lists lead through, each once, and behind those before it. */
export function liveNodes(ends: Iterable<Branches>, horizon: Timestamp): Set<Taken> {
  const found = new Set<Taken>();
  const stack: Taken[] = [];
  for (const end of ends) {
    stack.push(...nodesAt(end, horizon));
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      const missing = nodesAt(node.previous, horizon).filter((each) => !found.has(each));
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
  const list = new Array<Taken>(length);
  for (let node: Branches | null = last; node !== null; node = (node as Taken).previous) {
    list[--length] = node as Taken;
  }
  return list;
}
