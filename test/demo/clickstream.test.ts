// Shows that the made-up clickstream holds what the demo promises, whatever the seed. Each pattern
// of the sample system is looked for with plain loops, without the automaton, and so are its near
// misses.

import { describe, expect, it } from 'vitest';
import { type Click, demoCart, generateClickstream, liveTail } from '../../src/demo/clickstream.js';
import { CepError } from '../../src/errors.js';
import { days, hours, minutes, seconds } from '../../src/time.js';

const ENDS_AT = Date.UTC(2020, 0, 11, 12, 30, 15, 123);
const STREAMS = [0, 1, 2, 3, 42, 2026, 0xffff_ffff]
  .flatMap((seed) => [{ seed }, { seed, events: 1_000 }, { seed, events: 1_000, days: 9 }])
  .concat([{ seed: 7, events: 1_037, days: 14 }]);

function groupBy(clicks: readonly Click[], key: 'userId' | 'userSession' | 'orderId') {
  const groups = new Map<string, Click[]>();
  for (const click of clicks) {
    const value = click[key];
    if (value === undefined) continue;
    const group = groups.get(value);
    if (group) group.push(click);
    else groups.set(value, [click]);
  }
  return [...groups.values()];
}

/** How often each thing occurs whose windows are over when the stream ends. */
function census(clicks: readonly Click[]) {
  const sessions = groupBy(clicks, 'userSession');
  const users = groupBy(clicks, 'userId');
  const counts = {
    crossCategory: 0,
    sameCategory: 0,
    abandoned: 0,
    boughtLate: 0,
    completed: 0,
    cheapCart: 0,
    intent: 0,
    intentWithDetour: 0,
    fourDifferent: 0,
    priceSensitive: 0,
    churned: 0,
    returnedOnDayThree: 0,
    heavy: 0,
    paid: 0,
    unpaid: 0,
    paidLate: 0,
  };

  for (const session of sessions) {
    for (const [index, click] of session.entries()) {
      const next = session[index + 1];
      const later = session.slice(index + 1);
      if (click.eventType === 'view' && next?.eventType === 'view') {
        if (next.eventTime - click.eventTime < minutes(5)) {
          if (next.categoryCode === click.categoryCode) counts.sameCategory += 1;
          else counts.crossCategory += 1;
        }
      }
      if (click.eventType === 'cart' && click.price <= 200) counts.cheapCart += 1;
      if (click.eventType === 'cart' && click.price > 200) {
        const purchase = later.find(({ eventType }) => eventType === 'purchase');
        if (purchase && purchase.eventTime - click.eventTime < minutes(10)) counts.completed += 1;
        else if (click.eventTime + minutes(10) < ENDS_AT) {
          counts.abandoned += 1;
          if (purchase) counts.boughtLate += 1;
        }
      }
      if (click.eventType === 'view') {
        const soon = later.filter(({ eventTime }) => eventTime - click.eventTime < minutes(15));
        const views = soon.filter(({ eventType }) => eventType === 'view');
        const repeats = views.filter(({ productId }) => productId === click.productId);
        const third = repeats[2];
        if (third) {
          counts.intent += 1;
          if (soon.indexOf(third) > 2) counts.intentWithDetour += 1;
        }
        const four = [click, ...views.slice(0, 3)].map(({ productId }) => productId);
        if (new Set(four).size === 4) counts.fourDifferent += 1;
      }
    }
  }

  for (const user of users) {
    for (const [index, first] of user.entries()) {
      const second = user[index + 1];
      const third = user[index + 2];
      if (first.eventType !== 'view' || second?.eventType !== 'view') continue;
      if (second.productId !== first.productId || second.price >= first.price) continue;
      if (third?.eventType !== 'cart' || third.productId !== first.productId) continue;
      if (third.eventTime - first.eventTime < minutes(10)) counts.priceSensitive += 1;
    }

    let views = 0;
    let tenth: Click | undefined;
    let last: Click | undefined;
    let purchased = false;
    for (const click of user) {
      if (click.eventType === 'view') {
        views += 1;
        last = click;
        if (views === 10 && !purchased) tenth = click;
      } else if (click.eventType === 'purchase') {
        if (tenth && !purchased) {
          const after = click.eventTime - tenth.eventTime;
          if (after >= days(2) && after < days(3)) counts.returnedOnDayThree += 1;
        }
        purchased = true;
      }
    }
    if (tenth && last && !purchased && last.eventTime + days(7) < ENDS_AT) {
      counts.churned += 1;
      if (user.length === 200 && user.every(({ eventType }) => eventType === 'view')) {
        counts.heavy += 1;
      }
    }
  }

  for (const order of groupBy(clicks, 'orderId')) {
    const [create, pay] = order;
    if (create?.eventType !== 'create' || create.eventTime + minutes(15) >= ENDS_AT) continue;
    if (pay === undefined) counts.unpaid += 1;
    else if (pay.eventTime - create.eventTime < minutes(15)) counts.paid += 1;
    else counts.paidLate += 1;
  }
  return counts;
}

