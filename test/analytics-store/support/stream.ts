// A seeded stream that is counted in both ways, and what plain SQL over the same events says of it.

import { sql } from 'kysely';
import type { AnalyticsDatabase } from '../../../src/analytics-store/schema.js';
import { days, minutes, seconds } from '../../../src/time.js';

/** Asia/Shanghai, which has had no other clock since 1991. */
const OFFSET = 8 * 3_600_000;
const BEGIN = Date.UTC(2021, 10, 29, 3) - OFFSET;
export const LATENESS_MS = minutes(30);

export const DECLARATION = {
  zone: 'Asia/Shanghai',
  lateness: '30m',
  aggregates: { recharge: { kind: 'recharge' }, 'page-views': { kind: 'page-views' } },
};

/** An event that is a recharge and a page view. */
export interface StreamEvent {
  readonly seq: number;
  readonly time: number;
  readonly day: string;
  readonly shown: string;
  readonly app: string;
  readonly amount: string;
  readonly visitor: string;
}

/** Random numbers from 0 to 1 that are always the same ones. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Over three days; one in four is out of order, and some are late. */
export function* streamOf(count: number, seed: number): Generator<StreamEvent> {
  const random = seeded(seed);
  for (let seq = 0; seq < count; seq++) {
    const now = BEGIN + Math.floor((seq / count) * days(3));
    const behind = random();
    const lag = behind < 0.02 ? minutes(60) : behind < 0.25 ? minutes(35) : seconds(5);
    const time = now - Math.floor(random() * lag);
    const shown = new Date(time + OFFSET).toISOString().replace('T', ' ').slice(0, 19);
    const places = Math.floor(random() * 5);
    yield {
      ...{ seq, shown, day: shown.slice(0, 10) },
      time: Math.floor(time / 1_000) * 1_000,
      // Some have so few events that refunds outweigh them.
      app: `app${Math.floor(random() ** 3 * (200 + count / 2_000))}`,
      amount: (random() * 120 - 55).toFixed(places),
      visitor: `10.0.${Math.floor(random() * 100)}.${Math.floor(random() ** 2 * (count / 200))}`,
    };
  }
}

/** An amount is a JSON number or text. */
export function lineOf({ seq, day, shown, app, amount, visitor }: StreamEvent): string {
  const consumenum = seq % 3 === 0 ? amount : Number(amount);
  return JSON.stringify({
    ...{ appkey: app, serverid: String(seq % 7), servertime: shown, roleid: `role${seq}` },
    ...{ consumenum, p_dt: day, c_time: shown, client_ip: visitor },
  });
}

/** Loads the events into a table, as they are. */
export async function loadRaw(
  { db }: AnalyticsDatabase,
  events: Iterable<StreamEvent>,
): Promise<void> {
  await sql`create table raw_events (seq integer primary key, event_time bigint, event_day varchar(10), shown varchar(32), app varchar(64),
    amount decimal(20, 4), visitor varchar(64))`.execute(db);
  let some: StreamEvent[] = [];
  const write = async () => {
    const values = some.map(
      ({ seq, time, day, shown, app, amount, visitor }) =>
        sql`(${seq}, ${time}, ${day}, ${shown}, ${app}, ${amount}, ${visitor})`,
    );
    if (values.length > 0) await sql`insert into raw_events values ${sql.join(values)}`.execute(db);
    some = [];
  };
  for (const event of events) {
    some.push(event);
    if (some.length === 2_000) await write();
  }
  await write();
}

/** Those that are not late: not long before the latest that came before them. */
const KEPT = sql`select * from (
    select raw_events.*, max(event_time) over (order by seq rows between unbounded preceding and 1 preceding) as largest from raw_events
  ) as marked where largest is null or event_time >= largest - ${sql.lit(LATENESS_MS)}`;

export async function keptBySql({ db }: AnalyticsDatabase): Promise<number> {
  const { rows } = await sql<{
    kept: number;
  }>`select count(*) as kept from (${KEPT}) as kept`.execute(db);
  return Number(rows[0]?.kept);
}

/** The rows of `consume`. */
export async function consumeBySql({ db }: AnalyticsDatabase) {
  const { rows } = await sql<{
    seq: number;
    app: string;
    shown: string;
    day: string;
    total: string;
  }>`
    select seq, app, shown, event_day as day, total from (
      select kept.*, sum(amount) over (partition by app, event_day) as total,
        row_number() over (partition by app, event_day order by event_time desc, seq desc) as place
      from (${KEPT}) as kept
    ) as summed where place = 1 and total > 0 order by app, event_day
  `.execute(db);
  return rows.map(({ seq, app, shown, day, total }) => ({
    ...{ appkey: app, serverid: String(seq % 7), servertime: shown, roleid: `role${seq}` },
    ...{ amount: total, dt: day },
  }));
}

/** The rows of `result_cps_total_summary_pvuv_min`. */
export async function summaryBySql({ db }: AnalyticsDatabase) {
  const { rows } = await sql<{ day: string; minute: number; pv: number; uv: number }>`
    select day, minute, pv, uv from (
      select day, minute, pv, uv, row_number() over (partition by day, minute order by pv desc) as place from (
        select event_day as day,
          floor(((max(event_time) over so_far + ${sql.lit(OFFSET)}) % 86400000) / 60000) as minute,
          count(*) over so_far as pv, sum(is_first) over so_far as uv
        from (
          select kept.*, case when row_number() over (partition by event_day, visitor order by seq) = 1 then 1 else 0 end as is_first
          from (${KEPT}) as kept
        ) as told
        window so_far as (partition by event_day order by seq rows between unbounded preceding and current row)
      ) as running
    ) as ranked where place = 1 order by day, minute
  `.execute(db);
  return rows.map(({ day, minute, pv, uv }) => ({
    summary_date: day,
    summary_min: `${String(Math.floor(Number(minute) / 60)).padStart(2, '0')}:${String(Number(minute) % 60).padStart(2, '0')}`,
    ...{ pv: Number(pv), uv: Number(uv) },
  }));
}
