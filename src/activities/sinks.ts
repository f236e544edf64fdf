// Where alerts and late events go. A sink is idempotent by alert id: activities are retried.

import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { CepError, messageOf } from '../errors.js';
import { type CepEvent, coordinates } from '../event.js';
import type { Logger } from '../log.js';
import type { Alert } from '../rules/rule.js';
import { formatTimestamp } from '../time.js';
import { NOT_TAKEN, type NotTakenReason, type SessionRef } from '../workflows/messages.js';

/** Takes alerts; one with an id it has taken before is dropped. */
export interface AlertSink {
  publish(alerts: readonly Alert[]): Promise<void>;
  close?(): Promise<void>;
}

/** Takes the events that a session did not take. */
export interface LateSink {
  publish(session: SessionRef, events: readonly CepEvent[], reason: NotTakenReason): Promise<void>;
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
      const fresh = new Map<string, string>();
      for (const alert of alerts) {
        if (!ids.has(alert.id)) fresh.set(alert.id, `${JSON.stringify(alert)}\n`);
      }
      if (fresh.size === 0) return;
      const { size } = fstatSync(file);
      try {
        writeFileSync(file, [...fresh.values()].join(''));
        fsyncSync(file);
      } catch (error) {
        // A full disk leaves half a line, and the next try would go on behind it.
        ftruncateSync(file, size);
        throw error;
      }
      for (const id of fresh.keys()) ids.add(id);
    },
    close: async () => closeSync(file),
  };
}

function openAlerts(path: string): { file: number; ids: Set<string> } {
  let file: number | undefined;
  try {
    file = openSync(path, 'a+');
    const text = readFileSync(path);
    const wholeBytes = text.lastIndexOf('\n') + 1;
    const lines = text.toString('utf8', 0, wholeBytes).split('\n');
    const ids = new Set(lines.filter((line) => line.trim() !== '').map(idOf));
    // Only now: a file of something else stays as it was.
    if (wholeBytes < text.length) mendLastLine({ file, ids, text, wholeBytes });
    return { file, ids };
  } catch (cause) {
    if (file !== undefined) closeSync(file);
    throw new CepError(
      'SETTING_INVALID',
      `the alerts file ${path} can't be used (${messageOf(cause)}): name a file this process may write, with one alert per line`,
      { details: { path }, cause },
    );
  }
}

/** A process killed in the middle of a write leaves half a line, whose alert is published again. */
function mendLastLine(end: {
  file: number;
  ids: Set<string>;
  text: Buffer;
  wholeBytes: number;
}): void {
  const { file, ids, text, wholeBytes } = end;
  const rest = text.toString('utf8', wholeBytes);
  if (!rest.startsWith('{')) throw new Error('its last line is no alert');
  try {
    ids.add(idOf(rest));
    writeFileSync(file, '\n');
  } catch {
    ftruncateSync(file, wholeBytes);
  }
}

function idOf(line: string): string {
  const { id } = JSON.parse(line) as Partial<Alert>;
  if (typeof id !== 'string') throw new Error('it has a line without the id of an alert');
  return id;
}

/** How many alerts the console remembers. A retry follows its first try by seconds. */
const REMEMBERED_MAX = 10_000;
/** Characters that would end the line, or tell a terminal to do something. */
const CONTROL = /\p{Cc}+/gu;

/** Prints alerts, one line each. @param print - takes a line; standard output by default */
export function consoleAlerts(
  print: (line: string) => void = (line) => process.stdout.write(`${line}\n`),
): AlertSink {
  const ids = new Set<string>();
  return {
    publish: async (alerts) => {
      for (const { id, at, type, key, message } of alerts) {
        if (ids.has(id)) continue;
        ids.add(id);
        if (ids.size > REMEMBERED_MAX) ids.delete(ids.values().next().value as string);
        print(`${formatTimestamp(at)}  ${type}  ${key}  ${message}`.replace(CONTROL, ' '));
      }
    },
  };
}

/** Names such events in the log, with their coordinates. */
export function loggedLate(log: Logger): LateSink {
  return {
    publish: async ({ journey, key }, events, reason) => {
      for (const event of events) {
        log.warn('event not taken', {
          reason: NOT_TAKEN[reason],
          journey,
          key,
          event: coordinates(event),
          timestamp: event.timestamp,
        });
      }
    },
  };
}
