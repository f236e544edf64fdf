// Which sums are kept of a stream, as data: the document that `temporal-cep analytics --aggregates` names.

import { z } from 'zod';
import { duration, faultOf, zone } from '../document-parts.js';
import { CepError } from '../errors.js';

const field = z.string().min(1);
const table = z.string().regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$/, {
  message: 'write the name of a table, or schema.table, in letters, digits and underscores',
});
/** Fields and what they hold in the events that are meant; all of them are by default. */
const where = z.record(field, z.union([z.string(), z.number(), z.boolean()])).default({});

const recharge = z.strictObject({
  kind: z.literal('recharge'),
  /** A row per app and day: `appkey, serverid, servertime, roleid, amount, dt`. */
  table: table.default('consume'),
  where,
  fields: z
    .strictObject({
      app: field.default('appkey'),
      server: field.default('serverid'),
      time: field.default('servertime'),
      role: field.default('roleid'),
      amount: field.default('consumenum'),
    })
    .prefault({}),
});
const pageViews = z.strictObject({
  kind: z.literal('page-views'),
  /** A row per minute in which somebody came: `summary_date, summary_min, pv, uv, currenttime`. */
  table: table.default('result_cps_total_summary_pvuv_min'),
  where,
  fields: z
    .strictObject({
      /** The day, as `2026-01-31`; that of the time where an event has none. */
      day: field.default('p_dt'),
      time: field.default('c_time'),
      visitor: field.default('client_ip'),
    })
    .prefault({}),
  /** How long a day's visitors are remembered after its last event was counted; what then still comes for it is late. */
  keep: duration.refine((ms) => ms >= 1, 'write a length over 0, such as 8d').prefault('8d'),
});

const document = z.strictObject({
  /** Whose days and minutes these are, and of which zone a time is that names none. */
  zone: zone.default('UTC'),
  /** How much older than the latest event of its partition an event may be; one that is older yet is late. */
  lateness: duration.prefault('1h'),
  aggregates: z
    .record(
      z.string().regex(/^[\w.-]{1,64}$/, 'write up to 64 letters, digits, dots and dashes'),
      z.discriminatedUnion('kind', [recharge, pageViews]),
    )
    .refine((all) => Object.keys(all).length > 0, 'name one at least'),
});

export type RechargeDeclaration = z.infer<typeof recharge>;
export type PageViewsDeclaration = z.infer<typeof pageViews>;
export type AggregateDeclaration = RechargeDeclaration | PageViewsDeclaration;
export type AnalyticsDeclaration = z.infer<typeof document>;

/**
 * Reads a declaration of aggregates.
 *
 * @throws CepError `AGGREGATES_INVALID` with the JSON path of the first fault in `details.path`
 */
export function readAnalytics(json: unknown): AnalyticsDeclaration {
  const parsed = document.safeParse(json);
  if (!parsed.success) {
    const { path, message } = faultOf(parsed.error);
    throw invalid(path, message);
  }
  const users = new Map<string, string>();
  for (const [name, { table }] of Object.entries(parsed.data.aggregates)) {
    const other = users.get(table);
    if (other !== undefined) {
      throw invalid(
        `$.aggregates.${name}.table`,
        `"${other}" writes to ${table} too, and each would overwrite the other's rows: name another table`,
      );
    }
    users.set(table, name);
  }
  return parsed.data;
}

function invalid(path: string, message: string): CepError {
  return new CepError('AGGREGATES_INVALID', `${path}: ${message}`, { details: { path } });
}
