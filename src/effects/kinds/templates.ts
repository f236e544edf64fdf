// Texts of effects: Liquid over what was matched. A template is parsed once, at the start; it reads no files, and one that names
// what a match lacks sends nothing rather than a text with a hole in it.

import { Context, type Emitter, Liquid, LiquidError, type Template, toValueSync } from 'liquidjs';
import { CepError, messageOf } from '../../errors.js';
import type { MatchedEvents } from '../../event.js';
import type { Alert } from '../../rules/rule.js';
import { formatTimestamp } from '../../time.js';
import type { EffectUser, PlannedEffect } from '../record.js';
import { DeliveryError } from './kind.js';

/** Of what a template writes, in bytes. */
export const OUTPUT_BYTES_MAX = 256 * 1024;
/** Of what its filters make on the way, in characters. */
const WORK_CHARACTERS_MAX = 4_000_000;
/** No template takes so long but one that has no end. */
const RENDER_MS_MAX = 5_000;

/** What is done to a value so that it can't be taken for a part of the text around it. */
export type Escaping = 'none' | 'html' | 'json';

/** A code for a discount, in templates and in what is told to its receiver. JSON. */
export interface Coupon {
  readonly code: string;
  /** Decimal. */
  readonly value: string;
  /** Of ISO 4217, such as EUR. */
  readonly currency: string;
  /** ISO 8601; null for one without an end. */
  readonly expiresAt: string | null;
  /** Whose budget pays for it; null where the effect has none. */
  readonly campaign: string | null;
}

/** What templates can name. Stages of the match stand beside these, unless they are called as one of these. */
export interface Variables {
  readonly match: MatchedEvents;
  readonly user: EffectUser;
  /** `at` as ISO 8601: a number would be taken for seconds by the filter `date`. */
  readonly alert: Pick<Alert, 'id' | 'type' | 'message' | 'key' | 'rule' | 'journey'> & {
    readonly at: string;
  };
  readonly effect: Pick<PlannedEffect, 'id' | 'cost'> & { readonly name: string };
  readonly coupon?: Coupon;
}

export interface Text {
  /** @throws DeliveryError `refused`, TEMPLATE, with the name of what the match lacks and where the template names it */
  render(variables: Variables): string;
}

const engines: Readonly<Record<Escaping, Liquid>> = {
  none: engine({}),
  html: engine({ outputEscape: 'escape' }),
  json: engine({ outputEscape: insideJson }),
};
// It writes JSON already.
engines.json.registerFilter('json', { raw: true, handler: asJson });

/**
 * Parses a template.
 *
 * @param field - its path in `send`, for messages
 * @throws CepError `EFFECTS_INVALID` with field, line and column in `details`
 */
export function parseTemplate(source: string, field: string, escaping: Escaping = 'none'): Text {
  const liquid = engines[escaping];
  let templates: Template[];
  try {
    templates = liquid.parse(source);
  } catch (error) {
    const { said, line, column } = placed(error);
    throw new CepError(
      'EFFECTS_INVALID',
      `${said} (line ${line}, column ${column}): correct the template`,
      { details: { field, line, column }, cause: error },
    );
  }
  return {
    render: (variables) => {
      const scope = { ...variables.match, ...variables };
      const output = new LimitedOutput();
      try {
        const context = new Context(scope, liquid.options, { sync: true });
        toValueSync(liquid.renderer.renderTemplates(templates, context, output));
      } catch (error) {
        const { said, line, column } = placed(error);
        throw new DeliveryError(
          `the template ${field} does not fit: ${said} (line ${line}, column ${column})`,
          { is: 'refused', reason: 'TEMPLATE' },
          { cause: error },
        );
      }
      return output.buffer;
    },
  };
}

/** What templates see of an alert and of its effect. */
export function variablesOf(
  { alert, effect }: { readonly alert: Alert; readonly effect: PlannedEffect },
  coupon?: Coupon,
): Variables {
  const { id, type, message, key, rule, journey, at, match } = alert;
  return {
    match,
    user: effect.user,
    alert: { id, type, message, key, rule, journey, at: formatTimestamp(at) },
    effect: { id: effect.id, name: effect.effect, cost: effect.cost },
    ...(coupon && { coupon }),
  };
}

function engine(options: { outputEscape?: 'escape' | ((value: unknown) => string) }): Liquid {
  const liquid = new Liquid({
    ...options,
    strictVariables: true,
    strictFilters: true,
    // What may be missing is asked for by `if`, or has a `default`.
    lenientIf: true,
    ownPropertyOnly: true,
    // Times are the same on every machine; the filter `date` takes a zone.
    timezoneOffset: 0,
    memoryLimit: WORK_CHARACTERS_MAX,
    renderLimit: RENDER_MS_MAX,
  });
  // They read files.
  for (const tag of ['include', 'render', 'layout', 'block']) delete liquid.tags[tag];
  return liquid;
}

/** Stops a loop that writes without end while it does so, not afterwards. */
class LimitedOutput implements Emitter {
  buffer = '';
  #bytes = 0;

  write(html: unknown): void {
    const text = html === null || html === undefined ? '' : String(html);
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes > OUTPUT_BYTES_MAX) {
      throw new Error(`it writes more than ${OUTPUT_BYTES_MAX / 1024} kB`);
    }
    this.buffer += text;
  }
}

/** What is between the quotes of a JSON string; numbers and the like need none. */
function insideJson(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value).slice(1, -1);
  return value === null || value === undefined ? '' : asJson(value);
}

function asJson(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}

function placed(error: unknown): { said: string; line: number; column: number } {
  // Of each other error the place is the beginning of the template.
  if (!LiquidError.is(error)) return { said: messageOf(error), line: 1, column: 1 };
  // Its own message has the place in it, in the library's way.
  const said = error.message.replace(/, line:\d+, col:\d+$/, '').replace(/\s*\n\s*/g, ' ');
  const [line = 1, column = 1] = error.token?.getPosition() ?? [];
  return { said, line, column };
}
