// Matches and timeouts of each rule by minute and hour. A day is read once; after that the last minutes, since only those change.

import type { AlertsOfMinute, MinutesRead } from '../store/recorded-alerts.js';

/** How much is shown. */
const MINUTES = 60;
const HOURS = 24;
/** Rules that are shown by themselves. */
const RULES_MAX = 20;
/** How many are read again: a transaction may be open over the end of a minute. */
const AGAIN = 2;

/** Of matches and of timeouts. */
export type Count = readonly [matches: number, timeouts: number];

export interface Rates {
  /** Of the last minutes, the present one last. */
  readonly minutes: readonly Count[];
  /** Of the last hours of the clock, in UTC, the present one last. */
  readonly hours: readonly Count[];
}

export interface RuleRates extends Rates {
  readonly journey: string;
  readonly rule: string;
  readonly shadow: boolean;
}

export interface AllRates {
  /** The present one, since the epoch. */
  readonly minute: number;
  /** Those with the most alerts, these first. */
  readonly rules: readonly RuleRates[];
  /** How many more there are. */
  readonly others: number;
  /** Of all rules. */
  readonly all: Rates;
}

export class AlertRates {
  #rows: readonly AlertsOfMinute[] = [];
  #from: number | null = null;

  /** What to read next. */
  get wanted(): { readonly minutes: number; readonly from: number | null } {
    return { minutes: (HOURS + 1) * 60, from: this.#from };
  }

  /** Takes what was read, and says how it stands. */
  take({ now, from, rows }: MinutesRead): AllRates {
    const oldest = Math.floor(now / 60) * 60 - (HOURS - 1) * 60;
    const kept = this.#rows.filter(({ minute }) => minute < from && minute >= oldest);
    this.#rows = [...kept, ...rows];
    this.#from = now - AGAIN;
    return ratesOf(this.#rows, now);
  }
}

function ratesOf(rows: readonly AlertsOfMinute[], now: number): AllRates {
  const rules = new Map<string, AlertsOfMinute[]>();
  for (const row of rows) {
    const name = JSON.stringify([row.journey, row.rule, row.shadow]);
    const known = rules.get(name);
    if (known) known.push(row);
    else rules.set(name, [row]);
  }
  const sized = [...rules].map(([name, of]) => ({
    name,
    of,
    size: of.reduce((sum, { matches, timeouts }) => sum + matches + timeouts, 0),
  }));
  sized.sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1));
  return {
    minute: now,
    rules: sized.slice(0, RULES_MAX).map(({ of }) => {
      const { journey, rule, shadow } = of[0] as AlertsOfMinute;
      return { journey, rule, shadow, ...countsOf(of, now) };
    }),
    others: Math.max(0, sized.length - RULES_MAX),
    all: countsOf(rows, now),
  };
}

function countsOf(rows: readonly AlertsOfMinute[], now: number): Rates {
  const empty = (length: number) => Array.from({ length }, (): [number, number] => [0, 0]);
  const minutes = empty(MINUTES);
  const hours = empty(HOURS);
  const hour = Math.floor(now / 60);
  for (const row of rows) {
    const ofMinute = minutes[MINUTES - 1 - (now - row.minute)];
    const ofHour = hours[HOURS - 1 - (hour - Math.floor(row.minute / 60))];
    for (const count of [ofMinute, ofHour]) {
      if (count === undefined) continue;
      count[0] += row.matches;
      count[1] += row.timeouts;
    }
  }
  return { minutes, hours };
}
