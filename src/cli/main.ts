#!/usr/bin/env node
// temporal-cep, the command line. Progress and notes go to standard error, results to standard output.
// Whatever is wrong with an input is one line that says what to do, and exit code 1.

import { readFileSync } from 'node:fs';
import { isGrpcServiceError } from '@temporalio/client';
import { Command } from 'commander';
import { CepError, messageOf } from '../errors.js';
import { quietTemporal } from '../temporal-runtime.js';
import { ENCODED, isEncoded } from './client.js';
import { backtestCommand } from './commands/backtest.js';
import { deadCommand } from './commands/dead.js';
import { demoCommand } from './commands/demo.js';
import { diagramCommand } from './commands/diagram.js';
import { explainCommand } from './commands/explain.js';
import { findCommand } from './commands/find.js';
import { ingestCommand } from './commands/ingest.js';
import { parkedCommand } from './commands/parked.js';
import { repartitionCommand } from './commands/repartition.js';
import { reportCommand } from './commands/report.js';
import { rulesCommand } from './commands/rules/rules.js';
import { sessionCommand } from './commands/session.js';
import { setupCommand } from './commands/setup.js';
import { statusCommand } from './commands/status.js';
import { suppressCommand } from './commands/suppress.js';
import { vectorsCommand } from './commands/vectors.js';
import { workerCommand } from './commands/worker.js';

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

const program = new Command('temporal-cep')
  .description('Complex event processing on Temporal: FlinkCEP patterns as durable journeys')
  .version(version)
  .addCommand(demoCommand())
  .addCommand(setupCommand())
  .addCommand(workerCommand())
  .addCommand(ingestCommand())
  .addCommand(repartitionCommand())
  .addCommand(statusCommand())
  .addCommand(findCommand())
  .addCommand(sessionCommand())
  .addCommand(parkedCommand())
  .addCommand(deadCommand())
  .addCommand(suppressCommand())
  .addCommand(reportCommand())
  .addCommand(diagramCommand())
  .addCommand(explainCommand())
  .addCommand(rulesCommand())
  .addCommand(backtestCommand())
  .addCommand(vectorsCommand())
  .addHelpText(
    'after',
    `
Exit codes: 0 done, or a worker or --follow ended by Ctrl-C; 1 something was wrong, and one line says
what; 130 or 143 ended early by Ctrl-C or SIGTERM.`,
  );
sayErrorsInOneLine(program, 'temporal-cep');

// Who reads our output may stop reading: temporal-cep ... | head
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
quietTemporal();
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`temporal-cep: ${describe(error)}\n`);
}
// A Kafka client whose broker was away may keep a connection that nobody can close, and with it this process.
process.stdout.write('', () => process.exit());

/** Commander's complaints, with the way to the help of the command in question. */
function sayErrorsInOneLine(command: Command, path: string): void {
  command.configureOutput({
    outputError: (text, write) => {
      const line = text.replace(/^error: /, '').trim();
      write(`temporal-cep: ${line.replaceAll('\n', ' ')}; see ${path} --help\n`);
    },
  });
  for (const each of command.commands) sayErrorsInOneLine(each, `${path} ${each.name()}`);
}

function describe(error: unknown): string {
  if (error instanceof CepError) return messageOf(error);
  if (isEncoded(error)) return ENCODED;
  const grpc = isGrpcServiceError(error) ? error : (error as { cause?: unknown })?.cause;
  if (isGrpcServiceError(grpc)) {
    const said = grpc.details || messageOf(grpc);
    return `the Temporal server did not do what was asked of it: ${said}`;
  }
  // A fault of ours, and its stack is the best there is.
  return (error instanceof Error && error.stack) || String(error);
}
