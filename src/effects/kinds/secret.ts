// Secrets of effects: a declaration names variables of the environment, and what they hold is seen by receivers alone.

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { CepError, messageOf } from '../../errors.js';

/** What stands in a declaration in place of a secret. */
export const secret = z.strictObject(
  { env: z.string().min(1) },
  { error: 'write {env: "NAME"}, the name of a variable of the environment' },
);
export type Secret = z.infer<typeof secret>;

/** Certificates of authorities, PEM. */
export const certificates = z.union([z.strictObject({ file: z.string().min(1) }), secret], {
  error: 'write {file: "path"} or {env: "NAME"}, where certificates of authorities are, as PEM',
});

/**
 * The value of a variable that a declaration names.
 *
 * @param field - its path in `send`, for messages
 * @throws CepError `SETTING_INVALID` when it is not set
 */
export function settingOf({ env: name }: Secret, env: NodeJS.ProcessEnv, field: string): string {
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  throw new CepError('SETTING_INVALID', `${name} is not set: set it in the environment`, {
    details: { field, variable: name },
  });
}

/** @throws CepError `SETTING_INVALID` for a file that can't be read */
export function certificatesOf(
  ca: z.infer<typeof certificates>,
  env: NodeJS.ProcessEnv,
  field: string,
): string {
  const pem = 'env' in ca ? settingOf(ca, env, field) : readPem(ca.file, field);
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new CepError('SETTING_INVALID', 'there is no certificate in it: it takes PEM', {
    details: { field },
  });
}

function readPem(file: string, field: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CepError('SETTING_INVALID', `${messageOf(cause)}: name a file with certificates`, {
      details: { field },
      cause,
    });
  }
}

/** Shorter ones would be found in any text. */
const SECRET_LENGTH_MIN = 4;

/** Takes secrets out of text: a receiver may repeat what it was told. */
export function hiding(secrets: readonly string[]): (text: string) => string {
  // Of `Bearer abc` the second word alone gives it away, too.
  const all = secrets.flatMap((value) => [value, ...value.split(/\s+/)]);
  const known = [...new Set(all)]
    .filter(({ length }) => length >= SECRET_LENGTH_MIN)
    .filter((value) => !/^(bearer|basic|token)$/i.test(value))
    .sort((a, b) => b.length - a.length);
  return (text) => known.reduce((hidden, value) => hidden.replaceAll(value, '***'), text);
}
