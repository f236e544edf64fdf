// What JSON documents of several kinds have in them, and how a fault in one is told.

import { z } from 'zod';
import { type Millis, parseDuration } from './time.js';
import { isZone } from './zone.js';

/** `30m`, `12h`, `7d`; in ms once it is read. */
export const duration = z.string().transform((text, context): Millis => {
  try {
    return parseDuration(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});

/** A name of the IANA's, such as `Europe/Berlin`. */
export const zone = z.string().refine(isZone, {
  message: 'no time zone of this name: write one of the IANA’s, such as Europe/Berlin',
});

/** The first of what is wrong, with its JSON path. */
export function faultOf(error: z.ZodError): { readonly path: string; readonly message: string } {
  const { path, message } = error.issues[0] as z.core.$ZodIssue;
  return { path: `$${path.map((part) => `.${String(part)}`).join('')}`, message };
}
