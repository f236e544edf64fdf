import type { Alert } from '../rules/rule.js';

/**
 * What was published, by alert id, which outlives every process: a repetition of what it has as published changes nothing. What
 * alerts set off is in the ledger of effects.
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
}

/** How many alerts are remembered. A retry follows its first try by seconds. */
const REMEMBERED_MAX = 100_000;

/** A ledger that lasts as long as the process: for one process, tests and the demo. */
export function memoryLedger(): AlertLedger {
  const published = new Set<string>();
  return {
    record: async (alerts) => {
      const fresh = new Map<string, Alert>();
      for (const alert of alerts) if (!published.has(alert.id)) fresh.set(alert.id, alert);
      return [...fresh.values()];
    },
    published: async (ids) => {
      for (const id of ids) {
        published.add(id);
        if (published.size > REMEMBERED_MAX)
          published.delete(published.values().next().value as string);
      }
    },
  };
}
