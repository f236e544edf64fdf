// Whom webhooks and coupons are told to: one address, signed requests, and what its answers mean.
//   W1. What is told is the same to the byte in each try, and so is its id: the receiver may drop repetitions.
//   W2. It goes to the declared host alone, by the declared scheme.

import { createHmac } from 'node:crypto';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { z } from 'zod';
import { CepError, messageOf } from '../../errors.js';
import { hours, type Millis, seconds, type Timestamp } from '../../time.js';
import { type HttpAnswer, post } from './http.js';
import { type Answer, type Delivery, DeliveryError, type DeliveryOutcome } from './kind.js';
import { certificates, certificatesOf, hiding, secret, settingOf } from './secret.js';
import { tryFor } from './try-for.js';

/** Fields of `send` that say whom it is sent to. */
export const receiverFields = {
  url: z.union([z.string(), secret], {
    error: 'write a URL, or {env: "NAME"} where it holds a secret',
  }),
  headers: z
    .record(
      z.string(),
      z.union([z.string(), secret], { error: 'write a text, or {env: "NAME"} for a secret' }),
    )
    .default({}),
  /** Requests are signed with it. */
  secret: secret.optional(),
  ca: certificates.optional(),
  /** Whether the receiver drops what it has under the same key already. */
  idempotent: z.boolean().default(true),
};
export type ReceiverSettings = z.infer<z.ZodObject<typeof receiverFields>>;

export interface Receiver {
  /** Scheme and host. */
  readonly name: string;
  readonly isIdempotent: boolean;
  readonly contentType: string;
  /** @throws DeliveryError */
  tell(delivery: Delivery, body: string): Promise<{ status: number; body: string }>;
  /** Takes secrets out of a text. */
  hide(text: string): string;
}

const REDIRECTS_MAX = 3;
const RETRY_AFTER_MAX: Millis = hours(1);
/** Of an answer that the ledger keeps. */
const KEPT_BYTES_MAX = 1_000;
/** They are ours, or the protocol's. */
const OWN_HEADERS = new Set([
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'webhook-attempt',
  'idempotency-key',
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'keep-alive',
]);

/** @throws CepError `EFFECTS_INVALID`, `SETTING_INVALID` */
export function receiverOf(settings: ReceiverSettings, env: NodeJS.ProcessEnv): Receiver {
  const { idempotent: isIdempotent } = settings;
  const url = urlOf(settings.url, env);
  const own = headersOf(settings.headers, env);
  const ca = settings.ca && certificatesOf(settings.ca, env, 'ca');
  const key = settings.secret && settingOf(settings.secret, env, 'secret');
  const hide = hiding([
    ...(key === undefined ? [] : [key]),
    ...Object.entries(settings.headers).flatMap(([name, value]) =>
      typeof value === 'string' ? [] : [own[name.toLowerCase()] as string],
    ),
    ...(typeof settings.url === 'string' ? [] : [url.href, `${url.pathname}${url.search}`]),
  ]);
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/plain;q=0.9, */*;q=0.5',
    'accept-encoding': 'identity',
    'user-agent': 'temporal-cep',
    ...own,
  };
  return {
    name: url.origin,
    isIdempotent,
    contentType: headers['content-type'] as string,
    hide,
    tell: async (delivery, body) => {
      const { effect, now, attempt } = delivery;
      const ofMessage = {
        ...headers,
        'idempotency-key': effect.id,
        'webhook-id': effect.id,
        'webhook-attempt': `${attempt}`,
        ...(key !== undefined && signatureOf({ id: effect.id, body, now, key })),
      };
      try {
        const answer = await tryFor(delivery, (signal) =>
          follow(url, { headers: ofMessage, body, signal, ...(ca !== undefined && { ca }) }),
        );
        return accepted(answer, { isIdempotent, name: url.origin, now, hide });
      } catch (error) {
        if (!(error instanceof DeliveryError)) throw error;
        // Its cause, too, may repeat what it was told.
        throw new DeliveryError(hide(error.message), error.outcome);
      }
    },
  };
}

/** As Standard Webhooks has it: over id, seconds since the epoch and body, with a dot between them. */
export function signatureOf(of: {
  readonly id: string;
  readonly now: Timestamp;
  readonly body: string;
  readonly key: string;
}): Record<'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = `${Math.floor(of.now / seconds(1))}`;
  const key = of.key.startsWith('whsec_') ? Buffer.from(of.key.slice(6), 'base64') : of.key;
  const digest = createHmac('sha256', key)
    .update(`${of.id}.${timestamp}.${of.body}`)
    .digest('base64');
  return { 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${digest}` };
}

function urlOf(url: ReceiverSettings['url'], env: NodeJS.ProcessEnv): URL {
  const isSecret = typeof url !== 'string';
  const text = isSecret ? settingOf(url, env, 'url') : url;
  const parsed = URL.canParse(text) ? new URL(text) : null;
  const fault = (said: string) =>
    new CepError(isSecret ? 'SETTING_INVALID' : 'EFFECTS_INVALID', said, {
      details: { field: 'url' },
    });
  if (!parsed || !/^https?:$/.test(parsed.protocol)) {
    throw fault(
      `${isSecret ? url.env : `"${url}"`} is no URL of a receiver: write https://host/path`,
    );
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw fault(
      'it has a user or a password in it: put them into headers, {"authorization": {"env": "NAME"}}',
    );
  }
  return parsed;
}

