import { Command } from 'commander';
import { counted } from '../../../counted.js';
import { loadJourneys } from '../../../journeys-module.js';
import { readJson } from '../../../json-file.js';
import type { JourneySet } from '../../../rules/journey.js';
import { type Finding, validateRuleSet } from '../../../rules/validate.js';
import { print } from '../../terminal.js';

export const CONDITIONS_HELP = 'journeys module whose conditions a rule set may name (CLASS)';

export function validateCommand(): Command {
  return new Command('validate')
    .description('say what is wrong with each rule of rule sets, and what may be')
    .argument('<files...>', 'rule sets: JSON documents such as examples/five.json')
    .option('--conditions <module>', CONDITIONS_HELP)
    .option(
      '--journeys <module>',
      'journeys module beside which the rules are to run from a table: it must not have them too',
    )
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Errors are what a rule would be refused for; warnings are patterns that can explode, spellings of Flink's documents that
are read as others, fields that "fields" does not have, and rules of which nobody hears. Each comes with its place.
Needs no server. Exits with 1 when there is an error.`,
    )
    .action(validate);
}

interface ValidateFlags {
  readonly conditions?: string;
  readonly journeys?: string;
  readonly json?: boolean;
}

async function validate(
  files: readonly string[],
  { conditions, journeys, json }: ValidateFlags,
): Promise<void> {
  const beside = journeys === undefined ? null : await setOf(journeys);
  const classes = (conditions === undefined ? beside : await setOf(conditions))?.conditions;
  const findings = files.flatMap((file) => {
    const document = readRuleSetFile(file);
    return validateRuleSet(document, classes, beside?.journeys).map((finding) => ({
      file,
      ...finding,
    }));
  });
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  if (json) print(JSON.stringify(findings));
  else {
    for (const finding of findings) print(lineOf(finding));
    print(`${counted(errors, 'error')}, ${counted(findings.length - errors, 'warning')}`);
  }
  if (errors > 0) process.exitCode = 1;
}

async function setOf(module: string): Promise<JourneySet> {
  return (await loadJourneys(module)).journeys.set;
}

/** @throws CepError `INPUT_MISSING` for a file that is no JSON */
export function readRuleSetFile(file: string): unknown {
  return readJson(file, 'rule set', 'name a JSON document such as examples/five.json');
}

function lineOf({ file, severity, path, rule, message }: Finding & { file: string }): string {
  return `${file}: ${severity} at ${path}${rule === null ? '' : ` (${rule})`}: ${message}`;
}
