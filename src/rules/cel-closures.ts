// The closures of cel-compile.ts that loop or compare: kept apart because there is one per operator.
//
// They are written out, not made from an operator table: a closure that does one comparison is what
// makes a condition cheap, and TypeScript has no macros.

import {
  type ArithmeticOperator,
  type Budget,
  CelEvaluationError,
  type Fields,
  pay,
} from './cel-values.js';

/** A compiled node: its value for one event, or a {@link CelEvaluationError}. */
export type Code = (event: Fields, match: Fields, timestamp: number) => unknown;

/** Where a comprehension's variable is while its loop runs. */
export interface Slot {
  value: unknown;
}

/** What one turn of a loop costs: a large body costs more than a small one. */
export interface Steps {
  readonly budget: Budget;
  readonly each: number;
}

export type OrderOperator = '<' | '<=' | '>' | '>=';

/** Only passed up: the top level sees that the budget is used up. */
const OUT_OF_STEPS = new CelEvaluationError('too many steps');

export type Loop = (
  items: readonly unknown[],
  event: Fields,
  match: Fields,
  timestamp: number,
) => unknown;

/** `exists` is decided by a true, `all` by a false; an error counts only when nothing decides. */
export function quantifier(decides: boolean, test: Code, slot: Slot, steps: Steps): Loop {
  return (items, e, m, t) => {
    let error: unknown;
    for (const item of items) {
      if (!pay(steps.budget, steps.each)) return OUT_OF_STEPS;
      slot.value = item;
      const value = test(e, m, t);
      if (value === decides) return decides;
      if (typeof value !== 'boolean') error ??= value;
    }
    return error ?? !decides;
  };
}

/** Strict: any error is the result. */
export function existsOne(test: Code, slot: Slot, steps: Steps): Loop {
  return (items, e, m, t) => {
    let found = 0;
    for (const item of items) {
      if (!pay(steps.budget, steps.each)) return OUT_OF_STEPS;
      slot.value = item;
      const value = test(e, m, t);
      if (typeof value !== 'boolean') return value;
      if (value) found++;
    }
    return found === 1;
  };
}

export function collect(test: Code, transform: Code | undefined, slot: Slot, steps: Steps): Loop {
  return (items, e, m, t) => {
    const list: unknown[] = [];
    for (const item of items) {
      if (!pay(steps.budget, steps.each)) return OUT_OF_STEPS;
      slot.value = item;
      const chosen = test(e, m, t);
      if (typeof chosen !== 'boolean') return chosen;
      if (!chosen) continue;
      const value = transform ? transform(e, m, t) : item;
      if (value instanceof CelEvaluationError) return value;
      list.push(value);
    }
    return list;
  };
}

export const TEXT_TESTS: Readonly<Record<string, (text: string, part: string) => boolean>> = {
  startsWith: (text, part) => text.startsWith(part),
  endsWith: (text, part) => text.endsWith(part),
  contains: (text, part) => text.includes(part),
};

export type Slow = (a: unknown, b: unknown) => unknown;

/** Two numbers, compared; anything else goes the slow way. */
export function compareNumbers(operator: OrderOperator, a: Code, b: Code, slow: Slow): Code {
  switch (operator) {
    case '<':
      return (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        return typeof x === 'number' && typeof y === 'number' ? x < y : slow(x, y);
      };
    case '<=':
      return (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        return typeof x === 'number' && typeof y === 'number' ? x <= y : slow(x, y);
      };
    case '>':
      return (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        return typeof x === 'number' && typeof y === 'number' ? x > y : slow(x, y);
      };
    case '>=':
      return (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        return typeof x === 'number' && typeof y === 'number' ? x >= y : slow(x, y);
      };
  }
}

/** A field of the event against a literal, in one closure; `general` does what is left. */
export function compareField(
  operator: OrderOperator,
  field: string,
  limit: number,
  general: Code,
): Code {
  switch (operator) {
    case '<':
      return (e, m, t) => {
        const x = e[field];
        return typeof x === 'number' ? x < limit : general(e, m, t);
      };
    case '<=':
      return (e, m, t) => {
        const x = e[field];
        return typeof x === 'number' ? x <= limit : general(e, m, t);
      };
    case '>':
      return (e, m, t) => {
        const x = e[field];
        return typeof x === 'number' ? x > limit : general(e, m, t);
      };
    case '>=':
      return (e, m, t) => {
        const x = e[field];
        return typeof x === 'number' ? x >= limit : general(e, m, t);
      };
  }
}

/** Doubles by doubles; `%` has no such overload. */
export function doubles(operator: ArithmeticOperator, a: Code, b: Code, slow: Slow): Code {
  switch (operator) {
    case '+':
      return (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        return typeof x === 'number' && typeof y === 'number' ? x + y : slow(x, y);
      };
    case '-':
      return (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        return typeof x === 'number' && typeof y === 'number' ? x - y : slow(x, y);
      };
    case '*':
      return (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        return typeof x === 'number' && typeof y === 'number' ? x * y : slow(x, y);
      };
    case '/':
      return (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        return typeof x === 'number' && typeof y === 'number' ? x / y : slow(x, y);
      };
    case '%':
      return (e, m, t) => slow(a(e, m, t), b(e, m, t));
  }
}
