#!/usr/bin/env node
// temporal-cep, the command line. Progress and notes go to standard error, results to standard output.

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { CepError, messageOf } from '../errors.js';
import { quietTemporal } from '../temporal-runtime.js';
import { demoCommand } from './commands/demo.js';
import { ingestCommand } from './commands/ingest.js';
import { statusCommand } from './commands/status.js';
import { vectorsCommand } from './commands/vectors.js';
import { workerCommand } from './commands/worker.js';

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

const program = new Command('temporal-cep')
  .description('Complex event processing on Temporal: FlinkCEP patterns as durable journeys')
  .version(version)
  .showHelpAfterError('(run with --help for the options)')
  .addCommand(demoCommand())
  .addCommand(workerCommand())
  .addCommand(ingestCommand())
  .addCommand(statusCommand())
  .addCommand(vectorsCommand());

quietTemporal();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    process.exitCode = 1;
    // A CepError says what to do; anything else is a fault of ours, and its stack is the best there is.
    const text = error instanceof CepError ? messageOf(error) : ((error as Error)?.stack ?? error);
    process.stderr.write(`temporal-cep: ${text}\n`);
  }
}
