// From the library's syntax tree of a CEL expression to JavaScript closures.
//
// Why not the library's own evaluator: it looks globals up while it runs, which makes one condition
// cost 4 microseconds in Temporal's sandbox, and it strays from the specification in a dozen places
// (test/rules/cel-library.test.ts lists them). Its parser and type checker are what we use.
//
// A closure takes (event, match, timestamp) and returns a value or an error value (cel-values.ts,
// V1 and V2). The frequent shapes, `event.field` and a comparison with a literal, are one closure.
//
//   C1. Every kind of node is named in `compile`; what is not, is refused with its name and its place.
//       Nothing that the compiler does not know is ever handed to another evaluator.
//   C2. A closure trusts no static type but those the compiler itself gave (`Part.kind`): `event` is a
//       map, `match` is a map of lists of maps. Everything else is looked at when it is there.
//   C3. Evaluation allocates nothing unless the expression builds a list, a map, a string or an int
//       outside the number path. Messages are made when they are first needed.
//   C4. A comprehension's variable lives in a slot that belongs to its node. Evaluation is synchronous
//       and does not call itself, so a slot needs no frame; it is emptied when the loop ends.
//   C5. Each turn of a comprehension is paid for by the size of its body, and so is whatever else grows
//       with the data (V4). When the budget is used up the evaluation fails as a whole: no `||`
//       absorbs that.

import type { ASTNode } from '@marcbachmann/cel-js';
import { counted } from '../counted.js';
import { type Agreement, FIRST_EVENT, type KnowsFirst } from '../pattern/condition.js';
import {
  type Code,
  collect,
  compareField,
  compareNumbers,
  doubles,
  existsOne,
  type OrderOperator,
  quantifier,
  type Slot,
  type Steps,
  TEXT_TESTS,
} from './cel-closures.js';
import {
  CelRefusal,
  describePlace,
  refuseOtherPrecedence,
  refuseRawString,
  widenHas,
} from './cel-syntax.js';
import {
  type ArithmeticOperator,
  arithmetic,
  type Budget,
  CelEvaluationError,
  CONVERSIONS,
  codePoints,
  entry,
  equal,
  type Fields,
  isFields,
  isInt,
  isMapLiteral,
  listIndex,
  mapKey,
  mapKeys,
  type Outcome,
  order,
  pay,
  payForText,
  typeName,
} from './cel-values.js';

const isArray = Array.isArray;
const hasOwn = Object.hasOwn;
const toBigInt = BigInt;
const SAFE_MAX = Number.MAX_SAFE_INTEGER;
const OBJECT_PROTOTYPE = Object.prototype;

/**
 * What the compiler is sure of: the event itself, `match`, a stage's list of events, one event of such
 * a list; `dyn` is anything. Each but the first two may be an error instead.
 */
type Kind = 'event' | 'match' | 'stage' | 'element' | 'bool' | 'int' | 'dyn';

interface Part {
  readonly kind: Kind;
  readonly run: Code;
  /** A literal's value. */
  readonly literal?: { readonly value: unknown };
  /** `event.<field>`, with a field name that no object inherits. */
  readonly field?: string;
  /** `match.<stage>`; and `match.<stage>[0]`, where it is an element. */
  readonly stage?: string;
  /** `match.<stage>[0].<field>`, with a field name that no object inherits. */
  readonly first?: Pick<Agreement, 'stage' | 'firstField'>;
  /** Where it is false, whatever else is in it, unless event and match agree. */
  readonly agreement?: Agreement | undefined;
  /** A comparison of the event with a literal: it costs nothing of the budget. */
  readonly isPlain?: boolean;
  /** An int as a plain number: it is a whole number no further from 0 than `bound`. */
  readonly small?: { readonly run: Code; readonly bound: number };
}

/** A variable of a comprehension. */
interface Variable {
  readonly name: string;
  readonly kind: Kind;
  readonly slot: Slot;
}

export interface Compiled {
  readonly run: Code;
  /** Whether the expression mentions `match`. */
  readonly usesMatch: boolean;
  readonly budget: Budget;
  readonly agreement: Agreement | undefined;
}

const NODES_MAX = 10_000;
const DEPTH_MAX = 400;
/** No list is longer: the length of a JavaScript array. */
const LENGTH_MAX = 2 ** 32;

