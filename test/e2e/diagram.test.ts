// The diagram command: what it prints of a pattern document and of a journeys module, and its one line for
// what it cannot draw. Runs dist in processes of its own; needs no server.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toMermaid } from '../../src/pattern/diagram.js';
import { decode } from '../../src/rules/decode.js';
import { parseDocument } from '../../src/rules/document.js';
import { temporaryFolder } from '../servers/helpers.js';
import { ROOT, run } from './support/cli.js';

const folder = temporaryFolder();
const diagram = (pattern: string) => run(['diagram', '--pattern', pattern], { cwd: folder });
const vectors = JSON.parse(readFileSync(join(ROOT, 'test/vectors/docs.json'), 'utf8')) as {
  cases: { name: string; pattern: unknown }[];
};
const documentOf = (name: string) => vectors.cases.find((each) => each.name === name)?.pattern;

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

test('of a pattern document it prints the diagram', async () => {
  const document = documentOf('group-until');
  const found = await diagram(file('group.json', JSON.stringify(document)));
  expect(found).toEqual({
    code: 0,
    stdout: toMermaid(decode(parseDocument(document))),
    stderr: '',
  });
});

test('of a journeys module it prints a heading and a diagram for each rule', async () => {
  const { code, stdout, stderr } = await diagram(join(ROOT, 'examples/cart-abandonment.ts'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(`## shopping/cart-abandonment

\`\`\`mermaid
stateDiagram-v2
  state "cart" as s1
  state "purchase" as s2
  note right of s2
    the match within 10 minutes
  end note
  [*] --> s1
  s1 --> s2 : followedBy
  s2 --> [*]
\`\`\`
`);
  const all = await diagram(join(ROOT, 'examples/journeys.ts'));
  expect(all.stdout.match(/^## .*$/gm)).toEqual([
    '## shopping/cart-abandonment',
    '## shopping/cross-sell',
    '## shopping/purchase-intent',
    '## pricing/price-sensitivity',
    '## loyalty/churn',
    '## order/payment',
  ]);
});

test.each([
  ['none.json', /^none\.json is no pattern document \(ENOENT.*\): name a JSON file/],
  [file('text.json', '{ "nodes": \n'), /^text\.json is no pattern document \(.*JSON.*\): name/],
  [file('empty.json', '{ "nodes": [], "edges": [] }'), /^empty\.json: \$\.nodes: /],
  [
    file('refused.json', JSON.stringify(documentOf('rejected-greedy-single'))),
    /^refused\.json: stage "a": greedy\(\) needs a quantifier/,
  ],
  [
    file('whole.json', JSON.stringify(documentOf('rejected-skip-to-unknown'))),
    /^whole\.json: SKIP_TO_FIRST names stage "[^"]+", which the pattern lacks/,
  ],
  ['none.ts', /^no journeys module at .*none\.ts: name the file/],
])('%s', async (name, line) => {
  const { code, stdout, stderr } = await diagram(name);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^temporal-cep: .+\n$/);
  expect(stderr.slice('temporal-cep: '.length)).toMatch(line);
});
