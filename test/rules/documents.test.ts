// Pattern documents: what is read, written and read again is the same automaton; what is no document is
// refused with the place of the fault. The documents are those of all vectors.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { CepError, MalformedPatternError, RuleError } from '../../src/errors.js';
import { skipToLast } from '../../src/pattern/after-match-skip.js';
import { begin } from '../../src/pattern/pattern.js';
import { cel } from '../../src/rules/cel.js';
import { decode } from '../../src/rules/decode.js';
import { parseDocument } from '../../src/rules/document.js';
import { encode } from '../../src/rules/encode.js';
import type { VectorFile } from '../../src/testing/vectors.js';
import { minutes } from '../../src/time.js';

function thrownBy(call: () => unknown): CepError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(CepError);
    return error as CepError;
  }
  throw new Error('nothing was thrown');
}

describe('round trip', () => {
  const files = ['docs', 'clickstream', 'semantics', 'engine', 'out-of-order', 'random'];
  test.each(files)('every document of %s.json', (file) => {
    const url = new URL(`../vectors/${file}.json`, import.meta.url);
    const { cases } = JSON.parse(readFileSync(url, 'utf8')) as VectorFile;
    let refused = 0;
    for (const { name, pattern, expected } of cases) {
      try {
        const once = decode(parseDocument(pattern));
        const document = encode(once);
        const twice = decode(parseDocument(JSON.parse(JSON.stringify(document))));
        const [first, second] = [compile(once), compile(twice)];
        expect(second.fingerprint, name).toBe(first.fingerprint);
        expect(second.stageNames, name).toEqual(first.stageNames);
        expect(second.afterMatchSkip, name).toEqual(first.afterMatchSkip);
        const texts = [first, second].map(({ conditions }) => conditions.map((c) => c.expression));
        expect(texts[1], name).toEqual(texts[0]);
        expect(encode(twice), name).toEqual(document);
      } catch (error) {
        if (!(error instanceof MalformedPatternError || error instanceof RuleError)) throw error;
        expect(expected.error, `${name}: ${error.message}`).toBeDefined();
        refused++;
      }
    }
    expect(refused).toBe(cases.filter(({ expected }) => expected.error !== undefined).length);
  });
});

