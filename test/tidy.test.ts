// House rules as an ordinary test: which way imports point, where there is no clock, and what no file of
// the repository may hold. Reads the sources as text.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LEAVES = ['errors', 'event', 'time', 'assert', 'counted', 'money', 'zone', 'document-parts'];

/** Which parts of src a part may import beside itself and the leaves; `type:` for types alone. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(LEAVES.map((leaf) => [leaf, []])),
  pattern: [],
  automaton: ['pattern'],
  rules: ['automaton', 'pattern'],
  analytics: [],
  workflows: [
    'automaton',
    'rules',
    'pattern',
    'type:activities',
    'type:effects',
    'type:failpoints',
  ],
  log: [],
  'user-module': [],
  'journeys-module': ['rules', 'user-module'],
  'data-converter': ['user-module'],
  'json-file': [],
  // What an activity says to a workflow stands in workflows/messages.
  failpoints: [],
  activities: [
    'rules',
    'automaton',
    'effects',
    'effects/kinds',
    'log',
    'workflows/messages',
    'workflows/effect-messages',
    'failpoints',
  ],
  ingest: [
    'workflows/messages',
    'workflows/effect-messages',
    'type:effects',
    // A session is started with what it would show in the list of workflows.
    'workflows/search-attributes',
    'workflows/session-id',
    'type:workflows/session',
    'activities',
    'rules',
    'automaton',
    'log',
    'failpoints',
    'kafka',
  ],
  kafka: ['rules', 'log', 'type:activities', 'type:ingest', 'workflows/messages'],
  store: [
    'rules',
    'effects',
    'type:effects/kinds',
    'held-lock',
    'log',
    'activities',
    'ingest/progress',
    // What the progress of a repartitioned topic says of an origin.
    'ingest/origins',
    'type:ingest',
    'workflows/messages',
    'workflows/session-id',
  ],
  'rule-store': ['rules', 'store', 'log', 'type:activities'],
  'analytics-store': ['analytics', 'store', 'log', 'ingest/decode', 'type:ingest'],
  // A page about what the stores hold: it only reads.
  console: ['analytics-store', 'rules', 'store', 'rule-store', 'log'],
  // Their kinds send, and are a part of their own: what decides knows none of them.
  effects: ['rules', 'automaton/priority-queue', 'type:effects/kinds'],
  'effects/kinds': [
    'effects',
    'rules',
    'log',
    // The kind `sql` writes to databases of the user's.
    'store/sql-database',
    'store/sql-state',
  ],
  'effects-module': ['effects', 'json-file', 'user-module'],
  metrics: ['rules', 'type:analytics-store', 'type:ingest', 'type:workflows/messages'],
  backtest: [
    'effects',
    'effects-module',
    'ingest',
    'rules',
    'automaton',
    'pattern',
    'workflows/messages',
    'journeys-module',
    'json-file',
    'kafka',
    'log',
  ],
  'hand-over': [
    'backtest',
    'rule-store',
    'rules',
    'failpoints',
    'log',
    'type:ingest',
    'type:workflows/messages',
  ],
  'held-lock': [],
  'temporal-runtime': ['log'],
  'workflow-bundle': ['failpoints', 'temporal-runtime'],
  servers: ['workflows/messages', 'log'],
  index: ['automaton', 'pattern', 'rules'],
};
/** They wire everything, or drive everything. */
const ROOTS = ['worker', 'cli', 'testing', 'demo'];
const PURE = [...LEAVES, 'pattern', 'automaton', 'rules', 'effects', 'analytics'];

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT })
  .toString()
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)));
/** This file names what it forbids. */
const others = files.filter((file) => file !== 'test/tidy.test.ts');
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const sources = files.filter((file) => /^src\/.*\.ts$/.test(file));
/** A folder or file of src; a folder in it where the table has that. */
const partOf = (path: string) => {
  const [part, inner] = path.replace(/\.(ts|js)$/, '').split('/') as [string, string?];
  return Object.hasOwn(MAY_IMPORT, `${part}/${inner}`) ? `${part}/${inner}` : part;
};

/** Lines of the files that break a rule, as `file:line: text`. */
function offences(of: readonly string[], rule: RegExp): string[] {
  return of.flatMap((file) =>
    textOf(file)
      .split('\n')
      .flatMap((line, i) => (rule.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
  );
}

test('imports point the right way', () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const from = partOf(file.slice('src/'.length));
    if (ROOTS.includes(from)) continue;
    const allowed = MAY_IMPORT[from];
    if (!allowed) {
      wrong.push(`${file}: "${from}" is not in the table`);
      continue;
    }
    const imports = textOf(file).matchAll(
      /^(import|export)( type)?\b[^;]*?from '(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm,
    );
    for (const [, , isType, of, dynamic] of imports) {
      const target = normalize(join(dirname(file), (of ?? dynamic) as string)).replace(
        /^src\//,
        '',
      );
      const to = partOf(target);
      const names = [to, target.replace(/\.js$/, '')];
      if (to === from || LEAVES.includes(to)) continue;
      if (names.some((name) => allowed.includes(name))) continue;
      if (isType && names.some((name) => allowed.includes(`type:${name}`))) continue;
      wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('the core reads no clock, draws no random number and knows neither Node nor Temporal', () => {
  const core = sources.filter((file) => PURE.includes(partOf(file.slice('src/'.length))));
  expect(core.length).toBeGreaterThan(25);
  const impure =
    /['"](node:|@temporalio)|\bDate\.now\b|\bnew Date\(\)|\bDate\(\)|\bMath\.random\b|\blocaleCompare\b|\bperformance\b/;
  expect(offences(core, impure)).toEqual([]);
});

test('no enum, nothing left to do, no test left out', () => {
  expect(offences(sources, /^\s*(export )?(declare )?(const )?enum\s/)).toEqual([]);
  const code = others.filter((file) => /\.([mc]?[jt]s|md|ya?ml)$/.test(file));
  expect(offences(code, /\b(TODO|FIXME)\b/)).toEqual([]);
  const tests = others.filter((file) => /^test\/.*\.ts$/.test(file));
  expect(
    offences(tests, /\b(test|it|describe)(\.\w+)*\.(skip|only|todo|skipIf|runIf|fails)\b/),
  ).toEqual([]);
});

test('no file names a package registry or a path of the machine it was written on', () => {
  const registries =
    /registry\.(npmjs|yarnpkg|npmmirror)|npm\.pkg\.github|\bartifactory\b|\bverdaccio\b|"resolved":/;
  const paths = /(^|[\s'"`(=:])\/(work|root|tmp)([/\s'"`)]|$)/;
  expect(offences(others, registries)).toEqual([]);
  expect(offences(others, paths)).toEqual([]);
});
