// What stands in the tables after which records, in each kind of database.

import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { aggregatesOf } from '../../src/analytics/aggregate.js';
import { readAnalytics } from '../../src/analytics/declaration.js';
import { openAnalyticsStore } from '../../src/analytics-store/analytics-store.js';
import {
  consume,
  count,
  countInto,
  recordsOf,
  SAMPLES,
  sample,
  summary,
} from './support/counting.js';
import { ENGINES, useDatabase } from './support/engines.js';

const example = JSON.parse(readFileSync(new URL('analytics.json', SAMPLES), 'utf8'));
const only = (name: string, changes: object = {}) => ({
  ...example,
  aggregates: { [name]: { ...example.aggregates[name], ...changes } },
});
const recharge = (app: string, time: string, amount: unknown, role = 'r') => ({
  ...{ appkey: app, serverid: '1', servertime: time, roleid: role, consumenum: amount },
});
const visit = (time: string, visitor: unknown) => ({
  ...{ p_dt: time.slice(0, 10), c_time: time, client_ip: visitor },
});

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine);

  test('the samples, to the letter', async () => {
    const recharges = recordsOf(sample('recharge.ndjson'), 'file:recharge');
    const views = recordsOf(sample('pageviews.ndjson'), 'file:pageviews');
    for (let times = 0; times < 2; times++) {
      const counts = await count(at.at, only('recharge'), recharges);
      expect(counts.aggregates.recharge).toEqual({
        ...{ late: 0, skipped: 0, dead: {} },
        ...(times === 0 ? { counted: 5, repeats: 0 } : { counted: 0, repeats: 5 }),
      });
      await count(at.at, only('page-views'), views);
      const rows = await consume(at.database);
      expect(rows).toEqual([
        {
          ...{ appkey: 'appkey1', serverid: '1', servertime: '2020-09-30 14:30:36' },
          ...{ roleid: 'roleid1', amount: '139.4000', dt: '2020-09-30' },
        },
        {
          ...{ appkey: 'appkey2', serverid: '2', servertime: '2020-09-30 14:20:36' },
          ...{ roleid: 'roleid2', amount: '64.6000', dt: '2020-09-30' },
        },
      ]);
      expect(await summary(at.database)).toEqual([
        { summary_date: '2021-12-01', summary_min: '19:10', pv: 1, uv: 1 },
        { summary_date: '2021-12-01', summary_min: '19:11', pv: 2, uv: 2 },
        { summary_date: '2021-12-01', summary_min: '19:12', pv: 3, uv: 3 },
        { summary_date: '2021-12-01', summary_min: '19:13', pv: 4, uv: 4 },
      ]);
    }
  });
});
