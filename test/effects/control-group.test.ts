// Control groups: as large as declared, the same each time, growing without anybody leaving, and independent of each other.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isInControlGroup, saltOf } from '../../src/effects/control-group.js';

const users = Array.from({ length: 25_000 }, (_, i) => `user-${i}`);
const groupOf = (salt: string, percent: number) =>
  users.filter((user) => isInControlGroup(user, salt, percent));

test.each([0, 0.5, 1, 12.34, 50, 99.9, 100])('%d %% of the users', (percent) => {
  const share = percent / 100;
  // Five standard deviations, which a group drawn at random keeps but once in two million times.
  const tolerance = 5 * Math.sqrt((share * (1 - share)) / users.length);
  const part = groupOf('all', percent).length / users.length;
  expect(Math.abs(part - share)).toBeLessThanOrEqual(tolerance);
});

test('groups of different salts are independent', () => {
  const mail = saltOf({ journey: 'shop', rule: 'cart', effect: 'mail' });
  const others = ['all', saltOf({ journey: 'shop', rule: 'cart', effect: 'sms' })];
  for (const other of others) {
    const both = groupOf(mail, 50).filter((user) => isInControlGroup(user, other, 50));
    expect(Math.abs(both.length / users.length - 0.25)).toBeLessThan(0.014);
  }
});

test('salts tell journey, rule and effect apart, wherever one ends', () => {
  const salts = [
    { journey: 'a', rule: 'b', effect: 'c' },
    { journey: 'a,b', rule: 'c', effect: '' },
    { journey: 'a', rule: 'b,c', effect: '' },
    { journey: 'a', rule: 'c', effect: 'b' },
  ].map(saltOf);
  expect(new Set(salts).size).toBe(4);
});

test('who is in a group stays in it when it grows', () => {
  const percent = fc.double({ min: 0, max: 100, noNaN: true });
  fc.assert(
    fc.property(fc.string(), fc.string(), percent, percent, (user, salt, one, other) => {
      const [less, more] = [Math.min(one, other), Math.max(one, other)];
      if (isInControlGroup(user, salt, less)) {
        expect(isInControlGroup(user, salt, more)).toBe(true);
      }
    }),
  );
});

test('membership never changes between releases', () => {
  expect(users.slice(0, 30).filter((user) => isInControlGroup(user, 'all', 20))).toEqual([
    'user-0',
    'user-5',
    'user-26',
    'user-27',
  ]);
});
