import { Command } from 'commander';
import { loadJourneys } from '../../journeys-module.js';
import { toMermaid } from '../../pattern/diagram.js';
import { isDocument, readPattern } from '../pattern-file.js';
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
  const text = isDocument(pattern)
    ? toMermaid(readPattern(pattern).pattern)
    : await journeysAsText(pattern);
  print(text.trimEnd());
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
