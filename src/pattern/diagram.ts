// A pattern as a picture: a Mermaid state diagram with the contiguity on its arrows.
//
//   D1. Stages are states and arrows are called as the edges that lead to them. What can be left out is passed
//       by arrows of its own, what repeats has an arrow to itself.
//   D2. A match never stands in a NOT stage: that is a dead end beside the way on.
//   D3. No text of a user's reaches Mermaid as it is: states are called s1, s2, ... and groups g1, ..., and
//       names and conditions are escaped, so that every string is a name.

import { counted } from '../counted.js';
import { type Millis, UNIT_MILLIS } from '../time.js';
import type { AfterMatchSkipStrategy } from './after-match-skip.js';
import type { Condition } from './condition.js';
import type { PatternNode } from './pattern.js';
import { type ConsumingStrategy, isNot, type Quantifier } from './quantifier.js';

/** The parts of a pattern that a picture shows. */
export interface DrawablePattern {
  readonly chain: readonly PatternNode[];
  readonly afterMatchSkip: AfterMatchSkipStrategy;
}

const CALLS: Readonly<Record<ConsumingStrategy, string>> = {
  STRICT: 'next',
  SKIP_TILL_NEXT: 'followedBy',
  SKIP_TILL_ANY: 'followedByAny',
  NOT_NEXT: 'notNext',
  NOT_FOLLOW: 'notFollowedBy',
};

/**
 * Draws a pattern as a Mermaid state diagram, as Markdown on most forges and editors shows it. States are the
 * stages, with their quantifier, their `until`, and the source of their conditions where it is known: the text of a
 * CEL condition, the name of a class; a closure has none. Arrows tell the contiguity: `next`, `followedBy`,
 * `followedByAny`, and `notNext` and `notFollowedBy` to what must not come. An arrow from a state to itself is a
 * repetition; one that passes a stage says so ("without b"). Groups are states around states; windows and the
 * skip strategy are notes.
 *
 * @returns the text of a `stateDiagram-v2`, lines parted by \n, with one at the end; the same pattern gives the
 *   same text
 * @example toMermaid(begin('cart').followedBy('purchase').within(minutes(10)))
 */
export function toMermaid(pattern: DrawablePattern): string {
  return new Drawing().draw(pattern);
}

/** A state from which the next arrow may start, and what it passes when it does. */
interface Source {
  readonly id: string;
  readonly without: readonly string[];
}

class Drawing {
  readonly #lines: string[] = ['stateDiagram-v2'];
  readonly #absent: string[] = [];
  #depth = 0;
  #states = 0;
  #groups = 0;

  draw({ chain, afterMatchSkip }: DrawablePattern): string {
    this.#inside(() => this.#chain(chain, afterMatchSkip));
    if (this.#absent.length > 0) {
      this.#line(
        '  classDef absent fill:#fdecea,stroke:#c62828,stroke-dasharray:5 5,color:#611a15',
      );
      this.#line(`  class ${this.#absent.join(',')} absent`);
    }
    return `${this.#lines.join('\n')}\n`;
  }

  #line(text: string): void {
    this.#lines.push('  '.repeat(this.#depth) + text);
  }

  #inside(draw: () => void): void {
    this.#depth++;
    draw();
    this.#depth--;
  }

  /** `skip` is the whole pattern's strategy, null for a group: it has none. */
  #chain(chain: readonly PatternNode[], skip: AfterMatchSkipStrategy | null): void {
    const ids = chain.map((node) => this.#state(node));
    chain.forEach((node, i) => {
      const isLast = i === chain.length - 1;
      const lines = [...windowLines(node), ...(isLast && skip ? skipLines(skip) : [])];
      this.#note(ids[i] as string, lines);
    });
    const ends = this.#arrowsBetween(chain, ids);
    const why = skip ? endOf(chain[chain.length - 1] as PatternNode) : '';
    for (const end of ends) this.#arrow(end, '[*]', why);
  }

  /** Draws the arrows up to the last stage, and returns from where the chain may end. */
  #arrowsBetween(chain: readonly PatternNode[], ids: readonly string[]): Source[] {
    let sources: Source[] = [{ id: '[*]', without: [] }];
    chain.forEach((node, i) => {
      const here: Source = { id: ids[i] as string, without: [] };
      for (const source of sources) this.#arrow(source, here.id, i === 0 ? '' : CALLS[node.edge]);
      if (isNot(node.edge)) return;
      const { optional, kind, times, inner } = node.quantifier;
      if (kind === 'LOOPING' || (times?.to ?? 1) > 1) this.#arrow(here, here.id, CALLS[inner]);
      const passing = sources.map(({ id, without }) => ({
        id,
        without: [...without, nameOf(node)],
      }));
      sources = optional ? [...passing, here] : [here];
    });
    return sources;
  }

  #arrow({ id, without }: Source, target: string, call: string): void {
    // A pattern of which nothing is left matches nothing.
    if (id === target && id === '[*]') return;
    const passing = without.length > 0 ? `without ${without.join(', ')}` : '';
    const label = [call, passing].filter((part) => part !== '').join(', ');
    this.#line(`${id} --> ${target}${label === '' ? '' : ` : ${label}`}`);
  }

  #state(node: PatternNode): string {
    if (node.kind === 'GROUP') return this.#group(node.chain, node);
    const id = `s${++this.#states}`;
    this.#line(`state "${escaped(node.name)}" as ${id}`);
    if (isNot(node.edge)) this.#absent.push(id);
    const condition = node.condition && sourceOf(node.condition);
    const lines = [condition, ...quantifierLines(node.quantifier), untilLine(node)];
    for (const line of lines) if (line) this.#line(`${id} : ${escaped(line)}`);
    return id;
  }

  #group(chain: readonly PatternNode[], node: PatternNode): string {
    const id = `g${++this.#groups}`;
    const title = [...quantifierLines(node.quantifier), untilLine(node)].filter((line) => line);
    this.#line(`state "${escaped(['group', ...title].join(', '))}" as ${id} {`);
    this.#inside(() => this.#chain(chain, null));
    this.#line('}');
    return id;
  }

  #note(id: string, lines: readonly string[]): void {
    if (lines.length === 0) return;
    this.#line(`note right of ${id}`);
    this.#inside(() => {
      for (const line of lines) this.#line(escaped(line));
    });
    this.#line('end note');
  }
}

