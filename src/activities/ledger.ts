import type { Alert } from '../rules/rule.js';

/**
 * What was published and set off, by alert id: the answer to "did we send it", which outlives every
 * process. It stands in front of every effect: a repetition of what it has as done changes nothing.
 */
export interface AlertLedger {
  /**
   * Records alerts, those in the shadow too; one whose id is there already changes nothing.
   *
   * @returns those that have not reached the sink yet, in the order given
   */
  record(alerts: readonly Alert[]): Promise<Alert[]>;
  /** These have reached the sink. */
  published(ids: readonly string[]): Promise<void>;
  /**
   * Notes another attempt at an effect.
   *
   * @returns false when the effect is done already
   */
  begin(alertId: string, effect: string): Promise<boolean>;
  /** The effect has taken place. */
  done(alertId: string, effect: string): Promise<void>;
}

/** How many alerts are remembered. A retry follows its first try by seconds. */
const REMEMBERED_MAX = 100_000;

/** A ledger that lasts as long as the process: for one process, tests and the demo. */
export function memoryLedger(): AlertLedger {
  const published = new Set<string>();
  const effects = new Set<string>();
  const remember = (known: Set<string>, name: string) => {
    known.add(name);
    if (known.size > REMEMBERED_MAX) known.delete(known.values().next().value as string);
  };
  return {
    record: async (alerts) => {
      const fresh = new Map<string, Alert>();
      for (const alert of alerts) if (!published.has(alert.id)) fresh.set(alert.id, alert);
      return [...fresh.values()];
    },
    published: async (ids) => {
      for (const id of ids) remember(published, id);
    },
    begin: async (alertId, effect) => !effects.has(`${effect} ${alertId}`),
    done: async (alertId, effect) => remember(effects, `${effect} ${alertId}`),
  };
}
