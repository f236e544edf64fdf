// A message as senders get it, and how a try has ended.

import { readEffects } from '../../../../src/effects/declaration.js';
import type { Effect } from '../../../../src/effects/kinds/function.js';
import { sendersOf } from '../../../../src/effects/kinds/index.js';
import type { Delivery, DeliveryOutcome, Sender } from '../../../../src/effects/kinds/kind.js';
import { DeliveryError } from '../../../../src/effects/kinds/kind.js';
import type { Alert } from '../../../../src/rules/rule.js';

export const AT = Date.parse('2026-01-31T12:00:00Z');
export const NOW = AT + 5_000;

export const alert: Alert = {
  id: 'a1b2',
  journey: 'carts',
  rule: 'abandoned',
  ruleVersion: 1,
  key: 'u1',
  userId: 'u1',
  userSession: null,
  type: 'CART_ABANDONMENT',
  message: 'left "shoes" <b>',
  at: AT,
  match: { cart: [{ userId: 'u1', price: 19.9, product: 'shoes & "socks"' }] },
};

export function delivery(over: Partial<Delivery> = {}, email: string | null = 'ann@example.com') {
  return {
    alert,
    effect: {
      id: 'a1b2/remind',
      alertId: 'a1b2',
      effect: 'remind',
      journey: 'carts',
      key: 'u1',
      rule: 'abandoned',
      ruleVersion: 1,
      channel: 'webhook',
      user: { id: 'u1', email, zone: 'Europe/Berlin' },
      matchedAt: AT,
      cost: { campaign: 'spring', value: '5.00' },
      isDryRun: false,
    },
    attempt: 1,
    now: NOW,
    timeoutMs: 5_000,
    signal: new AbortController().signal,
    ...over,
  } satisfies Delivery;
}

export function senderOf(
  send: { kind: string; [field: string]: unknown },
  env: NodeJS.ProcessEnv = {},
  functions?: Readonly<Record<string, Effect>>,
): Sender {
  const declaration = readEffects({ effects: { remind: { send } } });
  return sendersOf(declaration, env, functions).get('remind') as Sender;
}

/** What went wrong with a try, and all of it as text, to look for what must not be in it. */
export async function failureOf(
  trying: Promise<unknown>,
): Promise<DeliveryOutcome & { message: string; all: string }> {
  const error = await trying.then(
    (answer) => {
      throw new Error(`it was delivered: ${JSON.stringify(answer)}`);
    },
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DeliveryError)) throw error;
  const { message, outcome, stack, cause } = error;
  const all = `${stack} ${JSON.stringify(outcome)} ${(cause as Error | undefined)?.stack}`;
  return { message, ...outcome, all };
}

/** The fault of a declaration. */
export function faultOf(act: () => unknown): { code: unknown; message: string; details: unknown } {
  try {
    act();
  } catch (error) {
    const { code, message, details } = error as {
      code: unknown;
      message: string;
      details: unknown;
    };
    return { code, message, details };
  }
  throw new Error('there was no fault');
}
