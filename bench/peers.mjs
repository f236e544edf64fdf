// Our automaton beside Flink's and Esper's on one clickstream, by bench/peers/compare.sh: builds and generates what
// is missing, runs each engine in rounds, prints the table, then how many times faster ours is by events per CPU
// second, and the same as one JSON line.
//
//   npm run bench:peers [-- FILE.ndjson]
//   ROUNDS=3 PATTERNS=default ENGINES='node-parse direct esper' as in bench/peers/README.md
//
// Needs Java 17 and Maven. Flink takes some 20 s for a pass over a million events.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const peers = fileURLToPath(new URL('peers', import.meta.url));
const ours = fileURLToPath(new URL('out/bench/automaton.js', import.meta.url));
const file = process.argv[2] ?? 'data/clicks-1m.ndjson';

function run(command, args, env = {}) {
  const { status } = spawnSync(command, args, {
    cwd: peers,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

if (!existsSync(join(peers, 'target/classes/peers'))) run('./build.sh', []);
if (!existsSync(join(peers, file)) && !existsSync(file)) run('./gen.sh', []);

const { PATTERNS = 'default', WARMUP = '1', RUNS = '3' } = process.env;
// A young generation as large as the JVM takes by its own flags.
const flags = '--max-old-space-size=4096 --max-semi-space-size=512 --single-threaded-gc';
const args = `--patterns ${PATTERNS} --warmup ${WARMUP} --runs ${RUNS}`;
run('./compare.sh', [file, `node ${flags} ${ours} --file {file} ${args}`], {
  ROUNDS: process.env.ROUNDS ?? '3',
  ENGINES: process.env.ENGINES ?? 'node-parse direct esper',
});

const out = join(peers, 'out');
const [newest] = readdirSync(out)
  .filter((name) => name.endsWith('.ndjson'))
  .map((name) => join(out, name))
  .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
const best = new Map();
for (const line of readFileSync(newest, 'utf8').split('\n').filter(Boolean)) {
  const { engine, mode, events, cpuSecondsBest } = JSON.parse(line);
  const name = `${engine} ${mode}`;
  best.set(name, Math.max(best.get(name) ?? 0, events / cpuSecondsBest));
}
const perCpuSecond = Object.fromEntries([...best].map(([name, rate]) => [name, Math.round(rate)]));
const our = best.get('temporal-cep ts');
const ratios = Object.fromEntries(
  [...best]
    .filter(([name]) => name !== 'temporal-cep ts')
    .map(([name, rate]) => [name, Math.round((our / rate) * 100) / 100]),
);
console.log('\nOurs by events per CPU second, times as fast as:');
for (const [name, ratio] of Object.entries(ratios)) console.log(`  ${name}: ${ratio}`);
console.log(JSON.stringify({ bench: 'peers', file, patterns: PATTERNS, perCpuSecond, ratios }));
