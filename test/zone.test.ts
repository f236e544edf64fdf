// What clocks show around their changes, against the platform's own calendar; and which names are zones.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isZone, openZone } from '../src/zone.js';

test('names of zones', () => {
  const names = ['Europe/Berlin', 'UTC', '+02:00', 'Mars/Base', '', 'Europe/Berlin '];
  expect(names.filter(isZone)).toEqual(['Europe/Berlin', 'UTC', '+02:00']);
  expect(isZone('2024-01-01T00:00Z[Europe/Berlin]')).toBe(false);
});

const utc = (text: string) => Date.parse(`${text}Z`);

test.each([
  // Forward at 02:00, back at 03:00.
  ['Europe/Berlin', '2024-03-31T01:59:59', '2024-03-31T00:59:59'],
  ['Europe/Berlin', '2024-03-31T02:30', '2024-03-31T01:30'],
  ['Europe/Berlin', '2024-03-31T03:00', '2024-03-31T01:00'],
  ['Europe/Berlin', '2024-10-27T02:00', '2024-10-27T00:00'],
  ['Europe/Berlin', '2024-10-27T02:59', '2024-10-27T00:59'],
  ['Europe/Berlin', '2024-10-27T03:00', '2024-10-27T02:00'],
  ['Australia/Lord_Howe', '2024-10-06T02:15', '2024-10-05T15:45'],
  // Over midnight, and over a whole day.
  ['America/Sao_Paulo', '2018-11-04T00:30', '2018-11-04T03:30'],
  ['Pacific/Apia', '2011-12-31T00:00', '2011-12-30T10:00'],
  ['Asia/Shanghai', '2021-12-01T19:10', '2021-12-01T11:10'],
  ['+05:30', '2021-12-01T19:10', '2021-12-01T13:40'],
])('in %s %s is %s of UTC', (name, shown, at) => {
  expect(new Date(openZone(name).instantOf(utc(shown))).toISOString()).toBe(
    new Date(utc(at)).toISOString(),
  );
});

test('what is shown is what the platform shows, and leads back to when it was shown', () => {
  const zones = ['Europe/Berlin', 'America/Sao_Paulo', 'Australia/Lord_Howe', 'Asia/Kathmandu'];
  const opened = new Map(zones.map((name) => [name, openZone(name)]));
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.integer({ min: Date.UTC(1995, 0), max: Date.UTC(2030, 0) }),
      (name, at) => {
        const zone = opened.get(name) as ReturnType<typeof openZone>;
        const shown = zone.shownAt(at);
        expect(new Date(shown).toISOString().slice(0, 19)).toBe(platformShows(name, at));
        const first = zone.instantOf(shown);
        expect(zone.shownAt(first)).toBe(shown);
        expect(first).toBeLessThanOrEqual(at);
        expect(at - first).toBeLessThanOrEqual(3_600_000);
      },
    ),
    { numRuns: 1_000 },
  );
});

function platformShows(timeZone: string, at: number): string {
  const text = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'medium',
  }).format(at);
  return text.replace(' ', 'T');
}
