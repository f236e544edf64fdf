// The examples in the comments of src/pattern: each type checks, and each runs. They are taken from the
// sources and put, one function each, into a module that no file holds.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';
import * as api from '../../src/index.js';

const FOLDER = fileURLToPath(new URL('../../src/pattern/', import.meta.url));
const MODULE = `${FOLDER}examples-of-comments.ts`;

/** The text behind an @example up to the next tag or the end of its comment. */
const examples = readdirSync(FOLDER)
  .sort()
  .flatMap((file) => {
    const comments = readFileSync(FOLDER + file, 'utf8').match(/\/\*\*[\s\S]*?\*\//g) ?? [];
    return comments.flatMap((comment) => {
      const text = comment.replace(/^\s*\* ?|\s*\*\/$/gm, '');
      const [, example] = /@example\s([\s\S]*?)(?=^@|$(?![\s\S]))/m.exec(text) ?? [];
      return example === undefined ? [] : [{ file, example: example.trim() }];
    });
  });

/** An example is an expression, or statements that end in a semicolon. */
const functions = examples.map(({ example }, i) =>
  example.endsWith(';')
    ? `export function example${i}(): unknown {\n${example}\nreturn null;\n}`
    : `export const example${i} = (): unknown =>\n${example};`,
);
const source = `
import type * as api from '../index.js';
type Click = { eventType: string; productId: string; price: number };
type Cart = Click & { eventType: 'cart' };
type AfterMatchSkipStrategy = api.AfterMatchSkipStrategy;
type Condition<E> = api.Condition<E>;
type ConditionFunction<E> = api.ConditionFunction<E>;
type ConditionInput<E> = api.ConditionInput<E>;
type MatchSoFar<E> = api.MatchSoFar<E>;
type FinishedMatch<S extends Record<string, unknown>> = api.FinishedMatch<S>;
declare const begin: ReturnType<typeof api.patterns<Click & Record<string, unknown>>>['begin'];
declare const { cel, days, minutes, noSkip, patterns, skipPastLastEvent, skipToFirst, skipToLast, skipToNext, toMermaid, warningsOf }: typeof api;
${functions.join('\n')}
`;

test('there are examples of every call', () => {
  const said = examples.map(({ example }) => example).join('\n');
  const calls = Object.getOwnPropertyNames(api.Pattern.prototype);
  expect(calls.filter((call) => call !== 'constructor' && !said.includes(`.${call}(`))).toEqual([]);
});

test('each type checks', () => {
  const configFile = fileURLToPath(new URL('../../tsconfig.json', import.meta.url));
  const { config } = ts.readConfigFile(configFile, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, `${FOLDER}../..`);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === MODULE || fileExists(path);
  host.getSourceFile = (path, ...rest) =>
    path === MODULE
      ? ts.createSourceFile(path, source, ts.ScriptTarget.ES2023)
      : getSourceFile(path, ...rest);
  const program = ts.createProgram([MODULE], { ...options, types: [] }, host);
  const complaints = program
    .getSemanticDiagnostics(program.getSourceFile(MODULE))
    .concat(program.getSyntacticDiagnostics(program.getSourceFile(MODULE)))
    .map(({ messageText, start = 0 }) => [
      ts.flattenDiagnosticMessageText(messageText, '\n'),
      source.slice(start, start + 80),
    ]);
  expect(complaints).toEqual([]);
}, 60_000);

test('each runs', () => {
  const { outputText } = ts.transpileModule(functions.join('\n').replaceAll('export ', ''), {
    compilerOptions: { target: ts.ScriptTarget.ES2023 },
  });
  const names = Object.keys(api);
  const run = new Function(
    ...names,
    `${outputText}; return [${examples.map((_, i) => `example${i}()`)}];`,
  );
  expect(run(...Object.values(api))).toHaveLength(examples.length);
});