describe('encode', () => {
  const isA = cel("event.kind == 'a'");
  const isB = cel("event.kind == 'b'");

  test('a whole document', () => {
    const group = begin('x').where(isA).next('y').within(500);
    const pattern = begin('first')
      .where(isA)
      .or(isB)
      .times(0, 3, 1_500)
      .consecutive()
      .followedByAny(group)
      .timesOrMore(2)
      .followedBy('last')
      .where(isA)
      .oneOrMore()
      .greedy()
      .until(isB)
      .within(minutes(90))
      .within(minutes(2), 'PREVIOUS_AND_CURRENT')
      .afterMatch(skipToLast('last', { throwExceptionOnMiss: true }));
    expect(encode(pattern, { name: 'everything' })).toEqual({
      name: 'everything',
      type: 'COMPOSITE',
      version: 1,
      nodes: [
        {
          name: 'first',
          type: 'ATOMIC',
          quantifier: {
            consumingStrategy: 'STRICT',
            properties: ['TIMES'],
            times: { from: 0, to: 3, windowTime: { unit: 'MILLISECONDS', size: 1_500 } },
            untilCondition: null,
          },
          condition: { type: 'CEL', expression: "(event.kind == 'a') || (event.kind == 'b')" },
          window: null,
        },
        {
          name: '$group-1',
          type: 'COMPOSITE',
          version: 1,
          quantifier: {
            consumingStrategy: 'SKIP_TILL_NEXT',
            properties: ['LOOPING'],
            times: { from: 2, to: 2, windowTime: null },
            untilCondition: null,
          },
          condition: null,
          nodes: [
            {
              name: 'x',
              type: 'ATOMIC',
              quantifier: {
                consumingStrategy: 'STRICT',
                properties: ['SINGLE'],
                times: null,
                untilCondition: null,
              },
              condition: { type: 'CEL', expression: "event.kind == 'a'" },
              window: null,
            },
            {
              name: 'y',
              type: 'ATOMIC',
              quantifier: {
                consumingStrategy: 'STRICT',
                properties: ['SINGLE'],
                times: null,
                untilCondition: null,
              },
              condition: null,
              window: { type: 'FIRST_AND_LAST', time: { unit: 'MILLISECONDS', size: 500 } },
            },
          ],
          edges: [{ source: 'x', target: 'y', type: 'STRICT' }],
          window: null,
          afterMatchStrategy: null,
        },
        {
          name: 'last',
          type: 'ATOMIC',
          quantifier: {
            consumingStrategy: 'SKIP_TILL_NEXT',
            properties: ['LOOPING', 'GREEDY'],
            times: { from: 1, to: 1, windowTime: null },
            untilCondition: { type: 'CEL', expression: "event.kind == 'b'" },
          },
          condition: { type: 'CEL', expression: "event.kind == 'a'" },
          window: null,
        },
      ],
      edges: [
        { source: 'first', target: '$group-1', type: 'SKIP_TILL_ANY' },
        { source: '$group-1', target: 'last', type: 'SKIP_TILL_NEXT' },
      ],
      window: [
        { type: 'FIRST_AND_LAST', time: { unit: 'MINUTES', size: 90 } },
        { type: 'PREVIOUS_AND_CURRENT', time: { unit: 'MINUTES', size: 2 } },
      ],
      afterMatchStrategy: { type: 'SKIP_TO_LAST', patternName: 'last', throwException: true },
    });
  });

  test('times(0, n) behind a greedy stage, which optional() may not follow', () => {
    const pattern = begin('a').where(isA).oneOrMore().greedy().next('b').where(isB).times(0, 2);
    expect(compile(decode(encode(pattern))).fingerprint).toBe(compile(pattern).fingerprint);
  });

  test('a closure has no document form', () => {
    const closure = begin('a')
      .where(isA)
      .where(() => true);
    expect(thrownBy(() => encode(closure))).toMatchObject({
      code: 'EXPRESSION_INVALID',
      details: { stage: 'a' },
    });
  });
});

