// What is sent, to whom, when and how often, as data: the document that `--effects` names, and what a module's default export
// made by defineEffects() says. Rules name effects by the names it gives them.

import { z } from 'zod';
import { duration, faultOf, zone } from '../document-parts.js';
import { CepError } from '../errors.js';
import type { CompiledJourneys } from '../rules/compiled.js';
import { leaveNothingFree } from './calendar.js';

/** Minutes since midnight, written `HH:MM`. */
const clock = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, { message: 'write a time of day as HH:MM' })
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)));
/** Decimal, in the campaign's one currency: `19.90`. */
export const money = z.string().regex(/^\d{1,12}(\.\d{1,4})?$/, {
  message: 'write an amount as a decimal in quotes, such as "19.90"',
});

const quietHours = z
  .strictObject({
    /** In the user's zone; `from` after `to` goes over midnight. */
    from: clock,
    to: clock,
    /** What becomes of an effect that falls due in them: it waits for their end, or is not sent at all. */
    otherwise: z.enum(['hold', 'drop']).default('hold'),
  })
  .refine(({ from, to }) => from !== to, {
    message:
      'from and to are the same, which may mean the whole day or nothing: leave quietHours out, or write two times',
  });
const cap = z.strictObject({
  /** How many may be sent; 0 for none. */
  max: z.number().int().min(0),
  /** In a rolling window of this length, or in a calendar day of the user's zone. */
  per: z.union([z.literal('day').transform(() => 'day' as const), duration]),
  /** Counted over all that the user is sent, over one channel, or over what one rule has set off. */
  of: z.enum(['user', 'channel', 'rule']),
});
const reentry = z.union([
  z.enum(['always', 'once']),
  /** At the earliest so long after it was last sent to the user for this rule. */
  z.strictObject({ after: duration }),
]);
const budget = z.strictObject({
  /** Effects that name one campaign share its budget. */
  campaign: z.string().min(1),
  /** What one of these costs. */
  value: money,
  limit: money,
  perUser: money.optional(),
});
const followUp = z.strictObject({
  /** Since this one was sent. */
  after: duration,
  /** Name of the effect that follows, unless this one's goal comes first. */
  effect: z.string().min(1),
});
const retry = z.strictObject({
  /** How long it is tried before it is dead. */
  for: duration.prefault('1d'),
  first: duration.prefault('1s'),
  longest: duration.prefault('10m'),
});

/** One effect. What it sends, `send`, is checked by its kind. */
const effect = z.strictObject({
  send: z.looseObject({ kind: z.string().min(1) }),
  /** What caps count it as; its kind by default. */
  channel: z.string().min(1).optional(),
  /** After the match. */
  delay: duration.optional(),
  /** Name of a goal: once the user has reached it after the match, this is not sent any more. */
  goal: z.string().optional(),
  quietHours: quietHours.optional(),
  caps: z.array(cap).default([]),
  reentry: reentry.default('always'),
  /** Share of the users, in percent, who are never sent it, so that the others can be compared with them. */
  control: z.number().min(0).max(100).default(0),
  budget: budget.optional(),
  followUp: followUp.optional(),
  /** Everything is decided and recorded, and nothing sent. */
  dryRun: z.boolean().default(false),
  /**
   * What happens when nobody knows whether a try has arrived: it is tried again under the same idempotency key, or given up.
   * By default as the kind is: a webhook's receiver knows the key, a mail server does not.
   */
  delivery: z.enum(['at-least-once', 'at-most-once']).optional(),
  /** Of one try. */
  timeout: duration.prefault('10s'),
  retry: retry.prefault({}),
});

const goal = z.strictObject({
  /** CEL over `event`. */
  when: z.string().min(1),
  /** Field of the event that names the user. */
  user: z.string().min(1).default('userId'),
});

const document = z.strictObject({
  /** Of users who have none of their own. None by default: then what needs one is not sent. */
  zone: zone.optional(),
  /** Where the user of a match is described: fields of its events. */
  user: z
    .strictObject({ email: z.string().default('email'), zone: z.string().default('zone') })
    .prefault({}),
  goals: z.record(z.string().min(1), goal).default({}),
  effects: z.record(z.string().regex(/^[\w.-]+$/), effect),
  /** For all effects. */
  caps: z.array(cap).default([]),
  quietHours: quietHours.optional(),
  /** Share of the users, in percent, who are sent nothing at all. */
  control: z.number().min(0).max(100).default(0),
  dryRun: z.boolean().default(false),
});