const MACROS = ['all', 'exists', 'exists_one', 'map', 'filter'];
const METHODS = ['size', 'startsWith', 'endsWith', 'contains'];
const FUNCTIONS = ['size', 'has', 'string', 'int', 'double', 'bool', 'dyn'];
export const VARIABLES = ['event', 'match', 'timestamp'];

/**
 * Compiles a syntax tree that the library's parser made. Run the library's type check afterwards:
 * compiling widens what it lets `has` test.
 *
 * @throws CelRefusal for a node that has no meaning here
 */
export function compileCel(expression: string, root: ASTNode): Compiled {
  return new Compiler(expression).whole(root);
}

class Compiler {
  readonly expression: string;
  readonly budget: Budget = { left: 0 };
  usesMatch = false;
  #nodes = 0;
  #depth = 0;
  readonly #variables: Variable[] = [];

  constructor(expression: string) {
    this.expression = expression;
  }

  whole(root: ASTNode): Compiled {
    const part = this.compile(root);
    let run = part.run;
    if (part.kind !== 'bool') {
      const notBool = this.#raiser(root);
      run = (e, m, t) => {
        const value = part.run(e, m, t);
        if (typeof value === 'boolean' || value instanceof CelEvaluationError) return value;
        return notBool(`the condition is a ${typeName(value)}, not a bool`);
      };
    }
    const { usesMatch, budget } = this;
    return { run, usesMatch, budget, agreement: part.agreement };
  }

  compile(node: ASTNode): Part {
    if (++this.#nodes > NODES_MAX) {
      throw new CelRefusal(`the expression has more than ${NODES_MAX} parts; split it`, node.pos);
    }
    if (++this.#depth > DEPTH_MAX) {
      throw new CelRefusal(`nested more than ${DEPTH_MAX} deep; split the condition`, node.pos);
    }
    const part = this.#compile(node);
    this.#depth--;
    return part;
  }

