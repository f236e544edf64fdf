// What the types know of a pattern's last stage, so that the compiler refuses the calls that FlinkCEP refuses.
//
// Each call of the fluent API adds a word to what was said of the stage. A call that may not come now has a
// sentence in place of the type of its `this`: the compiler's complaint then names the remedy, as in
//
//   The 'this' context of type 'Pattern<Click, { cart: Click; }, "cart", never, "cart">' is not assignable
//   to method's 'this' of type '"greedy() needs a quantifier before it, such as oneOrMore()"'.
//
// The calls check the same again when they run: patterns also come from JSON and from plain JavaScript.

/** What calls have said of the last stage. */
export type Said =
  | 'GROUP'
  | 'NOT'
  | 'TIMES'
  | 'LOOPING'
  | 'OPTIONAL'
  | 'GREEDY'
  | 'CONSECUTIVE'
  | 'COMBINATIONS'
  | 'UNTIL'
  /** The stage before is greedy. */
  | 'AFTER_GREEDY';

/** The sentence, where one of the words was said. Of `any`, what was said is unknown: nothing is refused. */
export type Without<S, Word extends Said, Sentence extends string> = unknown extends S
  ? unknown
  : [Extract<S, Word>] extends [never]
    ? unknown
    : Sentence;

/** The sentence, where none of the words was said. */
export type Needs<S, Word extends Said, Sentence extends string> = unknown extends S
  ? unknown
  : [Extract<S, Word>] extends [never]
    ? Sentence
    : unknown;

/** What is known of a stage from the one before it. */
export type Behind<S extends Said> = unknown extends S
  ? S
  : 'GREEDY' extends S
    ? 'AFTER_GREEDY'
    : never;

/** A stage's name; a sentence where another stage has it. Unknown names are let through. */
export type Fresh<Name extends string, Taken> = string extends Taken
  ? Name
  : Name extends Taken
    ? `another stage is called ${Name}: rename one`
    : Name;

/** The sentence, where a group has a name that the pattern has too. */
export type FreshGroup<Names, Taken> = string extends Taken | Names
  ? unknown
  : [Names & Taken] extends [never]
    ? unknown
    : `another stage is called ${Names & Taken & string}: rename one`;

/** For quantifiers: not on a NOT stage, and once. */
export type Unquantified<S> = Without<
  S,
  'NOT',
  'a NOT stage takes no event, so no quantifier either'
> &
  Without<S, 'TIMES' | 'LOOPING', 'a stage takes one quantifier: drop the second'>;

/** A quantifier forgets an optional() before it. */
export type Mandatory<S extends Said> = Exclude<S, 'OPTIONAL'>;

/** For what refines a quantifier. A NOT stage can't get one, so it lacks one. */
export type Quantified<S, Call extends string> = Needs<
  S,
  'TIMES' | 'LOOPING',
  `${Call} needs a quantifier before it, such as oneOrMore()`
>;

/** For consecutive() and allowCombinations(). */
export type OneContiguity<S> = Without<
  S,
  'CONSECUTIVE' | 'COMBINATIONS',
  'use one of consecutive() and allowCombinations(), once'
>;