/** Escaped: it stands in labels that are made of parts. */
function nameOf(node: PatternNode): string {
  return node.kind === 'STAGE' ? escaped(node.name) : 'the group';
}

/** Why a match is complete where a NOT stage is the last. */
function endOf({ edge }: PatternNode): string {
  if (edge === 'NOT_NEXT') return 'any other event';
  return edge === 'NOT_FOLLOW' ? 'when the window ends' : '';
}

function quantifierLines({ kind, times, optional, greedy }: Quantifier): string[] {
  const words: string[] = [];
  if (times && kind === 'LOOPING') words.push(`${times.from} or more`);
  else if (times && times.from === times.to)
    words.push(times.to === 1 ? 'once' : `${times.to} times`);
  else if (times) words.push(`${times.from} to ${times.to} times`);
  if (optional) words.push('optional');
  if (greedy) words.push('greedy');
  if (times && times.gapMs !== null) words.push(`windowTime ${duration(times.gapMs)}`);
  return words.length > 0 ? [words.join(', ')] : [];
}

function untilLine({ until }: PatternNode): string | null {
  return until && `until ${sourceOf(until) ?? 'a closure holds'}`;
}

function windowLines({ windows }: PatternNode): string[] {
  const { FIRST_AND_LAST: whole, PREVIOUS_AND_CURRENT: step } = windows;
  return [
    ...(whole === undefined ? [] : [`the match within ${duration(whole)}`]),
    ...(step === undefined ? [] : [`within ${duration(step)} of the event before`]),
  ];
}

function skipLines(skip: AfterMatchSkipStrategy): string[] {
  if (skip.type === 'NO_SKIP') return [];
  return [`after a match ${skip.type}${'patternName' in skip ? ` ${skip.patternName}` : ''}`];
}

/** What is known of a condition; null where that is nothing. */
function sourceOf(condition: Condition): string | null {
  const { type, expression = null, parts = [] } = condition;
  if (type !== 'AND' && type !== 'OR' && type !== 'NOT') return expression;
  const sources = parts.map(sourceOf);
  if (sources.every((source) => source === null)) return null;
  if (type === 'NOT') return `!(${sources.join()})`;
  return sources
    .map((source, i) => {
      if (source === null) return parts[i]?.type === 'SUBTYPE' ? 'a subtype' : 'a closure';
      return parts.length > 1 ? `(${source})` : source;
    })
    .join(type === 'AND' ? ' && ' : ' || ');
}

/** In the largest unit that says it in whole numbers. */
function duration(ms: Millis): string {
  const units = Object.entries(UNIT_MILLIS).reverse();
  const [unit, size] = units.find(([, length]) => ms % length === 0) ?? ['MILLISECONDS', 1];
  const count = ms / size;
  const name = unit.toLowerCase();
  return counted(count, name.slice(0, -1));
}

/** Harmless in any label; what stands between letters or digits, or between words, is no Markdown. */
const KEPT = [
  /[\p{L}\p{N}'=,(]/u,
  /(?<=[\p{L}\p{N}])[-_](?=[\p{L}\p{N}])/u,
  // A name that begins like an address would become a link.
  /(?<=[\p{L}\p{N}])(?<!www)\.(?=[\p{L}\p{N}])/u,
  // At the start these begin a quotation, and a list.
  /(?<!^)>/u,
  /(?<!^\d*)\)/u,
  // Mermaid looks for "end note" and "direction LR" anywhere in a line.
  /(?<=\S)(?<!end|direction) (?=\S)/u,
];
const CHARACTERS = new RegExp(`(${KEPT.map(({ source }) => source).join('|')})|[^]`, 'giu');

/**
 * Text that Mermaid shows as it is. Its labels are Markdown, and its statements end with a line or a semicolon, so
 * all but letters, digits and the harmless is written as an entity, `#42;` for `*`. A control character becomes its
 * picture, a line break ␊, and a space that could be lost one that cannot.
 */
function escaped(text: string): string {
  return text.replace(CHARACTERS, (character, kept?: string) => {
    if (kept !== undefined) return kept;
    const code = character.codePointAt(0) as number;
    if (code < 0x20) return `#${0x2400 + code};`;
    return character === ' ' ? '#160;' : `#${code};`;
  });
}
