// temporal-cep rules over a table: files become rows, rows go in and out of force, and every change can be seen and taken back.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRuleStore } from '../../src/rule-store/rule-store.js';
import { temporaryFolder } from '../servers/helpers.js';
import { startMariadb, type TestMariadb } from '../support/mariadb.js';
import { environment, ROOT, run } from './support/cli.js';

const folder = temporaryFolder();
const FIVE = join(ROOT, 'examples/five.json');
const MODULE = join(ROOT, 'examples/table-journeys.ts');
const WITH_RULES = join(ROOT, 'examples/journeys.ts');
const cheaper = join(folder, 'cheaper.json');
writeFileSync(cheaper, readFileSync(FIVE, 'utf8').replace('200.0', '100.0'));

describe('on MariaDB', () => {
  let server: TestMariadb;
  beforeAll(async () => {
    server = await startMariadb();
  });
  afterAll(() => server?.stop());

  const rules = async (...args: string[]) => {
    const env = environment({ TEMPORAL_CEP_RULES_DATABASE: server.url });
    const { code, stdout, stderr } = await run(['rules', ...args], { env });
    return { code, stdout: stdout.trim(), stderr: stderr.trim() };
  };

  test('a rule, from a file to a row and back', async () => {
    expect(await rules('list')).toEqual({
      code: 1,
      stdout: '',
      stderr: `temporal-cep: the database ${server.url} has not been set up: run temporal-cep setup`,
    });
    const store = await openRuleStore(server.url, { migrate: true });
    await store.close();

    expect((await rules('apply', FIVE)).stderr).toContain(
      'journey "shopping" has "accepts", which a row can\'t have: name the module',
    );
    const dry = await rules('apply', FIVE, '--ignore-accepts', '--dry-run');
    expect(dry.stdout).toContain('"expression": "event.eventType == \'purchase\'"');
    expect(dry.stdout).toMatch(/5 rules would be written, 0 as before$/);
    expect((await rules('list', '--json')).stdout).toContain('"rules":[]');

    const apply = ['--ignore-accepts', '--author', 'ann', '--note', 'autumn'];
    expect((await rules('apply', FIVE, ...apply)).stdout).toMatch(/5 rules written, 0 as before$/);
    expect((await rules('apply', FIVE, ...apply)).stdout).toBe('0 rules written, 5 as before');
    expect((await rules('on', 'cart-abandonment', 'churn', '--author', 'bob')).stdout).toBe(
      'cart-abandonment: version 1 is on\nchurn: version 1 is on',
    );
    expect((await rules('on', 'churn')).stdout).toBe('churn is on already');

    const diff = await rules('diff', cheaper, '--ignore-accepts');
    expect(diff.stdout.split('\n').filter((line) => /^ {2}[-+]/.test(line))).toEqual([
      expect.stringMatching(/^ {2}- .*event.price > 200.0"$/),
      expect.stringMatching(/^ {2}\+ .*event.price > 100.0"$/),
    ]);
    expect((await rules('apply', cheaper, ...apply)).stdout).toBe(
      'cart-abandonment: changed\n1 rule written, 4 as before',
    );
    expect((await rules('diff', 'cart-abandonment')).stdout).toMatch(
      /^cart-abandonment: version 1 and version 2\n[\s\S]*\n- .*200[\s\S]*\n\+ .*100/,
    );
    expect((await rules('rollback', 'cart-abandonment', '--author', 'cy')).stdout).toBe(
      'cart-abandonment: version 3 says what version 1 said; it is on',
    );
    const { stdout } = await rules('history', 'cart-abandonment', '--json');
    expect(
      (JSON.parse(stdout) as Record<string, unknown>[]).map(
        ({ change, version, state, author, note }) => [change, version, state, author, note],
      ),
    ).toEqual([
      [1, 1, 'draft', 'ann', 'autumn'],
      [2, 1, 'on', 'bob', null],
      [3, 2, 'on', 'ann', 'autumn'],
      [4, 3, 'on', 'cy', 'back to version 1'],
    ]);
    expect((await rules('show', 'cart-abandonment', '2')).stdout).toContain('> 100.0');
    expect((await rules('show', 'cart-abandonment')).stdout).toContain('> 200.0');
    expect(await rules('off', 'none')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'temporal-cep: there is no rule "none": temporal-cep rules list names those there are',
    });

    const other = await openRuleStore(server.url);
    await other.publishRevision([]);
    const fault = { version: 3, code: 'RULE_INVALID', path: '$.pattern', message: 'it is wrong' };
    await other.setFaults(
      [
        { table: 'cep_rules', id: 'churn', ...fault },
        { table: 'rds_demo1', id: '7', ...fault },
      ],
      ['cep_rules', 'rds_demo1'],
    );
    await other.close();
    const list = (await rules('list')).stdout;
    expect(list).toMatch(/churn +│ loyalty +│ +1 │ on +│ .* │ bob +│ it is wrong/);
    expect(list).toContain('Fault in rds_demo1, rule "7": it is wrong');
    expect(list).toMatch(/Revision 1 since .*: 0 rules in force$/);
  });

  test('what is wrong with a file is said before anything is written', async () => {
    const bad = join(folder, 'bad.json');
    writeFileSync(bad, readFileSync(FIVE, 'utf8').replace('event.price > 200.0', 'event.price >'));
    const { code, stderr } = await rules('apply', bad, '--ignore-accepts');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^temporal-cep: .*bad.json: \$\.rules\[0\]\.pattern\.nodes\[0\]\.condition.*: temporal-cep rules validate .*bad.json says it all$/,
    );
    const twice = await rules('apply', FIVE, cheaper, '--ignore-accepts');
    expect(twice.stderr).toContain('there are two rules called "cart-abandonment"');
  });
});

