// A coupon, told to whoever issues it: a webhook with a code, a value and an end in it.
//   C1. Each try has the same code and the same end: they are made of the effect's id and of the match, not of the clock.

import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { duration } from '../../document-parts.js';
import type { Alert } from '../../rules/rule.js';
import { formatTimestamp } from '../../time.js';
import { money } from '../declaration.js';
import type { PlannedEffect } from '../record.js';
import { DeliveryError, type EffectKind } from './kind.js';
import { receiverFields, receiverOf } from './receiver.js';
import { secret, settingOf } from './secret.js';
import { type Coupon, parseTemplate, variablesOf } from './templates.js';
import { bodyOf, bodyTemplate } from './webhook.js';

const generated = z.strictObject({
  prefix: z
    .string()
    .regex(/^[\w-]{0,32}$/, { error: 'write up to 32 letters, digits, - and _' })
    .default(''),
  /** Of what is made up, without the prefix. */
  length: z.number().int().min(8).max(32).default(10),
  /** Without it nobody can tell a code from the id of its effect. */
  secret,
});

const schema = z.strictObject({
  kind: z.literal('coupon'),
  ...receiverFields,
  code: z.union([z.string().min(1), generated], {
    error:
      'write a template, or {prefix, length, secret: {env: "NAME"}} for codes that are made up',
  }),
  value: money,
  currency: z.string().regex(/^[A-Z]{3}$/, { error: 'write a code of ISO 4217, such as EUR' }),
  /** Since the match; for ever by default. */
  validFor: duration.optional(),
  /** Liquid, in place of the body described in docs/effects.md. */
  body: z.string().optional(),
});

/** No two of them look alike: no 0 and O, no 1, I and L. */
const ALPHABET = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';
/** From here on a byte would make the first letters likelier than the others. */
const BYTE_END = 256 - (256 % ALPHABET.length);
const CODE_LENGTH_MAX = 200;

export const coupon: EffectKind<typeof schema> = {
  kind: 'coupon',
  schema,
  sender: (send, env) => {
    const receiver = receiverOf(send, env);
    const template = bodyTemplate(send.body, receiver.contentType);
    const codeOf = codes(send.code, env);
    const { value, currency, validFor } = send;
    const couponOf = (of: { alert: Alert; effect: PlannedEffect }): Coupon => ({
      code: codeOf(of),
      value,
      currency,
      expiresAt: validFor === undefined ? null : formatTimestamp(of.effect.matchedAt + validFor),
      campaign: of.effect.cost?.campaign ?? null,
    });
    return {
      isIdempotent: receiver.isIdempotent,
      send: async (delivery) => {
        const ours = couponOf(delivery);
        const { status, body } = await receiver.tell(delivery, bodyOf(delivery, template, ours));
        return { status, ...ours, ...saidOf(body) };
      },
      preview: (of) =>
        receiver.hide(`POST ${receiver.name}\n\n${bodyOf(of, template, couponOf(of))}`),
    };
  },
};

function codes(
  code: z.infer<typeof schema>['code'],
  env: NodeJS.ProcessEnv,
): (of: { alert: Alert; effect: PlannedEffect }) => string {
  if (typeof code !== 'string') {
    const key = settingOf(code.secret, env, 'code.secret');
    return ({ effect }) => code.prefix + madeUp(effect.id, key, code.length);
  }
  const text = parseTemplate(code, 'code');
  return (of) => {
    const rendered = text.render(variablesOf(of)).trim();
    if (rendered !== '' && rendered.length <= CODE_LENGTH_MAX) return rendered;
    throw new DeliveryError(
      `the template code gives ${rendered === '' ? 'nothing' : `more than ${CODE_LENGTH_MAX} characters`}`,
      { is: 'refused', reason: 'TEMPLATE' },
    );
  };
}

function madeUp(id: string, key: string, length: number): string {
  let made = '';
  for (let block = 0; made.length < length; block++) {
    for (const byte of createHmac('sha256', key).update(`${id} ${block}`).digest()) {
      if (byte < BYTE_END && made.length < length) made += ALPHABET[byte % ALPHABET.length];
    }
  }
  return made;
}

/** What the issuer has made of it, where its answer is a JSON object: its code counts, not ours. */
function saidOf(body: string): { code?: string; expiresAt?: string } {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return {};
  }
  const { code, expiresAt } = Object(answer) as Record<string, unknown>;
  const isText = (value: unknown): value is string =>
    typeof value === 'string' &&
    value !== '' &&
    value.length <= CODE_LENGTH_MAX &&
    !/\p{Cc}/u.test(value);
  return { ...(isText(code) && { code }), ...(isText(expiresAt) && { expiresAt }) };
}
