// What a session's state is as JSON: how many bytes, for each taken event ("node") and each match begun ("run"), with
// the events' own JSON shown apart, and how long it takes to write and to read. Lists that fork share their nodes;
// where a condition looks back, or a strategy skips, each run is a row of its own.
//
//   npm run bench:snapshot

import { assert } from '../src/assert.js';
import { compile } from '../src/automaton/compile.js';
import { NO_LIMITS } from '../src/automaton/limits.js';
import { CepOperator, type OperatorSnapshot } from '../src/automaton/operator.js';
import { days, patterns, seconds, skipPastLastEvent } from '../src/index.js';
import { type Click, type ClickPattern, patternOf } from './patterns.js';
import { bytesOf, click, median, repeated, report, rounded, START, show } from './support.js';

const REPETITIONS = 15;

const { begin } = patterns<Click>();
const isView = (e: Click) => e.eventType === 'view';

interface Case {
  readonly name: string;
  readonly pattern: ClickPattern;
  readonly views: readonly number[];
  readonly view: (i: number) => Partial<Click>;
}

const CASES: readonly Case[] = [
  { name: 'churn', pattern: patternOf('churn', 'ts'), views: [160, 5_000], view: () => ({}) },
  {
    // As in examples/journeys.ts: it looks back, and skips past the last event.
    name: 'intent of a product, skips',
    pattern: begin('initial_view')
      .where(isView)
      .followedBy('repeat_view')
      .where((e, match) => isView(e) && e.productId === match.initial_view[0]?.productId)
      .times(3)
      .within(days(7))
      .afterMatch(skipPastLastEvent()),
    views: [160, 5_000],
    // Each product is looked at three times, at least a hundred views apart: one more would be a match.
    view: (i) => ({ productId: `${1_000_000 + (i % 100) + 100 * Math.floor(i / 300)}` }),
  },
  {
    name: 'price, by any',
    pattern: begin('initial_view')
      .where(isView)
      .followedByAny('view_price_drop')
      .where((e, match) => {
        const [first] = match.initial_view;
        return isView(e) && e.productId === first?.productId && e.price < first.price;
      })
      .followedBy('cart_after_price_drop')
      .where((e) => e.eventType === 'cart')
      .within(days(7)),
    // A run for each view, and for each pair of views with a lower price.
    views: [160, 1_000],
    view: (i) => ({ productId: `${1_000_000 + (i % 10)}`, price: 100 + ((i * 37) % 101) / 2 }),
  },
];

function sessionOf({ pattern, view }: Case, views: number) {
  const nfa = compile(pattern);
  const operator = new CepOperator(nfa, { limits: NO_LIMITS });
  for (let i = 0; i < views; i++) {
    const event = click(i, START + i * seconds(30), view(i));
    operator.processElement(event);
    operator.advanceWatermark(event.timestamp);
  }
  return { nfa, operator };
}

const rows = CASES.flatMap((each) =>
  each.views.map((views) => {
    const { nfa, operator } = sessionOf(each, views);
    const text = JSON.stringify(operator.snapshot());
    const read = () =>
      new CepOperator(nfa, { limits: NO_LIMITS }, JSON.parse(text) as OperatorSnapshot);
    assert(JSON.stringify(read().snapshot()) === text, 'what is read is what was written');
    const { events, taken } = operator.snapshot().matches;
    const bytes = bytesOf(text);
    const eventBytes = events.reduce((sum, [, event]) => sum + bytesOf(JSON.stringify(event)), 0);
    const nodes = taken.length;
    const runs = operator.openCount;
    const ownBytes = bytes - eventBytes;
    const write = repeated(REPETITIONS, () => JSON.stringify(operator.snapshot()));
    return {
      pattern: each.name,
      views,
      nodes,
      runs,
      bytes,
      eventBytes,
      ownBytes,
      ownBytesPerNode: rounded(ownBytes / nodes),
      ownBytesPerRun: rounded(ownBytes / runs),
      bytesPerNode: rounded(bytes / nodes),
      bytesPerRun: rounded(bytes / runs),
      writeMs: rounded(median(write)),
      readMs: rounded(median(repeated(REPETITIONS, read))),
    };
  }),
);
show(
  'JSON of a snapshot; "own" is what is left without the events themselves',
  rows.map((row) => ({
    pattern: row.pattern,
    views: row.views,
    'live nodes': row.nodes,
    'live runs': row.runs,
    bytes: row.bytes,
    'of events': row.eventBytes,
    own: row.ownBytes,
    'own / node': row.ownBytesPerNode,
    'own / run': row.ownBytesPerRun,
    'all / node': row.bytesPerNode,
    'all / run': row.bytesPerRun,
    'write ms': row.writeMs,
    'read ms': row.readMs,
  })),
);
report('snapshot', { rows });