test('without a server they are kept in the folder of the one process', async () => {
  const at = ['--data-folder', join(folder, 'data')];
  const { stdout } = await run([
    'rules',
    'apply',
    FIVE,
    '--ignore-accepts',
    '--state',
    'on',
    ...at,
  ]);
  expect(stdout).toContain('5 rules written, 0 as before');
  const list = JSON.parse((await run(['rules', 'list', '--json', ...at])).stdout);
  expect(list.rules.map(({ id, state }: Record<string, string>) => `${id} ${state}`)).toEqual([
    'cart-abandonment on',
    'churn on',
    'cross-sell on',
    'price-sensitivity on',
    'purchase-intent on',
  ]);
  expect((await run(['rules', 'list'])).stderr).toMatch(
    /^temporal-cep: rules are kept in a database/,
  );
});

test('as the documentation has it: beside a module with the journeys, and not beside one with the rules', async () => {
  const at = ['--data-folder', join(folder, 'documented')];
  const rules = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(['rules', ...args]);
    return { code, text: (stdout + stderr).trim() };
  };
  expect(await rules('validate', FIVE, '--journeys', MODULE)).toEqual({
    code: 0,
    text: '0 errors, 0 warnings',
  });
  expect((await rules('apply', FIVE, '--journeys', MODULE, ...at)).text).toMatch(
    /5 rules written, 0 as before$/,
  );
  expect((await rules('on', 'cart-abandonment', ...at)).text).toBe(
    'cart-abandonment: version 1 is on',
  );

  const inModule =
    'the journeys module has a rule of that id for journey "shopping": take it out there, or rename this one';
  const found = await rules('validate', FIVE, '--journeys', WITH_RULES);
  expect(found.code).toBe(1);
  expect(found.text).toContain(`error at $.rules[0].id (cart-abandonment): ${inModule}`);
  expect(found.text).toMatch(/5 errors, 0 warnings$/);
  expect(await rules('apply', FIVE, '--journeys', WITH_RULES, ...at)).toEqual({
    code: 1,
    text: `temporal-cep: ${FIVE}: $.rules[0].id: ${inModule}; and 4 errors more: temporal-cep rules validate ${FIVE} --journeys ${WITH_RULES} says it all`,
  });
}, 300_000);
