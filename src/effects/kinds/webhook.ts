// An alert as a POST to a receiver of the user's.

import { z } from 'zod';
import type { Alert } from '../../rules/rule.js';
import { formatTimestamp } from '../../time.js';
import type { PlannedEffect } from '../record.js';
import { DeliveryError, type EffectKind } from './kind.js';
import { kept, receiverFields, receiverOf } from './receiver.js';
import { type Coupon, parseTemplate, type Text, variablesOf } from './templates.js';

const schema = z.strictObject({
  kind: z.literal('webhook'),
  ...receiverFields,
  /** Liquid, in place of the body described in docs/effects.md. */
  body: z.string().optional(),
});

export const webhook: EffectKind<typeof schema> = {
  kind: 'webhook',
  schema,
  sender: (send, env) => {
    const receiver = receiverOf(send, env);
    const template = bodyTemplate(send.body, receiver.contentType);
    return {
      isIdempotent: receiver.isIdempotent,
      send: async (delivery) => {
        const { status, body } = await receiver.tell(delivery, bodyOf(delivery, template));
        return { status, ...(body !== '' && { body: kept(body) }) };
      },
      preview: (of) => receiver.hide(`POST ${receiver.name}\n\n${bodyOf(of, template)}`),
    };
  },
};

export interface BodyTemplate {
  readonly text: Text;
  readonly isJson: boolean;
}

/** @throws CepError `EFFECTS_INVALID` */
export function bodyTemplate(body: string | undefined, contentType: string): BodyTemplate | null {
  if (body === undefined) return null;
  const isJson = /^[^;]*[/+]json\b/i.test(contentType);
  return { text: parseTemplate(body, 'body', isJson ? 'json' : 'none'), isJson };
}

/** @throws DeliveryError `refused`, TEMPLATE */
export function bodyOf(
  of: { readonly alert: Alert; readonly effect: PlannedEffect },
  template: BodyTemplate | null,
  coupon?: Coupon,
): string {
  if (template === null) return JSON.stringify(standardBody(of, coupon));
  const body = template.text.render(variablesOf(of, coupon));
  if (template.isJson) {
    try {
      JSON.parse(body);
    } catch (cause) {
      throw new DeliveryError(
        'the template body gives no JSON: put values into quotes, or write {{ value | json }}',
        { is: 'refused', reason: 'TEMPLATE' },
        { cause },
      );
    }
  }
  return body;
}

/** Documented: fields may be added, and stay as they are. */
function standardBody(
  { alert, effect }: { readonly alert: Alert; readonly effect: PlannedEffect },
  coupon: Coupon | undefined,
): Record<string, unknown> {
  const { type, rule, journey, key, message, match, at } = alert;
  return {
    id: effect.id,
    type,
    effect: effect.effect,
    alert: alert.id,
    rule,
    journey,
    key,
    user: effect.user,
    at: formatTimestamp(at),
    message,
    match,
    ...(coupon && { coupon }),
  };
}
