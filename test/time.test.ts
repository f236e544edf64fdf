// Durations and times as people write and read them.

import { describe, expect, test } from 'vitest';
import { CepError } from '../src/errors.js';
import {
  days,
  formatDuration,
  formatTimestamp,
  hours,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  milliseconds,
  minutes,
  parseDuration,
  seconds,
  UNIT_MILLIS,
} from '../src/time.js';

test('units in milliseconds', () => {
  expect([milliseconds(5), seconds(1.5), minutes(2), hours(3), days(7)]).toEqual([
    5, 1_500, 120_000, 10_800_000, 604_800_000,
  ]);
  expect(UNIT_MILLIS).toEqual({
    MILLISECONDS: 1,
    SECONDS: 1_000,
    MINUTES: 60_000,
    HOURS: 3_600_000,
    DAYS: 86_400_000,
  });
});

describe('parseDuration', () => {
  test.each([
    ['500ms', 500],
    ['2s', 2_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['0', 0],
    ['250', 250],
    ['1.5s', 1_500],
    [' 2 s ', 2_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(['', 's', '-1s', '1 week', '1e3', '1h30m', '.5s', '1,5s', 'Infinity', '2 S'])(
    '"%s" is refused',
    (text) => {
      let thrown: unknown;
      try {
        parseDuration(text);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(CepError);
      expect((thrown as CepError).code).toBe('SETTING_INVALID');
      expect((thrown as CepError).message).toContain(`"${text}"`);
    },
  );
});

test.each([
  [0, '0 s'],
  [1, '1 ms'],
  [2_000, '2 s'],
  [2_001, '2 s 1 ms'],
  [90_000, '1 min 30 s'],
  [5_400_000, '1 h 30 min'],
  [5_401_000, '1 h 30 min'],
  [604_800_000, '7 d'],
  [86_401_000, '1 d 1 s'],
  [-90_000, '-1 min 30 s'],
  [0.4, '0 s'],
])('%d ms is "%s"', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [0, '1970-01-01T00:00:00.000Z'],
  [1_577_836_800_123, '2020-01-01T00:00:00.123Z'],
  [-1, '1969-12-31T23:59:59.999Z'],
  [MAX_TIMESTAMP, 'the end of the stream'],
  [MIN_TIMESTAMP, 'before the first event'],
])('time %d is "%s"', (timestamp, text) => {
  expect(formatTimestamp(timestamp)).toBe(text);
});
