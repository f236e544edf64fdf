import { expect, test } from 'vitest';
import { failureText } from '../../src/cli/failure-text.js';
import { CepError } from '../../src/errors.js';

const coded = (message: string, more: object) => Object.assign(new Error(message), more);

test.each([
  [new CepError('SETTING_INVALID', 'name a file'), 'name a file'],
  [
    coded('connect ECONNREFUSED 127.0.0.1:5432', { code: 'ECONNREFUSED' }),
    'the database went away: connect ECONNREFUSED 127.0.0.1:5432; start the command again when it is back',
  ],
  [
    coded('terminating connection due to administrator command', {
      ...{ severity: 'FATAL', code: '57P01' },
    }),
    'the database went away: terminating connection due to administrator command; start the command again when it is back',
  ],
  [
    coded('14 UNAVAILABLE: No connection established', {
      ...{ code: 14, details: 'No connection established', metadata: {} },
    }),
    'the Temporal server did not do what was asked of it: No connection established',
  ],
  ['a text', 'a text'],
])('%s', async (error, text) => {
  expect(await failureText(error)).toBe(text);
});

test('a fault of ours with its stack', async () => {
  const fault = new TypeError('x is not a function');
  expect(await failureText(fault)).toBe(fault.stack);
});