describe.each(STREAMS)('a clickstream of %o', (options) => {
  const clicks = generateClickstream({ ...options, endsAt: ENDS_AT });

  it('is the same again', () => {
    expect(generateClickstream({ ...options, endsAt: ENDS_AT })).toEqual(clicks);
  });

  it('has the asked length and ids, in event-time order, up to its end', () => {
    expect(clicks).toHaveLength('events' in options ? options.events : 3_000);
    const length = 'days' in options ? options.days : 10;
    let previous = ENDS_AT - days(length);
    for (const [index, click] of clicks.entries()) {
      expect(click.id).toBe(index + 1);
      expect(click.eventTime).toBeGreaterThanOrEqual(previous);
      previous = click.eventTime;
    }
    expect(previous).toBe(ENDS_AT);
    // It does begin where it should, too.
    expect(clicks[0]?.eventTime).toBeLessThan(ENDS_AT - days(length) + hours(12));
  });

  it('holds everything several times', () => {
    const { heavy, ...counts } = census(clicks);
    expect(heavy).toBe(1);
    for (const [name, count] of Object.entries(counts)) {
      expect(count, name).toBeGreaterThanOrEqual(3);
    }
  });

  it('has whole rows', () => {
    for (const click of clicks) {
      expect(click.price).toBeGreaterThan(0);
      expect(click.price).toBe(Number(click.price.toFixed(2)));
      expect(click.productId).toMatch(/^\d{7,8}$/);
      expect(click.categoryId).toMatch(/^\d{19}$/);
      expect(click.categoryCode).toMatch(/^[a-z]+(\.[a-z_]+)+$/);
      expect(click.userId).toMatch(/^\d{9}$/);
      expect(click.userSession).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect('orderId' in click).toBe(click.eventType === 'create' || click.eventType === 'pay');
    }
  });

  it('has sessions of 1 to 15 events of one user each, one after the other', () => {
    for (const session of groupBy(clicks, 'userSession')) {
      expect(session.length).toBeLessThanOrEqual(15);
      expect(new Set(session.map(({ userId }) => userId)).size).toBe(1);
      for (const [index, click] of session.entries()) {
        // No two events of a session at one time: their order is never in doubt.
        if (index > 0) expect(click.eventTime).toBeGreaterThan(session[index - 1]?.eventTime ?? 0);
      }
    }
    for (const user of groupBy(clicks, 'userId')) {
      const changes = user.filter(
        ({ userSession }, index) => userSession !== user[index - 1]?.userSession,
      );
      expect(changes).toHaveLength(new Set(user.map(({ userSession }) => userSession)).size);
    }
  });

  it('leaves no cart and no order open', () => {
    for (const { eventTime, eventType } of clicks) {
      if (eventType !== 'view') expect(eventTime).toBeLessThan(ENDS_AT - minutes(30));
    }
  });

  it('costs a moderate number of workflows', () => {
    const thousands = clicks.length / 1_000;
    const sessions = groupBy(clicks, 'userSession').length;
    expect(sessions).toBeGreaterThan(105 * thousands);
    expect(sessions).toBeLessThan(125 * thousands);
    const users = groupBy(clicks, 'userId').length;
    expect(users).toBeGreaterThan(25 * thousands);
    expect(users).toBeLessThan(40 * thousands);
    const orders = groupBy(clicks, 'orderId').length;
    expect(orders).toBeGreaterThan(22 * thousands);
    expect(orders).toBeLessThan(30 * thousands);
  });
});

