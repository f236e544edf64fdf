import { expect, test } from 'vitest';
import {
  deadLettersText,
  deadLetterText,
  deadText,
  effectText,
  parkedSessionText,
} from '../../src/cli/dead-text.js';
import type { EffectRecord } from '../../src/effects/ledger.js';
import type { Alert } from '../../src/rules/rule.js';

const AT = Date.UTC(2026, 0, 31, 12);
const effect: EffectRecord = {
  ...{ id: 'a1/mail', alertId: 'a1', effect: 'mail', journey: 'shop', key: 'u1', rule: 'cart' },
  ...{ ruleVersion: 3, userId: 'u1', channel: 'email', goal: null, state: 'dead' },
  ...{ reason: 'REFUSED', detail: `no\nsuch   mailbox ${'x'.repeat(100)}`, attempts: 2 },
  ...{ isDryRun: false, mayHaveArrived: true, isDiscarded: false, matchedAt: AT, plannedAt: AT },
  ...{ heldUntil: null, decidedAt: AT, endedAt: AT + 1_000, answer: { status: 550 } },
  ...{ handled: null, workflowId: 'effect/a1', runId: 'r1' },
};
const alert: Alert = {
  ...{ id: 'a1', journey: 'shop', rule: 'cart', ruleVersion: 3, key: 'u1', userId: 'u1' },
  ...{ userSession: null, type: 'LEFT', message: 'a cart', at: AT, match: {} },
};

test('a dead effect takes a line', () => {
  expect(deadText([])).toBeNull();
  const text = deadText([effect]) ?? '';
  expect(text.split('\n')).toHaveLength(5);
  for (const part of ['a1/mail', '2026-01-31 12:00:01 UTC', 'REFUSED: no such mailbox xx', '…']) {
    expect(text).toContain(part);
  }
});

test('of one all is said that is known, and nothing that is not', () => {
  const text = effectText(effect, alert);
  expect(text).toMatch(/^a1\/mail\n\n {2}state {13}dead\n {2}reason {12}REFUSED\n/);
  expect(text).toMatch(/detail {12}no\n {20}such {3}mailbox/);
  expect(text).toMatch(/may have arrived {2}yes/);
  expect(text).toMatch(/"status": 550/);
  expect(text).toMatch(/"message": "a cart"/);
  expect(text).not.toMatch(/goal|held until|dry run|handled|null,\n {2}user/);
  const handled = { author: 'ann', reason: null, at: AT };
  const other = effectText({ ...effect, answer: null, isDiscarded: true, handled }, null);
  expect(other).toMatch(/state {13}dead, discarded\n/);
  expect(other).toMatch(/handled {11}2026-01-31 12:00:00 UTC by ann\n/);
  expect(other).toMatch(/No answer of the receiver\n\nIts alert is not in the database$/);
});

const letter = { source: 's', partition: 1, offset: 2, reason: 'R', message: 'm', record: '{"a' };

test('dead letters take a line each, and of one the whole record is shown', () => {
  expect(deadLettersText([])).toBeNull();
  expect(deadLettersText([letter])).toContain('│ s      │         1 │      2 │ R      │ m       │');
  expect(deadLetterText(letter)).toBe('s/1/2\n\n  reason   R\n  message  m\n\nRecord\n  {"a');
  const again = { ...letter, record: { a: 1 }, journey: 'shop', retried: 2 };
  expect(deadLetterText(again)).toMatch(
    /\n {2}journey {2}shop\n {2}retried {2}2\n\nRecord\n {2}\{\n {4}"a": 1\n {2}\}$/,
  );
});

test('a parked session is shown with what is kept for it', () => {
  const session = { journey: 'shop', key: 'ann', reason: 'too many signals', parkedAt: AT };
  expect(parkedSessionText(session, [])).toBe(
    'shop/ann\n\n  state   parked\n  since   2026-01-31 12:00:00 UTC\n  reason  too many signals\n\nNothing is kept for it',
  );
  const event = { ...letter, record: { type: 'cart' } };
  expect(parkedSessionText(session, [event])).toMatch(
    /\n\nKept for it\n {2}s\/1\/2 {2}\{"type":"cart"\}$/,
  );
});
