#!/usr/bin/env node
// temporal-cep, the command line. Progress and notes go to standard error, results to standard output.
// Whatever is wrong with an input is one line that says what to do, and exit code 1.

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { failureText } from './failure-text.js';

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** Each loads what it needs, which is most of the time that a short command takes. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./commands/demo.js')).demoCommand(),
  setup: async () => (await import('./commands/setup.js')).setupCommand(),
  worker: async () => (await import('./commands/worker.js')).workerCommand(),
  ingest: async () => (await import('./commands/ingest.js')).ingestCommand(),
  repartition: async () => (await import('./commands/repartition.js')).repartitionCommand(),
  analytics: async () => (await import('./commands/analytics/analytics.js')).analyticsCommand(),
  status: async () => (await import('./commands/status.js')).statusCommand(),
  find: async () => (await import('./commands/find.js')).findCommand(),
  session: async () => (await import('./commands/session.js')).sessionCommand(),
  parked: async () => (await import('./commands/parked.js')).parkedCommand(),
  dead: async () => (await import('./commands/dead.js')).deadCommand(),
  suppress: async () => (await import('./commands/suppress.js')).suppressCommand(),
  console: async () => (await import('./commands/console.js')).consoleCommand(),
  report: async () => (await import('./commands/report.js')).reportCommand(),
  diagram: async () => (await import('./commands/diagram.js')).diagramCommand(),
  explain: async () => (await import('./commands/explain.js')).explainCommand(),
  rules: async () => (await import('./commands/rules/rules.js')).rulesCommand(),
  backtest: async () => (await import('./commands/backtest.js')).backtestCommand(),
  vectors: async () => (await import('./commands/vectors.js')).vectorsCommand(),
};

const program = new Command('temporal-cep')
  .description('Complex event processing on Temporal: FlinkCEP patterns as durable journeys')
  .version(version)
  .addHelpText(
    'after',
    `
Exit codes: 0 done, or a worker or --follow ended by Ctrl-C; 1 something was wrong, and one line says
what; 130 or 143 ended early by Ctrl-C or SIGTERM.`,
  );
const [named = ''] = process.argv.slice(2);
// Whoever asks for help, or for what there is not, is told of all.
const wanted = Object.hasOwn(COMMANDS, named) ? [named] : Object.keys(COMMANDS);
for (const name of wanted) program.addCommand(await (COMMANDS[name] as () => Promise<Command>)());
sayErrorsInOneLine(program, 'temporal-cep');

// Who reads our output may stop reading: temporal-cep ... | head
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`temporal-cep: ${await failureText(error)}\n`);
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