function headersOf(
  headers: ReceiverSettings['headers'],
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, given] of Object.entries(headers)) {
    const field = `headers.${name}`;
    const lower = name.toLowerCase();
    if (OWN_HEADERS.has(lower)) {
      throw new CepError('EFFECTS_INVALID', 'this header is set by each request: leave it out', {
        details: { field },
      });
    }
    const value = typeof given === 'string' ? given : settingOf(given, env, field);
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch (error) {
      // Node's message names the header, not the value.
      throw new CepError('EFFECTS_INVALID', `${messageOf(error)}: correct the header`, {
        details: { field },
      });
    }
    all[lower] = value;
  }
  return all;
}

/** Posts, and goes on where the same host says it has to be posted instead. */
async function follow(
  first: URL,
  request: Omit<Parameters<typeof post>[0], 'url'>,
): Promise<HttpAnswer> {
  for (let url = first, redirects = 0; ; redirects++) {
    const answer = await post({ ...request, url });
    const { location } = answer.headers;
    if (![307, 308].includes(answer.status) || location === undefined) return answer;
    const refuse = (said: string) =>
      new DeliveryError(`${first.origin} answers ${answer.status}, ${said}`, {
        is: 'refused',
        answer: { status: answer.status },
      });
    if (!URL.canParse(location, url.href)) throw refuse('with a location that is no URL');
    const next = new URL(location, url);
    if (next.origin !== first.origin) {
      throw refuse(
        `which leads to ${next.origin}; nothing is sent to another host: correct the url`,
      );
    }
    if (redirects === REDIRECTS_MAX) throw refuse(`and that more than ${REDIRECTS_MAX} times`);
    url = next;
  }
}

/** @throws DeliveryError for all but an answer that says yes */
function accepted(
  { status, headers, body, isCutOff }: HttpAnswer,
  of: Pick<Receiver, 'isIdempotent' | 'name' | 'hide'> & { readonly now: Timestamp },
): { status: number; body: string } {
  const hidden = of.hide(body);
  const answer: Answer = { status, ...(hidden !== '' && { body: kept(hidden) }) };
  if (status >= 200 && status < 300) {
    if (!isCutOff) return { status, body: hidden };
    throw new DeliveryError(`${of.name} answers ${status}, and then the connection ends`, {
      is: 'unknown',
      answer,
    });
  }
  if (status >= 300 && status < 400) {
    throw new DeliveryError(
      `${of.name} answers ${status}, a redirect under which a POST becomes something else: correct the url`,
      { is: 'refused', answer },
    );
  }
  const retryAfterMs = retryAfterOf(headers['retry-after'], of.now);
  throw new DeliveryError(`${of.name} answers ${status}`, {
    is: meaningOf(status, of.isIdempotent),
    answer,
    ...(retryAfterMs !== null && { retryAfterMs }),
  });
}

/** Said before anything was done. */
const NOT_YET = [408, 425, 429, 503];

function meaningOf(status: number, isIdempotent: boolean): DeliveryOutcome['is'] {
  if (NOT_YET.includes(status)) return 'not-sent';
  // It is at work on an earlier try. One that knows no keys means something else.
  if (status === 409 && isIdempotent) return 'unknown';
  // What broke may have broken behind it, or in a gateway before it.
  return status >= 500 ? 'unknown' : 'refused';
}

/** Of a header: seconds, or a date; null for what is no wait at all, which Temporal would take for a last try. */
export function retryAfterOf(header: string | undefined, now: Timestamp): Millis | null {
  if (header === undefined) return null;
  const text = header.trim();
  // Each other form of a date is older than HTTP/1.1, and JavaScript finds dates in nearly anything.
  const date = text.endsWith(' GMT') ? Date.parse(text) : Number.NaN;
  const ms = /^\d+$/.test(text) ? seconds(Number(text)) : date - now;
  return ms > 0 ? Math.min(ms, RETRY_AFTER_MAX) : null;
}

/** What the ledger keeps of a body: text that any database takes. */
export function kept(body: string): string {
  const text = body.replace(/\p{Cc}+/gu, ' ').trim();
  return Buffer.from(text).toString('utf8', 0, KEPT_BYTES_MAX);
}
