// A TypeScript function of the user's own. It is tried again until it returns: at least once.

import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { CepError, messageOf } from '../../errors.js';
import type { Alert } from '../../rules/rule.js';
import { DeliveryError, type EffectKind } from './kind.js';
import { orAborted, tryFor } from './try-for.js';

const schema = z.strictObject({
  kind: z.literal('function'),
  /** Of a registered function. */
  name: z.string().min(1),
});

/** A function of the user's own. It may run more than once per alert id. */
export type Effect = (alert: Alert) => Promise<void>;

/** @param functions - by the names that declarations call them */
export function functionKind(
  functions: Readonly<Record<string, Effect>>,
): EffectKind<typeof schema> {
  return {
    kind: 'function',
    schema,
    sender: ({ name }) => {
      const run = Object.hasOwn(functions, name) ? functions[name] : undefined;
      if (!run) {
        const known = Object.keys(functions).join(', ') || 'none is registered';
        throw new CepError(
          'EFFECTS_INVALID',
          `no function is called "${name}": register it with the worker (known: ${known})`,
          { details: { field: 'name' } },
        );
      }
      return {
        isIdempotent: true,
        send: async (delivery) => {
          try {
            await tryFor(delivery, (signal) =>
              orAborted(Promise.resolve(delivery.alert).then(run), signal),
            );
            return {};
          } catch (error) {
            // A function may tell us itself how it ended.
            if (error instanceof DeliveryError) throw error;
            const isFinal = error instanceof ApplicationFailure && error.nonRetryable === true;
            throw new DeliveryError(
              `the function ${name} has failed: ${messageOf(error)}`,
              // How far it had come is not known.
              { is: isFinal ? 'refused' : 'unknown' },
              { cause: error },
            );
          }
        },
        preview: ({ alert }) => `${name}(${JSON.stringify(alert, null, 2)})`,
      };
    },
  };
}
