// The plan of docs/scaling.md, from the figures that stand there or from your own.
//
//   npm run bench:plan [-- NAME=VALUE ...] [SESSIONS ...]      as in: -- priceUsd=25 peak=4 3000000

import { readFileSync } from 'node:fs';
import { print } from '../src/cli/terminal.js';
import { INPUTS, inputsFrom, planTable } from './journeys/plan.js';

const DOCUMENT = new URL('../../../docs/scaling.md', import.meta.url);

const own: Record<string, number> = {};
const sessions: number[] = [];
for (const word of process.argv.slice(2)) {
  const [name, value] = word.includes('=') ? word.split('=') : [null, word];
  const isKnown = name === null || (INPUTS as readonly string[]).includes(name as string);
  if (!isKnown || !Number.isFinite(Number(value)) || Number(value) <= 0) {
    process.stderr.write(
      `${word} is neither NAME=VALUE nor a number of sessions a day: names are ${INPUTS.join(', ')}\n`,
    );
    process.exit(1);
  }
  if (name) own[name] = Number(value);
  else sessions.push(Number(value));
}
const inputs = { ...inputsFrom(readFileSync(DOCUMENT, 'utf8')), ...own };
print(planTable(inputs, sessions.length > 0 ? sessions : [1_000_000, 10_000_000]));
