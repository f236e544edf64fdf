// temporal-cep explain as a user has it: a pattern and a file of events in, on standard output the text or the data.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { explain } from '../../src/automaton/explain.js';
import { explainText } from '../../src/automaton/explain-text.js';
import { CepOperator } from '../../src/automaton/operator.js';
import { decode } from '../../src/rules/decode.js';
import { parseDocument } from '../../src/rules/document.js';
import { temporaryFolder } from '../servers/helpers.js';
import { ROOT, run } from './support/cli.js';

const folder = temporaryFolder();
const command = (...args: string[]) => run(['explain', ...args], { cwd: folder });
const vectors = JSON.parse(readFileSync(join(ROOT, 'test/vectors/clickstream.json'), 'utf8')) as {
  cases: { name: string; pattern: unknown; events: { timestamp: number }[] }[];
};
const vector = vectors.cases.find(({ name }) => name === 'price-sensitivity-no-drop');
const data = vector?.events ?? [];
const nfa = compile(decode(parseDocument(vector?.pattern)));
const journeys = join(ROOT, 'examples/journeys.ts');

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const ndjson = (rows: readonly object[]) =>
  `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
const pattern = file('pattern.json', JSON.stringify(vector?.pattern));
const events = file('events.ndjson', ndjson(data));
const eventsOf = (source: string) =>
  data.map((each, offset) => ({
    ...{ timestamp: each.timestamp, source, partition: 0, offset, data: { ...each } },
  }));

test('of a pattern document it prints the text, or the data', async () => {
  const expected = explain(nfa, eventsOf('file:events.ndjson'));
  expect(expected.nearMiss).toMatchObject({ step: { what: 'DIED' }, event: { offset: 1 } });
  expect(await command('--pattern', pattern, '--events', events)).toEqual({
    code: 0,
    stdout: `${explainText(expected)}\n`,
    stderr: '',
  });
  const { stdout } = await command('--pattern', pattern, '--events', events, '--json');
  expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(expected)));
});

test('it goes on from a state, with events that only have a timestamp', async () => {
  const operator = new CepOperator(nfa);
  const [first, ...more] = eventsOf('file:more.ndjson');
  operator.processElement(first as never);
  operator.advanceWatermark(first?.timestamp ?? 0);
  const state = file('state.json', JSON.stringify(operator.snapshot()));
  const rows = data.slice(1).map((row) => ({ ...row, eventTime: undefined }));
  const { code, stdout, stderr } = await command(
    ...['--pattern', pattern, '--state', state, '--events', file('more.ndjson', ndjson(rows))],
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(more.length).toBe(rows.length);
  expect(stdout).toMatch(/^open before:\n {2}run 1, initial_view #0, waits for view_price_drop/);
  expect(stdout).toContain('first near-miss: run 1 died');
});

test('of a journeys module it takes one rule and one key', async () => {
  const click = { eventType: 'cart', price: 250, productId: '1', userSession: 's1' };
  const rows = [
    { ...click, eventTime: 60_000 },
    { ...click, eventTime: 61_000, userSession: 's2' },
    { ...click, eventTime: 62_000, eventType: 'view' },
  ];
  const shop = file('shop.ndjson', ndjson(rows));
  const cart = ['--pattern', journeys, '--events', shop, '--rule', 'cart-abandonment'];
  const { code, stdout, stderr } = await command(...cart, '--key', 's1', '--end');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('#0 1970-01-01T00:01:00.000Z eventType=cart');
  expect(stdout).not.toContain('#1 ');
  expect(stdout).toMatch(
    /run 1 \(#0\) timed out: cart #0; last ignored #2: purchase: .*eventType = "view"/,
  );
  const severalKeys = await command(...cart);
  expect(severalKeys.stderr).toBe(
    'temporal-cep: the events of journey "shopping" have 2 keys: s1, s2: choose one with --key\n',
  );
  const severalRules = await command('--pattern', journeys, '--events', shop);
  expect(severalRules.stderr).toMatch(
    /journeys\.ts has 6 rules: choose --journey shopping --rule cart-abandonment, or /,
  );
});

test.each([
  [['--pattern', 'none.json', '--events', events], /^none\.json is no pattern document \(ENOENT/],
  [['--pattern', pattern, '--events', 'none.ndjson'], /^cannot read none\.ndjson \(.*\): name an/],
  [
    ['--pattern', file('refused.json', '{ "nodes": [], "edges": [] }'), '--events', events],
    /^refused\.json: \$\.nodes: /,
  ],
  [
    ['--pattern', pattern, '--events', file('bad.ndjson', '{"eventTime":1}\n{"price":1}\n')],
    /^file:bad\.ndjson, record 1 \(counted from 0\): .*; correct it, or leave it out$/m,
  ],
  [
    ['--pattern', pattern, '--events', events, '--state', file('no.json', '{}')],
    /^no\.json is no state: name the JSON of/,
  ],
  [
    [
      ...['--pattern', pattern, '--events', events],
      ...[
        '--state',
        file(
          'other.json',
          JSON.stringify(new CepOperator({ ...nfa, fingerprint: 'x' }).snapshot()),
        ),
      ],
    ],
    /^other\.json: the snapshot belongs to pattern x, not to /,
  ],
  [
    ['--pattern', pattern, '--events', events, '--key', 'a'],
    /^--journey, --rule and --key are for/,
  ],
  [
    ['--pattern', pattern],
    /^required option '--events <file>' not specified; see temporal-cep explain/,
  ],
])('%s', async (args, line) => {
  const { code, stdout, stderr } = await command(...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^temporal-cep: .+\n$/);
  expect(stderr.slice('temporal-cep: '.length)).toMatch(line);
});
