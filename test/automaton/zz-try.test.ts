import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { compile } from '../../src/automaton/compile.js';
import { explain } from '../../src/automaton/explain.js';
import { explainText } from '../../src/automaton/explain-text.js';
import { decode } from '../../src/rules/decode.js';
import { parseDocument } from '../../src/rules/document.js';
import { eventOf } from '../../src/testing/vectors.js';
import { MAX_TIMESTAMP } from '../../src/time.js';

const { cases } = JSON.parse(
  readFileSync(new URL('../vectors/clickstream.json', import.meta.url), 'utf8'),
);
test.each([
  'cross-sell-same-category',
  'cart-abandonment-price-200',
  'cart-abandonment-seed-rows-unkeyed',
  'purchase-intent-with-noise',
  'purchase-intent-too-slow',
  'price-sensitivity-no-drop',
  'price-sensitivity-cart-too-late',
  'churn-purchase-next',
  'churn-not-followed-by-purchase-later',
])('%s', (name) => {
  const v = cases.find((c: any) => c.name === name);
  console.log(
    name +
      '\n' +
      explainText(
        explain(
          compile(decode(parseDocument(v.pattern))),
          v.events.map((_: any, i: number) => eventOf(v, i)),
          { until: MAX_TIMESTAMP },
        ),
      ),
  );
});