  #compile(node: ASTNode): Part {
    switch (node.op) {
      case 'value':
        return this.#literal(node.args, node);
      case 'id':
        return this.#variable(node.args, node);
      case '.':
        return this.#field(this.#object(node.args[0]), node.args[1], node);
      case '[]':
        return this.#index(this.#object(node.args[0]), this.compile(node.args[1]), node);
      case '&&':
      case '||':
        return this.#logical(node.op === '||', node.args[0], node.args[1]);
      case '==':
      case '!=':
        return this.#equality(node.op === '==', node.args[0], node.args[1], node);
      case '<':
      case '<=':
      case '>':
      case '>=':
        return this.#ordering(node.op, node.args[0], node.args[1], node);
      case 'in':
        return this.#membership(this.compile(node.args[0]), this.compile(node.args[1]), node);
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
        return this.#arithmetic(
          node.op,
          this.compile(node.args[0]),
          this.compile(node.args[1]),
          node,
        );
      case '!_':
        return this.#not(this.compile(node.args), node);
      case '-_':
        return this.#negative(node.args, node);
      case '?:':
        return this.#conditional(node.args[0], node.args[1], node.args[2]);
      case 'list':
        return this.#list(node.args);
      case 'map':
        return this.#map(node.args, node);
      case 'call':
        return this.#call(node.args[0], node.args[1], node);
      case 'rcall':
        return this.#method(node.args[0], node.args[1], node.args[2], node);
      default:
        throw new CelRefusal(`'${node.op}' is not supported`, node.pos);
    }
  }

  // ---- errors

  /** Makes an error of this node. */
  #raiser(node: ASTNode): (message: string) => CelEvaluationError {
    const { expression } = this;
    const { pos } = node;
    return (message) =>
      new CelEvaluationError(`${message} (${describePlace(expression, pos)} of the expression)`);
  }

  /** One error of this node, made when it is first needed and then again and again (C3). */
  #raiseSame(node: ASTNode, message: string): () => CelEvaluationError {
    const raise = this.#raiser(node);
    let error: CelEvaluationError | undefined;
    return () => {
      error ??= raise(message);
      return error;
    };
  }

  /** The error for an operator that is not defined for these two; an operand's own error goes first. */
  #raiseOverload(node: ASTNode, operator: string): (a: unknown, b: unknown) => CelEvaluationError {
    const raise = this.#raiser(node);
    return (a, b) => {
      if (a instanceof CelEvaluationError) return a;
      if (b instanceof CelEvaluationError) return b;
      const left = typeName(a);
      const right = typeName(b);
      const mixed =
        (left === 'int' && right === 'double') || (left === 'double' && right === 'int');
      return raise(
        `no overload of ${operator} for ${left} and ${right}${
          mixed ? ': numbers of an event are doubles, write 1.0 or double(...)' : ''
        }`,
      );
    };
  }

  // ---- leaves

  #literal(value: unknown, node: ASTNode): Part {
    if (typeof value === 'string') {
      refuseRawString(this.expression, value, node);
      return { kind: 'dyn', run: () => value, literal: { value } };
    }
    if (typeof value === 'bigint') {
      if (!isInt(value)) {
        throw new CelRefusal(`${value} does not fit a 64-bit int; write ${value}.0`, node.pos);
      }
      return this.#int(value);
    }
    if (typeof value === 'boolean') return { kind: 'bool', run: () => value, literal: { value } };
    if (typeof value === 'number' || value === null) {
      return { kind: 'dyn', run: () => value, literal: { value } };
    }
    throw value instanceof Uint8Array
      ? new CelRefusal('bytes are not supported: events are JSON; use a string', node.pos)
      : new CelRefusal(`unsigned ints are not supported; write ${value}`, node.pos);
  }

  #int(value: bigint): Part {
    const number = Number(value);
    return {
      kind: 'int',
      run: () => value,
      literal: { value },
      ...(Number.isSafeInteger(number)
        ? { small: { run: () => number, bound: Math.abs(number) } }
        : {}),
    };
  }

  #variable(name: string, node: ASTNode): Part {
    const inner = this.#variables.findLast((v) => v.name === name);
    if (inner) return { kind: inner.kind, run: () => inner.slot.value };
    switch (name) {
      case 'event':
        return { kind: 'event', run: (e) => e };
      case 'match':
        // How the automaton makes its stages, ahead or when asked, is its affair.
        throw new CelRefusal(
          "'match' is only read by stage: match.name, match['name'], has(match.name)",
          node.pos,
        );
      case 'timestamp':
        return {
          kind: 'int',
          run: (_e, _m, t) => toBigInt(t),
          small: { run: (_e, _m, t) => t, bound: SAFE_MAX },
        };
      default: {
        const known = [...VARIABLES, ...this.#variables.map((v) => v.name)];
        throw new CelRefusal(
          `unknown variable '${name}'; known here are ${known.join(', ')}`,
          node.pos,
        );
      }
    }
  }

  // ---- access

  /** What is in front of `.` or `[`: the only place for `match`. */
  #object(node: ASTNode): Part {
    if (
      node.op !== 'id' ||
      node.args !== 'match' ||
      this.#variables.some((v) => v.name === 'match')
    ) {
      return this.compile(node);
    }
    this.usesMatch = true;
    return { kind: 'match', run: (_e, m) => m };
  }

  #field(object: Part, name: string, node: ASTNode): Part {
    const missing = this.#raiseSame(
      node,
      object.kind === 'match' ? `no stage '${name}' in match` : `no field '${name}'`,
    );
    // Only an inherited name needs asking whose it is; reading the others is enough.
    const inherited = name in OBJECT_PROTOTYPE;
    if (object.kind === 'match') {
      return {
        kind: 'stage',
        stage: name,
        run: (_e, m) => {
          const events = m[name];
          return isArray(events) ? events : missing();
        },
      };
    }
    if (object.kind === 'event' && !inherited) {
      return {
        kind: 'dyn',
        field: name,
        run: (e) => {
          const value = e[name];
          return value === undefined ? missing() : value;
        },
      };
    }
    const { run } = object;
    if (object.kind === 'element' && !inherited) {
      const { stage } = object;
      return {
        kind: 'dyn',
        ...(stage !== undefined && { first: { stage, firstField: name } }),
        run: (e, m, t) => {
          const fields = run(e, m, t) as Fields;
          if (fields instanceof CelEvaluationError) return fields;
          const value = fields[name];
          return value === undefined ? missing() : value;
        },
      };
    }
    const noFields = this.#raiser(node);
    return {
      kind: 'dyn',
      run: (e, m, t) => {
        const fields = run(e, m, t);
        if (isFields(fields) || isMapLiteral(fields)) {
          const value = entry(fields, name);
          return value === undefined ? missing() : value;
        }
        if (fields instanceof CelEvaluationError) return fields;
        return noFields(`a ${typeName(fields)} has no field '${name}'`);
      },
    };
  }

  #index(object: Part, key: Part, node: ASTNode): Part {
    const literal = key.literal?.value;
    if (typeof literal === 'string' && object.kind !== 'stage') {
      return this.#field(object, literal, node);
    }
    const outOfRange = this.#raiseSame(node, 'the index is out of range');
    if (object.kind === 'match') {
      const stageOf = key.run;
      const missing = this.#raiser(node);
      return {
        kind: 'stage',
        run: (e, m, t) => {
          const name = stageOf(e, m, t);
          if (name instanceof CelEvaluationError) return name;
          const events = typeof name === 'string' ? m[name] : undefined;
          return isArray(events) ? events : missing('no such stage in match');
        },
      };
    }
    const { run } = object;
    if (object.kind === 'stage' && key.small) {
      const at = key.small.run;
      const element: Code = (e, m, t) => {
        const events = run(e, m, t);
        if (!isArray(events)) return events;
        const index = at(e, m, t);
        if (typeof index !== 'number') return index;
        const event = events[index];
        return event === undefined ? outOfRange() : event;
      };
      const { stage } = object;
      if (stage === undefined || literal !== 0n) return { kind: 'element', run: element };
      return {
        kind: 'element',
        stage,
        run: (e, m, t) => (m as KnowsFirst)[FIRST_EVENT]?.(stage) ?? element(e, m, t),
      };
    }
    const keyOf = key.run;
    const missing = this.#raiseSame(node, 'no such key in the map');
    const overload = this.#raiseOverload(node, '[]');
    return {
      kind: object.kind === 'stage' ? 'element' : 'dyn',
      run: (e, m, t) => {
        const container = run(e, m, t);
        const at = keyOf(e, m, t);
        if (at instanceof CelEvaluationError) return overload(container, at);
        if (isArray(container)) {
          const index = listIndex(at);
          if (index === undefined) {
            return typeof at === 'number' ? outOfRange() : overload(container, at);
          }
          const value = container[index];
          return value === undefined ? outOfRange() : value;
        }
        if (!isFields(container) && !isMapLiteral(container)) return overload(container, at);
        const value = entry(container, at);
        return value === undefined ? missing() : value;
      },
    };
  }

  // ---- logic

  /** `&&` and `||`: the side that decides wins, in either order, over an error of the other. */
  #logical(decides: boolean, leftNode: ASTNode, rightNode: ASTNode): Part {
    const leftPart = this.compile(leftNode);
    const rightPart = this.compile(rightNode);
    const left = leftPart.run;
    const right = rightPart.run;
    const operator = decides ? '||' : '&&';
    const notBool = (node: ASTNode) => {
      const raise = this.#raiser(node);
      return (value: unknown) =>
        value instanceof CelEvaluationError
          ? value
          : raise(`${operator} needs a bool, not a ${typeName(value)}`);
    };
    const leftError = notBool(leftNode);
    const rightError = notBool(rightNode);
    if (decides) {
      return {
        kind: 'bool',
        run: (e, m, t) => {
          const a = left(e, m, t);
          if (a === true) return true;
          const b = right(e, m, t);
          if (b === true) return true;
          if (a !== false) return leftError(a);
          return b === false ? false : rightError(b);
        },
      };
    }
    const isPlain = leftPart.isPlain === true && rightPart.isPlain === true;
    return {
      kind: 'bool',
      isPlain,
      // A false side decides over an error of the other, but not over a budget that is used up.
      agreement: leftPart.agreement ?? (leftPart.isPlain ? rightPart.agreement : undefined),
      run: (e, m, t) => {
        const a = left(e, m, t);
        if (a === false) return false;
        const b = right(e, m, t);
        if (b === false) return false;
        if (a !== true) return leftError(a);
        return b === true ? true : rightError(b);
      },
    };
  }

  #not(part: Part, node: ASTNode): Part {
    const { run } = part;
    const raise = this.#raiser(node);
    return {
      kind: 'bool',
      run: (e, m, t) => {
        const value = run(e, m, t);
        if (value === true) return false;
        if (value === false) return true;
        if (value instanceof CelEvaluationError) return value;
        return raise(`! needs a bool, not a ${typeName(value)}`);
      },
    };
  }

  #conditional(conditionNode: ASTNode, thenNode: ASTNode, elseNode: ASTNode): Part {
    const condition = this.compile(conditionNode).run;
    const whenTrue = this.compile(thenNode);
    const whenFalse = this.compile(elseNode);
    const raise = this.#raiser(conditionNode);
    const yes = whenTrue.run;
    const no = whenFalse.run;
    return {
      kind: whenTrue.kind === whenFalse.kind && whenTrue.kind !== 'event' ? whenTrue.kind : 'dyn',
      run: (e, m, t) => {
        const chosen = condition(e, m, t);
        if (chosen === true) return yes(e, m, t);
        if (chosen === false) return no(e, m, t);
        if (chosen instanceof CelEvaluationError) return chosen;
        return raise(`?: needs a bool, not a ${typeName(chosen)}`);
      },
    };
  }

  // ---- comparison

  #equality(same: boolean, leftNode: ASTNode, rightNode: ASTNode, node: ASTNode): Part {
    refuseOtherPrecedence(this.expression, node.op, leftNode, rightNode);
    const differ = !same;
    const { budget } = this;
    const left = this.compile(leftNode);
    const right = this.compile(rightNode);
    const slow = (a: unknown, b: unknown): unknown => {
      if (a instanceof CelEvaluationError) return a;
      if (b instanceof CelEvaluationError) return b;
      return equal(a, b, budget) ? same : differ;
    };
    const [subject, constant] = left.literal ? [right, left] : [left, right];
    const wanted = simple(constant);
    if (wanted !== undefined) {
      if (subject.field !== undefined) {
        const { field, run } = subject;
        return {
          kind: 'bool',
          isPlain: true,
          run: (e, m, t) => {
            const value = e[field];
            if (value === wanted) return same;
            // A JSON value that is not identical to a scalar is not equal to it either.
            return value === undefined ? run(e, m, t) : differ;
          },
        };
      }
      const run = subject.small?.run ?? subject.run;
      return {
        kind: 'bool',
        run: (e, m, t) => {
          const value = run(e, m, t);
          return value === wanted ? same : slow(value, wanted);
        },
      };
    }
    const a = left.small?.run ?? left.run;
    const b = right.small?.run ?? right.run;
    return {
      kind: 'bool',
      agreement: same ? agreementOf(left, right) : undefined,
      run: (e, m, t) => {
        const x = a(e, m, t);
        const y = b(e, m, t);
        const type = typeof x;
        if (type === typeof y && type !== 'object') return x === y ? same : differ;
        return slow(x, y);
      },
    };
  }

  #ordering(operator: OrderOperator, leftNode: ASTNode, rightNode: ASTNode, node: ASTNode): Part {
    const left = this.compile(leftNode);
    const right = this.compile(rightNode);
    const overload = this.#raiseOverload(node, operator);
    const slow = (a: unknown, b: unknown): unknown => {
      const sign = order(a, b);
      if (sign === undefined) return overload(a, b);
      switch (operator) {
        case '<':
          return sign < 0;
        case '<=':
          return sign <= 0;
        case '>':
          return sign > 0;
        case '>=':
          return sign >= 0;
      }
    };
    // An int on the number path must be called an int when it meets a string.
    const honest =
      (left.small && !right.small) || (right.small && !left.small)
        ? (a: unknown, b: unknown): unknown => {
            const x = left.small && typeof a === 'number' ? toBigInt(a) : a;
            const y = right.small && typeof b === 'number' ? toBigInt(b) : b;
            return slow(x, y);
          }
        : slow;
    const run = compareNumbers(
      operator,
      left.small?.run ?? left.run,
      right.small?.run ?? right.run,
      honest,
    );
    const limit = simple(right);
    if (left.field === undefined || typeof limit !== 'number') return { kind: 'bool', run };
    return { kind: 'bool', isPlain: true, run: compareField(operator, left.field, limit, run) };
  }

  #membership(element: Part, container: Part, node: ASTNode): Part {
    const { budget } = this;
    const value = element.run;
    const overload = this.#raiseOverload(node, 'in');
    const literal = container.literal?.value;
    if (isArray(literal) && literal.every((item) => typeof item === 'string')) {
      const words = new Set<unknown>(literal);
      return {
        kind: 'bool',
        run: (e, m, t) => {
          const x = value(e, m, t);
          return x instanceof CelEvaluationError ? x : words.has(x);
        },
      };
    }
    const { run } = container;
    return {
      kind: 'bool',
      run: (e, m, t) => {
        const x = value(e, m, t);
        const inside = run(e, m, t);
        if (x instanceof CelEvaluationError) return x;
        if (isArray(inside)) {
          pay(budget, inside.length);
          for (const item of inside) {
            if (budget.left < 0) return false;
            if (equal(x, item, budget)) return true;
          }
          return false;
        }
        if (!isFields(inside) && !isMapLiteral(inside)) return overload(x, inside);
        return entry(inside, x) !== undefined;
      },
    };
  }

  // ---- arithmetic

  #arithmetic(operator: ArithmeticOperator, left: Part, right: Part, node: ASTNode): Part {
    const { budget } = this;
    const a = left.run;
    const b = right.run;
    const overload = this.#raiseOverload(node, operator);
    const raise = this.#raiser(node);
    const slow = (x: unknown, y: unknown): unknown => {
      const outcome = arithmetic(operator, x, y, budget);
      if (outcome === undefined) return overload(x, y);
      return typeof outcome === 'string' ? raise(outcome) : outcome.value;
    };
    return {
      kind: left.kind === 'int' && right.kind === 'int' ? 'int' : 'dyn',
      run: doubles(operator, a, b, slow),
      ...smallArithmetic(operator, left, right),
    };
  }

  #negative(operand: ASTNode, node: ASTNode): Part {
    // The least int is written -9223372036854775808: the digits alone do not fit.
    if (operand.op === 'value' && typeof operand.args === 'bigint' && isInt(-operand.args)) {
      return this.#int(-operand.args);
    }
    const part = this.compile(operand);
    const literal = part.literal?.value;
    if (typeof literal === 'number') {
      return { kind: 'dyn', run: () => -literal, literal: { value: -literal } };
    }
    const raise = this.#raiser(node);
    const { run, small } = part;
    const negative: Code = (e, m, t) => {
      const value = run(e, m, t);
      if (typeof value === 'number') return -value;
      if (typeof value === 'bigint') return isInt(-value) ? -value : raise('int overflow');
      if (value instanceof CelEvaluationError) return value;
      return raise(`no overload of - for ${typeName(value)}`);
    };
    if (!small) return { kind: part.kind === 'int' ? 'int' : 'dyn', run: negative };
    const smallRun = small.run;
    return {
      kind: 'int',
      run: negative,
      small: {
        bound: small.bound,
        run: (e, m, t) => {
          const value = smallRun(e, m, t);
          return typeof value === 'number' ? 0 - value : value;
        },
      },
    };
  }

  // ---- lists and maps

  #list(items: readonly ASTNode[]): Part {
    const parts = items.map((item) => this.compile(item));
    if (parts.every((part) => part.literal)) {
      const value = parts.map((part) => part.literal?.value);
      return { kind: 'dyn', run: () => value, literal: { value } };
    }
    const codes = parts.map((part) => part.run);
    return {
      kind: 'dyn',
      run: (e, m, t) => {
        const list: unknown[] = [];
        for (const code of codes) {
          const value = code(e, m, t);
          if (value instanceof CelEvaluationError) return value;
          list.push(value);
        }
        return list;
      },
    };
  }

  #map(entries: readonly (readonly [ASTNode, ASTNode])[], node: ASTNode): Part {
    const codes = entries.map(([key, value]) => {
      return [this.compile(key), this.compile(value)] as const;
    });
    const raise = this.#raiser(node);
    const build: Code = (e, m, t) => {
      const map = new Map<string | boolean | bigint, unknown>();
      for (const [key, value] of codes) {
        const k = key.run(e, m, t);
        if (k instanceof CelEvaluationError) return k;
        const at = typeof k === 'number' ? undefined : mapKey(k);
        if (at === undefined) return raise(`a ${typeName(k)} can't be a map's key`);
        if (map.has(at)) return raise('the map has a key twice');
        const v = value.run(e, m, t);
        if (v instanceof CelEvaluationError) return v;
        map.set(at, v);
      }
      return map;
    };
    if (codes.every(([key, value]) => key.literal && value.literal)) {
      const map = build(NONE, NONE, 0);
      if (map instanceof CelEvaluationError) {
        throw new CelRefusal(map.message.replace(/ \([^()]*\)$/, ''), node.pos);
      }
      return { kind: 'dyn', run: () => map, literal: { value: map } };
    }
    return { kind: 'dyn', run: build };
  }

  // ---- functions and macros

  #call(name: string, args: readonly ASTNode[], node: ASTNode): Part {
    if (name === 'has' && args.length === 1) return this.#has(args[0] as ASTNode, node);
    if (name === 'size' && args.length === 1)
      return this.#size(this.compile(args[0] as ASTNode), node);
    const convert = hasOwn(CONVERSIONS, name) ? CONVERSIONS[name] : undefined;
    if (convert && args.length === 1) return this.#convert(name, convert, args[0] as ASTNode, node);
    throw new CelRefusal(
      `no function ${name} with ${counted(args.length, 'argument')} here; there are ${FUNCTIONS.join(', ')}${
        name === 'timestamp' || name === 'duration'
          ? ". Times are numbers of ms: compare 'timestamp' or 'event.timestamp' with them"
          : ''
      }`,
      node.pos,
    );
  }

  #convert(name: string, convert: (value: unknown) => Outcome, arg: ASTNode, node: ASTNode): Part {
    const { budget } = this;
    const { run } = this.compile(arg);
    const raise = this.#raiser(node);
    const kind = name === 'int' || name === 'bool' ? name : 'dyn';
    return {
      kind,
      run: (e, m, t) => {
        const value = run(e, m, t);
        if (value instanceof CelEvaluationError) return value;
        if (typeof value === 'string') payForText(budget, value);
        const outcome = convert(value);
        if (outcome === undefined) return raise(`no overload of ${name}() for ${typeName(value)}`);
        return typeof outcome === 'string' ? raise(`${name}(): ${outcome}`) : outcome.value;
      },
    };
  }

  #has(arg: ASTNode, node: ASTNode): Part {
    if (arg.op !== '.') {
      throw new CelRefusal('has() takes a field, as in has(event.price)', arg.pos);
    }
    widenHas(node);
    const [objectNode, name] = arg.args;
    const object = this.#object(objectNode);
    const { run } = object;
    if (object.kind === 'match') return { kind: 'bool', run: (_e, m) => isArray(m[name]) };
    const raise = this.#raiser(arg);
    return {
      kind: 'bool',
      run: (e, m, t) => {
        const fields = run(e, m, t);
        if (isFields(fields) || isMapLiteral(fields)) return entry(fields, name) !== undefined;
        if (fields instanceof CelEvaluationError) return fields;
        return raise(`a ${typeName(fields)} has no fields`);
      },
    };
  }

  #size(part: Part, node: ASTNode): Part {
    const { budget } = this;
    const { run } = part;
    const raise = this.#raiser(node);
    const size: Code = (e, m, t) => {
      const value = run(e, m, t);
      if (isArray(value)) return value.length;
      if (typeof value === 'string') {
        payForText(budget, value);
        return codePoints(value);
      }
      if (isMapLiteral(value)) return value.size;
      if (isFields(value)) return mapKeys(value).length;
      if (value instanceof CelEvaluationError) return value;
      return raise(`no overload of size() for ${typeName(value)}`);
    };
    return {
      kind: 'int',
      small: { run: size, bound: LENGTH_MAX },
      run: (e, m, t) => {
        const value = size(e, m, t);
        return typeof value === 'number' ? toBigInt(value) : value;
      },
    };
  }

  #method(name: string, receiver: ASTNode, args: readonly ASTNode[], node: ASTNode): Part {
    if (MACROS.includes(name) && (args.length === 2 || (name === 'map' && args.length === 3))) {
      return this.#macro(name, receiver, args, node);
    }
    if (name === 'size' && args.length === 0) return this.#size(this.compile(receiver), node);
    const test = hasOwn(TEXT_TESTS, name) ? TEXT_TESTS[name] : undefined;
    if (test && args.length === 1) {
      return this.#textTest(
        name,
        test,
        this.compile(receiver),
        this.compile(args[0] as ASTNode),
        node,
      );
    }
    throw new CelRefusal(
      name === 'matches'
        ? "matches() is not supported: JavaScript's regular expressions backtrack, so one event " +
            'could hold up the worker; use startsWith, endsWith, contains, or a CLASS condition'
        : `no method ${name} with ${counted(args.length, 'argument')} here; there are ${[...METHODS, ...MACROS].join(', ')}`,
      node.pos,
    );
  }

  #textTest(
    name: string,
    test: (text: string, part: string) => boolean,
    receiver: Part,
    argument: Part,
    node: ASTNode,
  ): Part {
    const { budget } = this;
    const a = receiver.run;
    const b = argument.run;
    const overload = this.#raiseOverload(node, `${name}()`);
    return {
      kind: 'bool',
      run: (e, m, t) => {
        const text = a(e, m, t);
        const part = b(e, m, t);
        if (typeof text !== 'string' || typeof part !== 'string') return overload(text, part);
        payForText(budget, text);
        return test(text, part);
      },
    };
  }

  #macro(name: string, receiver: ASTNode, args: readonly ASTNode[], node: ASTNode): Part {
    const range = this.compile(receiver);
    const variable = args[0] as ASTNode;
    if (variable.op !== 'id') {
      throw new CelRefusal(`${name}() takes a variable's name first`, variable.pos);
    }
    const slot: Slot = { value: undefined };
    const kind = range.kind === 'stage' ? 'element' : 'dyn';
    this.#variables.push({ name: variable.args, kind, slot });
    const nodesBefore = this.#nodes;
    const [first, second] = args.slice(1).map((arg) => this.compile(arg));
    this.#variables.pop();
    const steps: Steps = { budget: this.budget, each: 1 + ((this.#nodes - nodesBefore) >> 4) };

    const notBool = this.#raiser(args[1] as ASTNode);
    const predicate = first as Part;
    /** The predicate's bool, or an error. */
    const test: Code = (e, m, t) => {
      const value = predicate.run(e, m, t);
      if (typeof value === 'boolean' || value instanceof CelEvaluationError) return value;
      return notBool(`${name}() needs a bool, not a ${typeName(value)}`);
    };
    const always: Code = () => true;
    const loop =
      name === 'all' || name === 'exists'
        ? quantifier(name === 'exists', test, slot, steps)
        : name === 'exists_one'
          ? existsOne(test, slot, steps)
          : name === 'filter'
            ? collect(test, undefined, slot, steps)
            : collect(second ? test : always, (second ?? predicate).run, slot, steps);

    const raise = this.#raiser(node);
    const { run } = range;
    // A filtered stage is still a list of events.
    const filtered = range.kind === 'stage' ? 'stage' : 'dyn';
    return {
      kind: name === 'map' ? 'dyn' : name === 'filter' ? filtered : 'bool',
      run: (e, m, t) => {
        const value = run(e, m, t);
        if (value instanceof CelEvaluationError) return value;
        let items: readonly unknown[];
        if (isArray(value)) items = value;
        else if (isFields(value) || isMapLiteral(value)) items = mapKeys(value);
        else return raise(`${name}() goes through a list or a map, not a ${typeName(value)}`);
        const result = loop(items, e, m, t);
        slot.value = undefined;
        return result;
      },
    };
  }
}

// ---- parts and text

/** Sums and differences of small ints stay on the number path while they are exact there. */
function smallArithmetic(
  operator: ArithmeticOperator,
  left: Part,
  right: Part,
): Pick<Part, 'small'> {
  if (!left.small || !right.small || (operator !== '+' && operator !== '-')) return {};
  const bound = left.small.bound + right.small.bound;
  if (bound > SAFE_MAX) return {};
  const a = left.small.run;
  const b = right.small.run;
  const sign = operator === '+' ? 1 : -1;
  return {
    small: {
      bound,
      run: (e, m, t) => {
        const x = a(e, m, t);
        if (typeof x !== 'number') return x;
        const y = b(e, m, t);
        return typeof y === 'number' ? x + sign * y : y;
      },
    },
  };
}

/** A scalar that `===` compares as CEL does; undefined for everything else. */
function simple(part: Part): string | number | boolean | null | undefined {
  if (!part.literal) return undefined;
  if (part.small) return part.small.run(NONE, NONE, 0) as number;
  const { value } = part.literal;
  if (value === null) return null;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : undefined;
}

const NONE: Fields = Object.freeze({});

/** Of `event.<field> == match.<stage>[0].<field>`, either way round. */
function agreementOf(left: Part, right: Part): Agreement | undefined {
  const [{ field }, { first }] = left.first ? [right, left] : [left, right];
  return field !== undefined && first ? { field, ...first } : undefined;
}