export type QuietHours = z.infer<typeof quietHours>;
export type Cap = z.infer<typeof cap>;
export type Reentry = z.infer<typeof reentry>;
export type Budget = z.infer<typeof budget>;
export type EffectDeclaration = z.infer<typeof effect>;
export type GoalDeclaration = z.infer<typeof goal>;
export type EffectsDeclaration = z.infer<typeof document>;
/** As people write it. */
export type EffectsDocument = z.input<typeof document>;

/**
 * Declares effects. Its result is the module's default export, which worker and ingestor both load.
 *
 * @throws CepError `EFFECTS_INVALID` with the JSON path of the first fault in `details.path`
 */
export function defineEffects(json: EffectsDocument): EffectsDocument {
  readEffects(json);
  return json;
}

/**
 * Reads a declaration of effects; what its effects send is not looked at.
 *
 * @throws CepError `EFFECTS_INVALID` with the JSON path of the first fault in `details.path`
 */
export function readEffects(json: EffectsDocument): EffectsDeclaration {
  const parsed = document.safeParse(json);
  if (!parsed.success) {
    const { path, message } = faultOf(parsed.error);
    throw invalid(path, message);
  }
  const { data } = parsed;
  for (const [name, { goal, followUp, quietHours }] of Object.entries(data.effects)) {
    if (goal !== undefined && !Object.hasOwn(data.goals, goal)) {
      throw invalid(`$.effects.${name}.goal`, `no goal is called "${goal}": add it under goals`);
    }
    if (followUp && !Object.hasOwn(data.effects, followUp.effect)) {
      const { effect } = followUp;
      throw invalid(
        `$.effects.${name}.followUp.effect`,
        `no effect is called "${effect}": add it under effects`,
      );
    }
    const cycle = followUpCycle(data, name);
    if (cycle) {
      throw invalid(
        `$.effects.${name}.followUp.effect`,
        `${cycle.join(' is followed by ')}, and so on for ever: let one of them have no followUp`,
      );
    }
    const quiet = [data.quietHours, quietHours].filter((hours) => hours !== undefined);
    if (leaveNothingFree(quiet)) {
      throw invalid(
        `$.effects.${name}.quietHours`,
        'with those of all effects they cover the whole day, so it could never be sent: shorten one of them',
      );
    }
  }
  return data;
}

/**
 * The same with an effect for each function that none is declared for: sent at once, whoever the user is, and tried for an hour.
 *
 * @param functions - names
 */
export function withFunctions(
  declaration: EffectsDeclaration,
  functions: Iterable<string>,
): EffectsDeclaration {
  const effects = { ...declaration.effects };
  for (const name of functions) {
    effects[name] ??= effect.parse({ send: { kind: 'function', name }, retry: { for: '1h' } });
  }
  return { ...declaration, effects };
}

/** Names of effects from this one until it comes again. */
function followUpCycle({ effects }: EffectsDeclaration, name: string): string[] | null {
  const names = [name];
  for (;;) {
    const next = effects[names.at(-1) as string]?.followUp?.effect;
    if (next === undefined) return null;
    const isRepeat = names.includes(next);
    names.push(next);
    // One that leads into a cycle without being in it is not the fault: that is told of those in it.
    if (isRepeat) return next === name ? names : null;
  }
}

function invalid(path: string, message: string): CepError {
  return new CepError('EFFECTS_INVALID', `${path}: ${message}`, { details: { path } });
}

/**
 * Makes sure that all effects that rules name are declared.
 *
 * @param remedy - what to do about one that is not
 * @throws CepError `JOURNEYS_INVALID`
 */
export function requireDeclared(
  { byId }: CompiledJourneys,
  { effects }: EffectsDeclaration,
  remedy: (effect: string) => string,
): void {
  for (const { journey } of byId.values()) {
    for (const { id, onMatch, onTimeout } of journey.rules) {
      for (const effect of [...(onMatch?.effects ?? []), ...(onTimeout?.effects ?? [])]) {
        if (Object.hasOwn(effects, effect)) continue;
        throw new CepError(
          'JOURNEYS_INVALID',
          `rule "${id}" of journey "${journey.id}" names the effect "${effect}", which is not registered: ${remedy(effect)}`,
        );
      }
    }
  }
}