describe('refused', () => {
  const single = { consumingStrategy: 'SKIP_TILL_NEXT', properties: ['SINGLE'] };
  const node = (name: string, change: object = {}) => ({
    name,
    type: 'ATOMIC',
    quantifier: single,
    ...change,
  });
  const edge = (source: string, target: string, type = 'STRICT') => ({ source, target, type });
  const document = (change: object = {}) => ({
    nodes: [node('a'), node('b')],
    edges: [edge('a', 'b')],
    ...change,
  });

  test('the document that the others differ from is accepted', () => {
    expect(compile(decode(parseDocument(document()))).stageNames).toEqual(['a', 'b']);
  });

  test.each<[string, unknown]>([
    ['$', null],
    ['$', []],
    ['$', { ...document(), extra: 1 }],
    ['$.nodes', { edges: [] }],
    ['$.nodes', document({ nodes: [], edges: [] })],
    ['$.nodes[1].name', document({ nodes: [node('a'), node('b', { name: 1 })] })],
    ['$.nodes[0].type', document({ nodes: [node('a', { type: 'OTHER' })] })],
    ['$.nodes[0].quantifier', document({ nodes: [{ name: 'a', type: 'ATOMIC' }] })],
    [
      '$.nodes[0].quantifier.properties[1]',
      document({ nodes: [node('a', { quantifier: { properties: ['SINGLE', 'EAGER'] } })] }),
    ],
    [
      '$.nodes[0].quantifier.times.from',
      document({
        nodes: [node('a', { quantifier: { properties: ['TIMES'], times: { from: 1.5 } } })],
      }),
    ],
    [
      '$.nodes[0].condition.type',
      document({ nodes: [node('a', { condition: { type: 'MVEL', expression: '' } })] }),
    ],
    [
      '$.nodes[0].nodes[0].name',
      document({
        nodes: [
          {
            name: 'g',
            type: 'COMPOSITE',
            quantifier: single,
            nodes: [node('x', { name: null })],
            edges: [],
          },
        ],
      }),
    ],
    [
      '$.nodes[0].condition',
      document({
        nodes: [
          {
            name: 'g',
            type: 'COMPOSITE',
            quantifier: single,
            condition: { type: 'CEL', expression: 'true' },
            nodes: [node('x')],
            edges: [],
          },
        ],
      }),
    ],
    ['$.edges[0].type', document({ edges: [edge('a', 'b', 'NEXT')] })],
    [
      '$.window.time.unit',
      document({ window: { type: 'FIRST_AND_LAST', time: { unit: 'WEEKS', size: 1 } } }),
    ],
    [
      '$.window[0].time.unit',
      document({ window: [{ type: 'FIRST_AND_LAST', time: { unit: 'WEEKS', size: 1 } }] }),
    ],
    ['$.afterMatchStrategy.type', document({ afterMatchStrategy: { type: 'SKIP' } })],
  ])('%s', (path, json) => {
    const error = thrownBy(() => parseDocument(json));
    expect(error).toBeInstanceOf(RuleError);
    expect([error.code, error.details.path]).toEqual(['DOCUMENT_INVALID', path]);
    expect(error.message.startsWith(`${path}: `)).toBe(true);
  });

  test.each<[string, RegExp, object]>([
    ['$.edges', /source "z" is no node/, { edges: [edge('z', 'b')] }],
    ['$.edges', /target "z" is no node/, { edges: [edge('a', 'z')] }],
    ['$.edges', /"a" and "b" both lack an incoming edge/, { edges: [] }],
    ['$.edges', /every node has an incoming edge/, { edges: [edge('a', 'b'), edge('b', 'a')] }],
    [
      '$.edges',
      /node "a" has two outgoing edges/,
      { nodes: [node('a'), node('b'), node('c')], edges: [edge('a', 'b'), edge('a', 'c')] },
    ],
    [
      '$.edges',
      /not every node is reached/,
      {
        nodes: [node('a'), node('b'), node('c')],
        edges: [edge('b', 'c'), edge('c', 'b')],
      },
    ],
    [
      '$.nodes[0].edges',
      /both lack an incoming edge/,
      {
        nodes: [
          {
            name: 'g',
            type: 'COMPOSITE',
            quantifier: single,
            nodes: [node('x'), node('y')],
            edges: [],
          },
        ],
        edges: [],
      },
    ],
    [
      '$.nodes[1].quantifier.times',
      /TIMES needs "times"/,
      { nodes: [node('a'), node('b', { quantifier: { properties: ['TIMES'] } })] },
    ],
  ])('%s: %s', (path, message, change) => {
    const error = thrownBy(() => decode(parseDocument(document(change))));
    expect([error.code, error.details.path]).toEqual(['DOCUMENT_INVALID', path]);
    expect(error.message).toMatch(message);
  });

  test.each([
    ['$.nodes[1].condition', node('b', { condition: { type: 'CEL', expression: 'event.' } })],
    [
      '$.nodes[1].quantifier.untilCondition',
      node('b', {
        quantifier: {
          properties: ['LOOPING'],
          untilCondition: { type: 'CEL', expression: 'nonsense(' },
        },
      }),
    ],
  ])('an expression: %s', (path, bad) => {
    const error = thrownBy(() => decode(parseDocument(document({ nodes: [node('a'), bad] }))));
    expect(error).toBeInstanceOf(RuleError);
    expect([error.code, error.details.path]).toEqual(['EXPRESSION_INVALID', path]);
  });

  test('the order of nodes is that of the edges, not of the list', () => {
    const shuffled = document({
      nodes: [node('c'), node('a'), node('b')],
      edges: [edge('b', 'c'), edge('a', 'b')],
    });
    expect(compile(decode(parseDocument(shuffled))).stageNames).toEqual(['a', 'b', 'c']);
  });
});
