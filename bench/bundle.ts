// How much of a worker's workflow bundle is ours: bytes of code without source maps, bundled as worker.ts does it.
// Each row has one part more than the row before, and "added" is that part. As shipped is what the SDK's bundler
// makes, in webpack's development mode; minified is the same in its production mode, for comparison: no worker runs
// that. Then what lies in the whole bundle, by folder and package.
//
//   npm run bench:bundle

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BundleOptions, bundleWorkflowCode } from '@temporalio/worker';
import { quietLogger } from '../src/temporal-runtime.js';
// For the compiler alone: what is bundled must be among what it emits.
import type {} from '../src/workflows/bundle-entry.js';
import { bytesOf, report, show } from './support.js';

/** What a bundle has beside the parts before it: modules of src, all of whose exports its entry passes on. */
const PARTS = [
  { part: 'empty workflow', modules: [] },
  {
    part: 'patterns, automaton',
    modules: ['pattern/pattern', 'automaton/compile', 'automaton/operator'],
  },
  { part: 'rules: session, alerts', modules: ['rules/session', 'rules/compiled', 'rules/journey'] },
  { part: 'session workflow, examples/journeys.ts', modules: ['workflows/bundle-entry'] },
  { part: 'CEL', modules: ['rules/cel'] },
];

const ours = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const ENTRIES = ours('../bundle-entries');
/** For the journeys module, which imports the package by its name. */
const ALIASES = {
  'temporal-cep$': ours('../src/index.js'),
  'temporal-cep-bundled-journeys$': ours('../../../examples/journeys.ts'),
};

type WebpackConfig = Parameters<NonNullable<BundleOptions['webpackConfigHook']>>[0];

/** The code of a bundle, without its source map. */
async function codeOf(workflowsPath: string, changes: WebpackConfig = {}): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    webpackConfigHook: (config) => ({
      ...config,
      ...changes,
      resolve: { ...config.resolve, alias: { ...config.resolve?.alias, ...ALIASES } },
    }),
    logger: quietLogger,
  });
  return code.replace(/^\/\/# sourceMappingURL=.*$/m, '');
}

/** `src/automaton`, or the name of a package. */
function folderOf(module: string): string {
  const [, name] = module.split(/.*\bnode_modules\//);
  if (name !== undefined) return /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] as string;
  return dirname(module).replace(/^\.\/(bench\/out\/)?/, '');
}

/** How many bytes a bundle as shipped has of each folder, most first. */
function byFolder(code: string): { folder: string; bytes: number }[] {
  const bytes = new Map<string, number>();
  // Each module begins with its path. The last one takes webpack's own end of the bundle with it: some kB.
  const [, ...modules] = code.split(/^\/\*{3}\/ "(.+)"$/m);
  for (let i = 0; i < modules.length; i += 2) {
    const folder = folderOf(modules[i] as string);
    bytes.set(folder, (bytes.get(folder) ?? 0) + bytesOf(modules[i + 1] as string));
  }
  return [...bytes].map(([folder, bytes]) => ({ folder, bytes })).sort((a, b) => b.bytes - a.bytes);
}

mkdirSync(ENTRIES, { recursive: true });
const rows: {
  part: string;
  bytes: number;
  added: number;
  minified: number;
  addedMinified: number;
}[] = [];
const exported: string[] = [];
let whole = '';
for (const { part, modules } of PARTS) {
  exported.push(...modules.map((module) => `export * from '../src/${module}.js';\n`));
  const entry = `${ENTRIES}/${rows.length}.js`;
  writeFileSync(entry, `${exported.join('')}export async function nothing() {}\n`);
  whole = await codeOf(entry);
  const bytes = bytesOf(whole);
  const minified = bytesOf(await codeOf(entry, { mode: 'production', devtool: false }));
  const before = rows.at(-1);
  rows.push({
    part: before ? `+ ${part}` : part,
    bytes,
    added: bytes - (before?.bytes ?? 0),
    minified,
    addedMinified: minified - (before?.minified ?? 0),
  });
}
const folders = byFolder(whole);

show(
  'bytes of a workflow bundle',
  rows.map(({ part, bytes, added, minified, addedMinified }) => ({
    bundle: part,
    'as shipped': bytes,
    added,
    minified,
    'added, minified': addedMinified,
  })),
);
show('the last of them as shipped, by folder', folders);
report('bundle', { unit: 'bytes of code', rows, folders });
