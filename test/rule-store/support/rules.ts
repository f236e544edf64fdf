// Small rules, and Flink's table for them.

import { readFileSync } from 'node:fs';
import type { RuleEdit } from '../../../src/rule-store/rule-store.js';

/** One stage that is true of events of a type. */
export function patternOf(type: string): string {
  return JSON.stringify({
    type: 'COMPOSITE',
    version: 1,
    nodes: [
      {
        name: 'first',
        type: 'ATOMIC',
        quantifier: { consumingStrategy: 'SKIP_TILL_NEXT', properties: ['SINGLE'] },
        condition: { type: 'AVIATOR', expression: `eventType == '${type}'` },
      },
    ],
    edges: [],
    window: { type: 'FIRST_AND_LAST', time: { unit: 'MINUTES', size: 10 } },
    afterMatchStrategy: { type: 'NO_SKIP', patternName: null },
  });
}

/** A rule of the journey `shopping`, which has a key of its own. */
export function rule(id: string, edit: Partial<RuleEdit> = {}): RuleEdit {
  return {
    id,
    journey: 'shopping',
    key: 'userSession',
    pattern: patternOf('view'),
    onMatch: '{"alert":"SEEN"}',
    author: 'ann',
    ...edit,
  };
}

/** A table as Flink's users make it. */
export const flinkTable = (name: string) =>
  `create table ${name} (id varchar(64), version int, pattern varchar(4096), \`function\` varchar(512))`;

export const flinkRow = (name: string, id: string, version: number, pattern: string, effect = '') =>
  `insert into ${name} values ('${id}', ${version}, '${pattern.replaceAll("'", "''")}', '${effect}')`;

/** The five rules of the shop. */
export const FIVE: {
  rules: { id: string; journey: string; pattern: object; onMatch?: object; onTimeout?: object }[];
} = JSON.parse(readFileSync(new URL('../../../examples/five.json', import.meta.url), 'utf8'));
