// What a declaration may not say, with path and message; and its defaults.

import { expect, test } from 'vitest';
import { type EffectsDocument, readEffects } from '../../src/effects/declaration.js';
import { declare, declareAll } from './helpers.js';

const send = { kind: 'email' };
const follows = (effect: string) => ({ send, followUp: { after: '1d', effect } });

test.each<[path: string, message: string, document: unknown]>([
  [
    '$.effects.a.quietHours',
    'from and to are the same, which may mean the whole day or nothing: leave quietHours out, or write two times',
    { effects: { a: { send, quietHours: { from: '08:00', to: '08:00' } } } },
  ],
  [
    '$.quietHours',
    'from and to are the same, which may mean the whole day or nothing: leave quietHours out, or write two times',
    { effects: {}, quietHours: { from: '00:00', to: '00:00' } },
  ],
  [
    '$.effects.a.quietHours',
    'with those of all effects they cover the whole day, so it could never be sent: shorten one of them',
    {
      effects: { a: { send, quietHours: { from: '08:00', to: '20:00' } } },
      quietHours: { from: '19:00', to: '09:00' },
    },
  ],
  [
    '$.effects.a.followUp.effect',
    'a is followed by a, and so on for ever: let one of them have no followUp',
    { effects: { a: follows('a') } },
  ],
  [
    '$.effects.b.followUp.effect',
    'b is followed by c is followed by b, and so on for ever: let one of them have no followUp',
    { effects: { a: follows('b'), b: follows('c'), c: follows('b') } },
  ],
  [
    '$.effects.b.followUp.effect',
    'no effect is called "c": add it under effects',
    { effects: { a: follows('b'), b: follows('c') } },
  ],
  [
    '$.effects.a.goal',
    'no goal is called "bought": add it under goals',
    { effects: { a: { send, goal: 'bought' } } },
  ],
  [
    '$.zone',
    'no time zone of this name: write one of the IANA’s, such as Europe/Berlin',
    { effects: {}, zone: 'Mars/Base' },
  ],
  [
    '$.effects.a.caps.0.max',
    'Too small: expected number to be >=0',
    { effects: { a: { send, caps: [{ max: -1, per: '1d', of: 'user' }] } } },
  ],
])('%s: %s', (path, message, document) => {
  const fault = { code: 'EFFECTS_INVALID', message: `${path}: ${message}`, details: { path } };
  expect(() => readEffects(document as EffectsDocument)).toThrow(expect.objectContaining(fault));
});

test('a chain of follow-ups, one effect after two others, and a cap of 0 are right', () => {
  const declared = declareAll({
    effects: { a: follows('b'), b: follows('d'), c: follows('d'), d: {} },
    caps: [{ max: 0, per: 'day', of: 'user' }],
  });
  expect(declared.effects.c?.followUp).toEqual({ after: 86_400_000, effect: 'd' });
  expect(declared.caps).toEqual([{ max: 0, per: 'day', of: 'user' }]);
});

test('quiet hours are read as minutes of the day', () => {
  expect(declare({ quietHours: { from: '22:30', to: '08:05' } }).effect.quietHours).toEqual({
    from: 1350,
    to: 485,
    otherwise: 'hold',
  });
});