describe('generateClickstream', () => {
  it('differs by seed', () => {
    const one = generateClickstream({ seed: 1, endsAt: ENDS_AT });
    const other = generateClickstream({ seed: 2, endsAt: ENDS_AT });
    expect(other).not.toEqual(one);
    const sessions = new Set(one.map(({ userSession }) => userSession));
    expect(other.some(({ userSession }) => sessions.has(userSession))).toBe(false);
  });

  it('only moves with its end', () => {
    const one = generateClickstream({ seed: 1, endsAt: ENDS_AT });
    const moved = generateClickstream({ seed: 1, endsAt: ENDS_AT + 12_345 });
    expect(moved.map((click) => ({ ...click, eventTime: click.eventTime - 12_345 }))).toEqual(one);
  });

  it('has users who come again, and prices that fall', () => {
    const clicks = generateClickstream({ seed: 1, endsAt: ENDS_AT });
    const returning = groupBy(clicks, 'userId').filter(
      (user) => new Set(user.map(({ userSession }) => userSession)).size > 1,
    );
    expect(returning.length).toBeGreaterThan(50);
    const prices = new Map<string, Set<number>>();
    for (const { productId, price } of clicks) {
      prices.set(productId, (prices.get(productId) ?? new Set()).add(price));
    }
    expect([...prices.values()].filter(({ size }) => size > 1).length).toBeGreaterThan(5);
  });

  it('perturbs arrival, within bounds and the same every time', () => {
    const options = { seed: 5, endsAt: ENDS_AT, events: 20_000, disorderMs: 1_500 };
    const { disorderMs, ...ordered } = options;
    const arrivals = generateClickstream(options);
    expect(generateClickstream(options)).toEqual(arrivals);
    let latest = Number.NEGATIVE_INFINITY;
    let overtaken = 0;
    for (const { eventTime } of arrivals) {
      expect(latest - eventTime).toBeLessThanOrEqual(disorderMs);
      if (eventTime < latest) overtaken += 1;
      latest = Math.max(latest, eventTime);
    }
    expect(overtaken).toBeGreaterThan(20);
    expect([...arrivals].sort((one, other) => one.id - other.id)).toEqual(
      generateClickstream(ordered),
    );
  });

  it.each([
    { events: 999 },
    { events: 1_000.5 },
    { days: 8 },
    { days: Number.NaN },
    { disorderMs: -1 },
    { disorderMs: 2_000 },
    { disorderMs: Number.NaN },
  ])('refuses %o', (wrong) => {
    const make = () => generateClickstream({ seed: 1, endsAt: ENDS_AT, ...wrong });
    expect(make).toThrow(CepError);
    expect(make).toThrow(Object.keys(wrong)[0]);
  });
});

describe('liveTail', () => {
  function take(count: number, seed = 1, startsAt = ENDS_AT): Click[] {
    const clicks: Click[] = [];
    for (const click of liveTail({ seed, startsAt })) {
      clicks.push(click);
      if (clicks.length === count) break;
    }
    return clicks;
  }
  const clicks = take(10_000);

  it('is the same again, and other sessions from another start', () => {
    expect(take(10_000)).toEqual(clicks);
    const sessions = new Set(clicks.map(({ userSession }) => userSession));
    const restarted = take(100, 1, ENDS_AT + seconds(1));
    expect(restarted.some(({ userSession }) => sessions.has(userSession))).toBe(false);
  });

  it('goes on at about one event in 700 ms, without long pauses', () => {
    let previous = ENDS_AT;
    for (const { eventTime } of clicks) {
      expect(eventTime).toBeGreaterThan(previous);
      expect(eventTime - previous).toBeLessThanOrEqual(3_001);
      previous = eventTime;
    }
    expect((previous - ENDS_AT) / clicks.length).toBeGreaterThan(650);
    expect((previous - ENDS_AT) / clicks.length).toBeLessThan(750);
  });

  it('comes from many live sessions and has neither orders nor carts above 200', () => {
    expect(new Set(clicks.map(({ id }) => id)).size).toBe(clicks.length);
    const types = new Set(clicks.map(({ eventType }) => eventType));
    expect([...types].sort()).toEqual(['cart', 'purchase', 'view']);
    for (const click of clicks) {
      expect(click.userSession).toMatch(/^live-/);
      expect(click.userId).toMatch(/^live-/);
      if (click.eventType === 'cart') expect(click.price).toBeLessThanOrEqual(200);
    }
    expect(groupBy(clicks.slice(0, 100), 'userSession').length).toBeGreaterThanOrEqual(10);
    for (const session of groupBy(clicks, 'userSession')) {
      expect(session.length).toBeLessThanOrEqual(15);
      for (const [index, { eventType, productId }] of session.entries()) {
        if (eventType !== 'purchase') continue;
        const cart = session.slice(0, index).find((click) => click.eventType === 'cart');
        expect(cart?.productId).toBeDefined();
        const carts = session.slice(0, index).filter((click) => click.eventType === 'cart');
        expect(carts.map((click) => click.productId)).toContain(productId);
      }
    }
  });
});

describe('demoCart', () => {
  it('is one cart above 200 in a session of its own', () => {
    expect(demoCart(ENDS_AT)).toEqual({
      id: 999_999_999,
      eventTime: ENDS_AT,
      eventType: 'cart',
      productId: '1002923',
      categoryId: '2053013555631882655',
      categoryCode: 'electronics.smartphone',
      brand: 'huawei',
      price: 249.3,
      userId: `live-user-cart-${ENDS_AT.toString(36)}`,
      userSession: `live-cart-${ENDS_AT.toString(36)}`,
    });
    expect(demoCart(ENDS_AT + 1).userSession).not.toBe(demoCart(ENDS_AT).userSession);
  });
});
