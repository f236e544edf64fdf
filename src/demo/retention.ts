// The retention example: two weeks of a few customers on the time-skipping server, in seconds. Mails and coupons go to receivers of
// its own on loopback; what became of each effect is read from the ledger.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { EffectRecord } from '../effects/ledger.js';
import type { Alert } from '../rules/rule.js';
import type { Report } from '../servers/process.js';
import { startJourneyTest } from '../testing/harness.js';
import { days, hours, type Millis, minutes, type Timestamp } from '../time.js';

const JOURNEYS = new URL('../../examples/retention.ts', import.meta.url);
const EFFECTS = new URL('../../examples/retention-effects.json', import.meta.url);
const ZONE = 'Europe/Berlin';

/** A customer's story: what they do when, after having put something into the cart. */
interface Customer {
  readonly name: string;
  readonly story: string;
  /** Hour at which the cart is filled, in the customer's zone. */
  readonly hour: number;
  /** How long after that they buy; never by default. */
  readonly buysAfter?: Millis;
}

const CUSTOMERS: readonly Customer[] = [
  { name: 'ann', story: 'leaves a cart in the morning', hour: 10 },
  { name: 'bob', story: 'buys before the reminder', hour: 10, buysAfter: minutes(25) },
  { name: 'ann', story: 'leaves another cart within a week', hour: 15 },
  { name: 'cid', story: 'leaves a cart late in the evening', hour: 21 },
  { name: 'dot', story: 'buys after the reminder', hour: 10, buysAfter: hours(5) },
  { name: 'eve', story: 'leaves a cart when the budget is spent', hour: 10 },
];

/** What became of one effect of a customer. */
export interface RetentionRow {
  readonly customer: string;
  readonly story: string;
  readonly effect: string;
  readonly state: EffectRecord['state'];
  readonly reason: EffectRecord['reason'];
  /** When it was sent, or decided that it is not. */
  readonly at: Timestamp | null;
}

export interface RetentionResult {
  readonly rows: readonly RetentionRow[];
  /** As the receivers tell it. */
  readonly mails: number;
  readonly coupons: number;
}

/** @throws CepError `SERVER_NOT_FOUND` */
export async function runRetention(report: Report): Promise<RetentionResult> {
  const mails = await startMailServer((to, subject) => report(`  mail to ${to}: ${subject}`));
  const coupons = await startCouponService((user, code) => report(`  coupon for ${user}: ${code}`));
  const settings = {
    SMTP_URL: mails.url,
    COUPON_URL: coupons.url,
    COUPON_SECRET: 'only for the demo',
    COUPON_CODES: 'only for the demo, too',
  };
  Object.assign(process.env, settings);
  const shop = await startJourneyTest({
    journeys: JOURNEYS,
    journey: 'carts',
    effects: EFFECTS,
  });
  try {
    const stories: { customer: Customer; alert: Alert | undefined }[] = [];
    for (const customer of CUSTOMERS) {
      const { name, story, hour, buysAfter } = customer;
      await shop.skip(untilHour(hour, await shop.now()));
      report(`${timeIn(ZONE, await shop.now())}  ${name} ${story}`);
      const click = { userId: name, email: `${name}@example.com`, zone: ZONE };
      const before = shop.alerts.length;
      await shop.send({ ...click, eventType: 'cart', productId: 'lamp', price: 49 });
      if (buysAfter !== undefined) {
        await shop.skip(buysAfter);
        await shop.send({ ...click, eventType: 'purchase', productId: 'lamp', price: 49 });
      }
      await shop.skip(days(2));
      stories.push({ customer, alert: shop.alerts[before] });
    }
    const rows: RetentionRow[] = [];
    for (const { customer, alert } of stories) {
      for (const record of alert ? await shop.effects(alert) : []) {
        const { effect, state, reason, decidedAt: at } = record;
        const { name, story } = customer;
        rows.push({ customer: name, story, effect, state, reason, at });
      }
    }
    return { rows, mails: mails.count(), coupons: coupons.count() };
  } finally {
    await shop.stop();
    await Promise.all([mails.close(), coupons.close()]);
    for (const name of Object.keys(settings)) delete process.env[name];
  }
}

/** How long until the clocks of the zone show the hour. */
function untilHour(hour: number, now: Timestamp): Millis {
  const clock = new Intl.DateTimeFormat('en', {
    timeZone: ZONE,
    hour: 'numeric',
    minute: 'numeric',
    hourCycle: 'h23',
  });
  const [h, m] = clock.format(now).split(':').map(Number) as [number, number];
  return minutes((hour * 60 - h * 60 - m + 1_440) % 1_440);
}

/** `22 Nov, 10:00`. */
export function timeIn(zone: string, time: Timestamp): string {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    day: '2-digit',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
  }).format(time);
}

interface Receiver {
  readonly url: string;
  count(): number;
  close(): Promise<void>;
}

async function startMailServer(onMail: (to: string, subject: string) => void): Promise<Receiver> {
  let count = 0;
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData: (stream, { envelope }, done) => {
      let text = '';
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        text += chunk;
      });
      stream.on('end', () => {
        count++;
        const [, subject = ''] = /^Subject: (.*)$/m.exec(text) ?? [];
        onMail(envelope.rcptTo.map(({ address }) => address).join(', '), subject.trim());
        done();
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    count: () => count,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

async function startCouponService(
  onCoupon: (user: string, code: string) => void,
): Promise<Receiver> {
  const keys = new Set<string>();
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      const key = String(request.headers['idempotency-key']);
      const { user, coupon } = JSON.parse(text) as {
        user: { id: string };
        coupon: { code: string };
      };
      if (!keys.has(key)) onCoupon(user.id, coupon.code);
      keys.add(key);
      response.end(JSON.stringify({ code: coupon.code }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/coupons`,
    count: () => keys.size,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
