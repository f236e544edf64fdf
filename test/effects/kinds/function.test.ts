// Functions of the user's: called with the alert, and tried again unless they say otherwise.

import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import type { Effect } from '../../../src/effects/kinds/function.js';
import { DeliveryError } from '../../../src/effects/kinds/kind.js';
import type { Alert } from '../../../src/rules/rule.js';
import { alert, delivery, failureOf, faultOf, senderOf } from './support/delivery.js';

const calling = (tell: Effect) => senderOf({ kind: 'function', name: 'tell' }, {}, { tell });

test('it is called with the alert', async () => {
  const seen: Alert[] = [];
  const sender = calling(async (given) => {
    seen.push(given);
  });
  expect(await sender.send(delivery())).toEqual({});
  expect(seen).toEqual([alert]);
  expect(sender.isIdempotent).toBe(true);
  expect(sender.preview(delivery())).toBe(`tell(${JSON.stringify(alert, null, 2)})`);
  expect(seen).toHaveLength(1);
});

test('how it fails says what is known', async () => {
  const failing = (error: unknown) =>
    failureOf(calling(() => Promise.reject(error)).send(delivery()));
  expect(await failing(new Error('no luck'))).toMatchObject({
    is: 'unknown',
    message: 'the function tell has failed: no luck',
  });
  expect(await failing(ApplicationFailure.nonRetryable('never'))).toMatchObject({ is: 'refused' });
  expect(await failing(ApplicationFailure.retryable('later'))).toMatchObject({ is: 'unknown' });
  expect(await failing(new DeliveryError('busy', { is: 'not-sent' }))).toMatchObject({
    is: 'not-sent',
    message: 'busy',
  });
  const thrower = calling(() => {
    throw new Error('at once');
  });
  expect(await failureOf(thrower.send(delivery()))).toMatchObject({ is: 'unknown' });
});

test('one that does not end is given up', async () => {
  const sender = calling(() => new Promise(() => {}));
  expect(await failureOf(sender.send(delivery({ timeoutMs: 50 })))).toMatchObject({
    is: 'unknown',
    message: 'the function tell has failed: it took longer than 50 ms',
  });
});

test('it has to be registered', () => {
  expect(faultOf(() => senderOf({ kind: 'function', name: 'toString' }, {}, {}))).toMatchObject({
    code: 'EFFECTS_INVALID',
    message:
      '$.effects.remind.send.name: no function is called "toString": register it with the worker (known: none is registered)',
  });
});
