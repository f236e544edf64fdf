// The kinds of effects that send, by name, and the senders of a declaration.

import type { z } from 'zod';
import { CepError } from '../../errors.js';
import type { EffectsDeclaration } from '../declaration.js';
import { coupon } from './coupon.js';
import { email } from './email.js';
import { type Effect, functionKind } from './function.js';
import type { EffectKind, Sender } from './kind.js';
import { sql } from './sql.js';
import { webhook } from './webhook.js';

/** @param functions - that declarations may call by name; none by default */
export function kindsWith(functions: Readonly<Record<string, Effect>> = {}): readonly EffectKind[] {
  return [webhook, coupon, email, sql, functionKind(functions)];
}

export const KINDS: readonly EffectKind[] = kindsWith();

/**
 * Makes what sends the effects of a declaration. Nothing is connected before the first of them is sent.
 *
 * @param env - where secrets are looked up
 * @param functions - that effects of the kind `function` call by name
 * @returns by the effects' names
 * @throws CepError `EFFECTS_INVALID`, or `SETTING_INVALID` for what the environment lacks; the JSON path is in `details.path`
 */
export function sendersOf(
  declaration: EffectsDeclaration,
  env: NodeJS.ProcessEnv,
  functions: Readonly<Record<string, Effect>> = {},
): ReadonlyMap<string, Sender> {
  const kinds = new Map(kindsWith(functions).map((kind) => [kind.kind, kind]));
  return new Map(
    Object.entries(declaration.effects).map(([name, { send }]) => {
      const path = `$.effects.${name}.send`;
      const kind = kinds.get(send.kind);
      if (!kind) {
        const known = [...kinds.keys()].join(', ');
        throw at(`${path}.kind`, `there is no kind "${send.kind}": write one of ${known}`);
      }
      const parsed = kind.schema.safeParse(send);
      if (!parsed.success) throw faultOf(kind, path, parsed.error.issues[0] as z.core.$ZodIssue);
      try {
        return [name, kind.sender(parsed.data, env)];
      } catch (error) {
        // Kinds name a field of `send`, and do not know whose.
        if (!(error instanceof CepError) || typeof error.details.field !== 'string') throw error;
        throw at(`${path}.${error.details.field}`, error.message, error);
      }
    }),
  );
}

function faultOf(kind: EffectKind, path: string, issue: z.core.$ZodIssue): CepError {
  const field = [path, ...issue.path.map(String)].join('.');
  if (issue.code !== 'unrecognized_keys') return at(field, issue.message);
  const [unknown] = issue.keys;
  const { shape } = kind.schema as unknown as z.ZodObject;
  const remedy =
    issue.path.length > 0
      ? 'leave it out'
      : `the kind ${kind.kind} has ${Object.keys(shape).join(', ')}`;
  return at(`${field}.${unknown}`, `there is no such field: ${remedy}`);
}

function at(path: string, message: string, error?: CepError): CepError {
  return new CepError(error?.code ?? 'EFFECTS_INVALID', `${path}: ${message}`, {
    details: { ...error?.details, path },
    ...(error && { cause: error }),
  });
}
