import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { CepError, messageOf } from '../../errors.js';
import { startTimeSkipping } from '../../servers/test-server.js';
import { startSessionDriver } from '../../testing/session-driver.js';
import {
  PURE_DRIVERS,
  runVectors,
  type VectorCase,
  type VectorFile,
  type VectorReport,
} from '../../testing/vectors.js';
import { note, print } from '../terminal.js';

export function vectorsCommand(): Command {
  return new Command('vectors')
    .description('hold this engine against what Apache Flink made of patterns and streams')
    .argument('<file...>', 'vector files')
    .addOption(
      new Option('--driver <name>', 'what runs the cases')
        .choices([...Object.keys(PURE_DRIVERS), 'session'])
        .default('operator'),
    )
    .option('--json', 'print counts and failures as JSON')
    .addHelpText(
      'after',
      `
Exits with 1 when a case fails. The driver session runs the cases as workflows, on the time-skipping test
server, found or fetched; the others need no server. The files' form: test/vectors/FORMAT.md.`,
    )
    .action(run);
}

interface VectorsFlags {
  driver: string;
  json?: boolean;
}

async function run(files: string[], { driver, json }: VectorsFlags): Promise<void> {
  // All are read before the first runs: a missing one is known at once.
  const suites = files.map((file) => ({ file, cases: readVectors(file).cases }));
  let passed = 0;
  const failures: { file: string; name: string; difference: string }[] = [];
  for (const { file, cases } of suites) {
    const report = await runDriver(driver, cases);
    passed += report.passed;
    for (const failure of report.failures) {
      failures.push({ file, ...failure });
      note(`${file}: ${failure.name}: ${failure.difference}`);
    }
  }
  print(
    json
      ? JSON.stringify({ passed, failed: failures.length, failures })
      : `${passed} passed, ${failures.length} failed`,
  );
  if (failures.length > 0) process.exitCode = 1;
}

function readVectors(file: string): VectorFile {
  try {
    const parsed = JSON.parse(readFileSync(file, 'utf8')) as Partial<VectorFile>;
    if (!Array.isArray(parsed.cases)) throw new Error('it has no "cases"');
    return parsed as VectorFile;
  } catch (cause) {
    throw new CepError(
      'INPUT_MISSING',
      `${file} is no vector file (${messageOf(cause).replaceAll('\n', ' ')}): name one in the form of test/vectors/FORMAT.md`,
      { cause },
    );
  }
}

async function runDriver(name: string, cases: readonly VectorCase[]): Promise<VectorReport> {
  const pure = PURE_DRIVERS[name];
  if (pure) return runVectors(cases, pure);
  // What is refused when it is built never becomes a session.
  const running = cases.filter(({ expected }) => expected.error === undefined);
  if (running.length < cases.length) {
    note(
      `${cases.length - running.length} cases of refused patterns are not for the session driver`,
    );
  }
  const env = await startTimeSkipping({ report: note });
  try {
    const session = await startSessionDriver(env, running);
    try {
      return await runVectors(running, session.driver, { anyOrder: true });
    } finally {
      await session.stop();
    }
  } finally {
    await env.teardown();
  }
}
