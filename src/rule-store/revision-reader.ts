// What workers ask of the revisions. Sessions ask often, and all about the same few.

import type { RuleReader } from '../activities/index.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type JourneyRules, type RuleRevision, rulesOf } from '../rules/revision.js';
import type { Millis } from '../time.js';
import { handOversOf } from './hand-overs.js';
import type { RuleStore } from './rule-store.js';

/** How old an answer may be. */
const FRESH_MS: Millis = 500;
/** Revisions never change; so many are remembered. */
const REMEMBERED_MAX = 100;

/** Reads revisions from a copy that is at most half a second old; while the database is away from the last one. */
export function revisionReader(store: RuleStore, log: Logger): RuleReader {
  const known = new Map<number, RuleRevision>();
  /** What each journey has, with the revision that brought it: the others need not be heard of. */
  const byJourney = new Map<string, JourneyRules>();
  let newest: RuleRevision | null = null;
  let look: { at: Millis; done: Promise<void> } | null = null;
  let isAway = false;

  const revision = async (number: number): Promise<RuleRevision | null> => {
    const found = known.get(number) ?? (await store.revision(number));
    if (found) known.set(number, found);
    if (known.size > REMEMBERED_MAX) known.delete(known.keys().next().value as number);
    return found;
  };
  const refresh = async (): Promise<void> => {
    try {
      const head = await store.newestHead();
      if (head) newest = await revision(head.revision);
      if (isAway) log.info('The newest revision of the rules is known again');
      isAway = false;
    } catch (error) {
      if (!newest) throw error;
      // Sessions ask twice a second.
      if (!isAway) {
        log.warn('The newest revision of the rules is not known: sessions stay at what they have', {
          error: messageOf(error),
        });
      }
      isAway = true;
    }
  };

  return {
    read: async (journey, number) => {
      const found = await revision(number);
      return found && rulesOf(found, journey);
    },
    newest: async (journey) => {
      const now = performance.now();
      if (!look || now - look.at > FRESH_MS) look = { at: now, done: refresh() };
      await look.done;
      if (!newest) return null;
      const before = byJourney.get(journey);
      if (before && before.revision >= newest.revision) return before;
      const found = rulesOf(newest, journey);
      if (before && JSON.stringify(before.rules) === JSON.stringify(found.rules)) return before;
      byJourney.set(journey, found);
      return found;
    },
    handOver: async (journey, id) => {
      const state = (await handOversOf(store).find(id))?.state ?? 'given-up';
      if (state === 'under-way') return { isOver: false };
      // Not from the copy, which may be older than the state: what a session is told here is final.
      const head = await store.newestHead();
      const latest = head && (await revision(head.revision));
      const found = latest && rulesOf(latest, journey);
      const isInForce = found?.rules.some(({ start }) => start?.handOver === id);
      if (found && isInForce) return { revision: found.revision };
      return { isOver: state !== 'done' };
    },
  };
}
