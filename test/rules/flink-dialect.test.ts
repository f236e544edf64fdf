// Spellings of rule tables: read as the documented form, with a warning for each.

import { expect, test } from 'vitest';
import { decode } from '../../src/rules/decode.js';
import { parseDocument } from '../../src/rules/document.js';
import { encode } from '../../src/rules/encode.js';
import { fromDialect } from '../../src/rules/flink-dialect.js';

const isView = { type: 'AVIATOR', expression: "eventType == 'view'" };
const until = { type: 'AVIATOR', expression: "eventType == 'logout'" };
const times = { from: 2, to: 3, windowTime: null };
const window = { type: 'FIRST_AND_LAST', time: { unit: 'MINUTES', size: 5 } };
const skip = { type: 'SKIP_PAST_LAST_EVENT', patternName: null };

const documented = {
  nodes: [
    {
      name: 'views',
      type: 'ATOMIC',
      quantifier: { consumingStrategy: 'STRICT', properties: ['TIMES'], times },
      condition: isView,
    },
    {
      name: 'more',
      type: 'COMPOSITE',
      quantifier: { properties: ['LOOPING'], untilCondition: until },
      nodes: [
        {
          name: 'again',
          type: 'ATOMIC',
          quantifier: { properties: ['SINGLE'] },
          condition: isView,
        },
      ],
      edges: [],
    },
  ],
  edges: [{ source: 'views', target: 'more', type: 'SKIP_TILL_NEXT' }],
  window,
  afterMatchStrategy: skip,
};

const spelt = {
  attributes: { zoom: 2 },
  nodes: [
    {
      name: 'views',
      type: 'ATOMIC',
      attributes: { x: 1, y: 2 },
      times,
      quantifier: {
        consumingStrategy: 'SKIP_TILL_NEXT',
        innerConsumingStrategy: 'STRICT',
        details: ['TIMES'],
        times: null,
      },
      condition: isView,
    },
    {
      name: 'more',
      type: 'COMPOSITE',
      untilCondition: until,
      times: null,
      quantifier: { details: ['LOOPING'] },
      nodes: [
        { name: 'again', type: 'ATOMIC', quantifier: { details: ['SINGLE'] }, condition: isView },
      ],
      edges: [],
    },
  ],
  edges: [{ source: 'views', target: 'more', type: 'SKIP_TILL_NEXT', attributes: {} }],
  window,
  afterMatchSkipStrategy: skip,
};

const written = (json: unknown) => encode(decode(parseDocument(json)));

test('every other spelling is read as the documented one', () => {
  const before = structuredClone(spelt);
  const { document, warnings } = fromDialect(spelt);
  expect(written(document)).toEqual(written(documented));
  expect(spelt).toEqual(before);
  expect(warnings.map(({ path, message }) => `${path}: ${message}`).sort()).toEqual([
    '$.afterMatchSkipStrategy: it is read as afterMatchStrategy',
    '$.attributes: it means nothing to a pattern',
    '$.edges[0].attributes: it means nothing to a pattern',
    '$.nodes[0].attributes: it means nothing to a pattern',
    '$.nodes[0].quantifier.details: it is read as properties',
    '$.nodes[0].quantifier.innerConsumingStrategy: it is read as consumingStrategy',
    '$.nodes[0].times: it is read as quantifier.times',
    '$.nodes[1].nodes[0].quantifier.details: it is read as properties',
    '$.nodes[1].quantifier.details: it is read as properties',
    '$.nodes[1].untilCondition: it is read as quantifier.untilCondition',
  ]);
});

test('the documented form is left as it is, without a word', () => {
  expect(fromDialect(documented)).toEqual({ document: documented, warnings: [] });
});

test('where both spellings stand, the documented one counts', () => {
  const both = { ...documented, afterMatchSkipStrategy: { type: 'NO_SKIP' } };
  const { document, warnings } = fromDialect(both);
  expect(document).toEqual(documented);
  expect(warnings).toEqual([
    {
      path: '$.afterMatchSkipStrategy',
      message: 'it is left out, because afterMatchStrategy is there',
    },
  ]);
});

test.each([null, 3, 'text', [], { nodes: 3, edges: null }])('%j is for parseDocument', (json) => {
  expect(fromDialect(json)).toEqual({ document: json, warnings: [] });
});
