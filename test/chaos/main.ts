// npm run chaos -- --seed N --minutes M: one chaos run. Exit code 1 when something is not as it must be.

import { Command } from 'commander';
import { minutes } from '../../src/time.js';
import { type ChaosResult, runChaos } from './run.js';

const command = new Command('chaos')
  .description('kill, restart and stop everything under a live stream, and compare with the truth')
  .option('--seed <n>', 'decides the stream and what is done when', Number, 1)
  .option('--minutes <n>', 'how long', Number, 5)
  .option('--json', 'print the result as JSON, and nothing else');
const {
  seed,
  minutes: length,
  json,
} = command.parse().opts<{ seed: number; minutes: number; json?: boolean }>();
if (!Number.isInteger(seed) || !(length >= 1)) {
  command.error('chaos: --seed is a whole number, --minutes at least 1');
}
const print = (line: string) => void process.stdout.write(`${line}\n`);
const result = await runChaos({
  seed,
  durationMs: minutes(length),
  ...(json ? {} : { report: print }),
});
if (json) print(JSON.stringify(result, null, 2));
else for (const line of linesOf(result)) print(line);
process.exit(result.failures.length === 0 ? 0 : 1);

function linesOf(of: ChaosResult): string[] {
  const { records, late, alerts, timeouts, kept, surplus } = of.counts;
  return [
    '',
    `${records} records, ${late} of them late; ${of.starts} processes started, ${of.endedAlone.length} ended by themselves`,
    `${alerts} alerts, ${timeouts} of them timeouts; ${kept} kept from firing by an event that waited in Kafka`,
    `${surplus} surplus records in the topic of alerts; the last alert came ${Math.round(of.settledMs / 1000)} s after the end of the stream`,
    ...Object.entries(of.hits).map(([failpoint, times]) => `${failpoint} was hit ${times} times`),
    ...of.failures.map((failure) => `FAILED ${failure}`),
    of.failures.length === 0
      ? `seed ${of.seed}: equal`
      : `seed ${of.seed}: NOT equal; logs in ${of.folder}`,
  ];
}
