import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { compile } from '../../automaton/compile.js';
import { CepError, messageOf } from '../../errors.js';
import { loadJourneys } from '../../journeys-module.js';
import { toMermaid } from '../../pattern/diagram.js';
import { decode } from '../../rules/decode.js';
import { parseDocument } from '../../rules/document.js';
import { print } from '../terminal.js';

export function diagramCommand(): Command {
  return new Command('diagram')
    .description('draw a pattern, or the patterns of a journeys module, as Mermaid state diagrams')
    .requiredOption(
      '--pattern <file>',
      'a pattern document (.json), or a journeys module, JavaScript or TypeScript',
    )
    .addHelpText(
      'after',
      `
Of a pattern document it prints the diagram alone, of a journeys module Markdown: a heading and a diagram for
each rule. Needs no server. Exits with 1 when the file cannot be read or a pattern in it is refused.`,
    )
    .action(run);
}

async function run({ pattern }: { pattern: string }): Promise<void> {
  const text = /\.json$/i.test(pattern) ? documentAsText(pattern) : await journeysAsText(pattern);
  print(text.trimEnd());
}

function documentAsText(file: string): string {
  const json = readJson(file);
  try {
    const pattern = decode(parseDocument(json));
    // What only shows in the whole is refused here.
    compile(pattern);
    return toMermaid(pattern);
  } catch (cause) {
    if (!(cause instanceof CepError)) throw cause;
    const details = { ...cause.details, file };
    throw new CepError(cause.code, `${file}: ${oneLine(cause)}`, { details, cause });
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CepError(
      'INPUT_MISSING',
      `${file} is no pattern document (${oneLine(cause)}): name a JSON file in the form of test/vectors/FORMAT.md, or a journeys module`,
      { cause },
    );
  }
}

function oneLine(error: unknown): string {
  return messageOf(error).replace(/\s*\n\s*/g, ' ');
}

async function journeysAsText(file: string): Promise<string> {
  const { journeys } = await loadJourneys(file);
  return [...journeys.byId.values()]
    .flatMap(({ journey, rules }) => rules.map(({ rule }) => ({ journey, rule })))
    .map(({ journey, rule }) =>
      [
        `## ${journey.id}/${rule.id}`,
        ...(rule.description ? [rule.description] : []),
        `\`\`\`mermaid\n${toMermaid(rule.pattern)}\`\`\``,
      ].join('\n\n'),
    )
    .join('\n\n');
}
