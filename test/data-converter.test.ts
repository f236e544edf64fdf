// Which modules are data converters, and what is said of those that are none.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadDataConverter } from '../src/data-converter.js';
import { temporaryFolder } from './servers/helpers.js';

const folder = temporaryFolder();

function moduleOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const codec = (error = '') =>
  `{ encode: async (p) => p, decode: async (p) => { ${error} return p; } }`;

test.each([
  ['named.mjs', `export const dataConverter = { payloadCodecs: [${codec()}] };`],
  ['default.mjs', `export default { payloadCodecs: [${codec()}] };`],
  [
    'function.ts',
    `export const dataConverter = async (): Promise<object> => ({ payloadCodecs: [${codec()}] });`,
  ],
])('%s: the converter itself, or a function that makes it', async (name, text) => {
  const { payloadCodecs = [] } = await loadDataConverter(moduleOf(name, text));
  expect(payloadCodecs.length).toBe(1);
  const payload = { data: Buffer.from('a') };
  expect(await payloadCodecs[0]?.decode([payload])).toEqual([payload]);
});

test('paths of converters are handed on', async () => {
  const path = moduleOf('paths.mjs', `export default { failureConverterPath: 'failure.cjs' };`);
  expect(await loadDataConverter(path)).toEqual({ failureConverterPath: 'failure.cjs' });
});

const NONE =
  'exports no data converter: export it as dataConverter, with payloadCodecs, payloadConverterPath or failureConverterPath';

test.each([
  ['nothing.mjs', 'export const other = 1;', NONE],
  ['empty.mjs', 'export default {};', NONE],
  ['half.mjs', 'export default { payloadCodecs: [{ encode() {} }] };', NONE],
  ['throws.mjs', "throw new Error('no keys');", 'does not load: no keys'],
  ['fails.mjs', "export default () => { throw new Error('no keys'); };", 'does not load: no keys'],
])('%s is refused', async (name, text, said) => {
  const path = moduleOf(name, text);
  await expect(loadDataConverter(path)).rejects.toMatchObject({
    code: 'SETTING_INVALID',
    message: expect.stringMatching(new RegExp(`^the data converter ${path}(:\\d+)? ${said}$`)),
  });
});

test('one that is not there', async () => {
  const path = join(folder, 'missing.mjs');
  await expect(loadDataConverter(path)).rejects.toThrow(
    `the data converter ${path} is not there: correct the path`,
  );
});

test('an error of a codec says whose it is', async () => {
  const text = `export default { payloadCodecs: [${codec("throw new Error('no such key');")}] };`;
  const path = moduleOf('error.mjs', text);
  const { payloadCodecs = [] } = await loadDataConverter(path);
  await expect(payloadCodecs[0]?.decode([])).rejects.toMatchObject({
    code: 'SETTING_INVALID',
    message: `the payload codec of ${path}: no such key`,
  });
});
