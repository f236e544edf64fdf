// Where alerts and late events go. A sink is idempotent by alert id: activities are retried.

import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { CepError, messageOf } from '../errors.js';
import { type CepEvent, coordinates } from '../event.js';
import type { Logger } from '../log.js';
import type { Alert } from '../rules/rule.js';
import { formatTimestamp } from '../time.js';
import type { SessionRef } from '../workflows/messages.js';

/** Takes alerts; one with an id it has taken before is dropped. */
export interface AlertSink {
  publish(alerts: readonly Alert[]): Promise<void>;
  close?(): Promise<void>;
}

/** Takes the events that came too late for their session. */
export interface LateSink {
  publish(session: SessionRef, events: readonly CepEvent[]): Promise<void>;
}

/**
 * Appends alerts to a file, one JSON object per line. The ids already in the file are known from the
 * start, so a restarted worker writes none twice. One process per file.
 *
 * @throws CepError `SETTING_INVALID` when the file can't be opened
 */
export function fileAlerts(path: string): AlertSink {
  const { file, ids } = openAlerts(path);
  return {
    // Synchronous from the first look at `ids` to the last write: two calls can't interleave.
    publish: async (alerts) => {
      const fresh = alerts.filter(({ id }) => !ids.has(id));
      if (fresh.length === 0) return;
      writeSync(file, fresh.map((alert) => `${JSON.stringify(alert)}\n`).join(''));
      fsyncSync(file);
      for (const { id } of fresh) ids.add(id);
    },
    close: async () => closeSync(file),
  };
}

function openAlerts(path: string): { file: number; ids: Set<string> } {
  try {
    const file = openSync(path, 'a+');
    const text = readFileSync(path, 'utf8');
    // A process killed in the middle of a write leaves half a line, whose alert is published again.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) ftruncateSync(file, Buffer.byteLength(whole));
    const lines = whole.split('\n').filter((line) => line !== '');
    return { file, ids: new Set(lines.map((line) => (JSON.parse(line) as Alert).id)) };
  } catch (cause) {
    throw new CepError(
      'SETTING_INVALID',
      `the alerts file ${path} can't be used (${messageOf(cause)}): name a file this process may write, with one alert per line`,
      { details: { path }, cause },
    );
  }
}

/** Prints alerts, one line each. @param print - takes a line; standard output by default */
export function consoleAlerts(
  print: (line: string) => void = (line) => process.stdout.write(`${line}\n`),
): AlertSink {
  const ids = new Set<string>();
  return {
    publish: async (alerts) => {
      for (const alert of alerts) {
        if (ids.has(alert.id)) continue;
        ids.add(alert.id);
        print(`${formatTimestamp(alert.at)}  ${alert.type}  ${alert.key}  ${alert.message}`);
      }
    },
  };
}

/** Names late events in the log, with their coordinates. */
export function loggedLate(log: Logger): LateSink {
  return {
    publish: async ({ journey, key }, events) => {
      for (const event of events) {
        log.warn('event came too late for its session', {
          journey,
          key,
          event: coordinates(event),
          timestamp: event.timestamp,
        });
      }
    },
  };
}
