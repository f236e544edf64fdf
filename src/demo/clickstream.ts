// A shop's clickstream for the demo, the examples and the tests: made up, but the same every time.
// Sessions are written from short scripts (browse, compare, abandon a cart, wait for a price, ...),
// placed on a calendar, filled up with views to the asked number of events and merged.
//   C1. The stream is a function of its options: no clock, no other source of randomness.
//   C2. A user's sessions never overlap, so what a script puts side by side stays side by side also
//       when the stream is keyed by user: a session gets a slot of two hours to itself.
//   C3. Filling only puts views *before* a script, so it can't take a script's meaning away.
//   C4. Every script ends at least half an hour before the end of the stream: no cart and no order
//       is left with an open window, and what alerts later comes from what comes later.
//   C5. Those who churn are silent for a whole week before the end of the stream.

import { assert } from '../assert.js';
import { CepError } from '../errors.js';
import { days, hours, type Millis, seconds, type Timestamp } from '../time.js';

/** What a {@link Click} tells: a page, a cart or a purchase of the shop, or a step of an order. */
export type ClickType = 'view' | 'cart' | 'purchase' | 'create' | 'pay';

/**
 * One row of the clickstream. A type and not an interface, so that it counts as the `EventData` of
 * an event.
 */
export type Click = {
  /** Counts the rows in event-time order, from 1; a live row starts far above. */
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly eventTime: Timestamp;
  readonly eventType: ClickType;
  readonly productId: string;
  readonly categoryId: string;
  readonly categoryCode: string;
  readonly brand: string;
  /** What the product cost for this user at this moment; of an order its total. */
  readonly price: number;
  readonly userId: string;
  readonly userSession: string;
  /** On `create` and `pay` only. */
  readonly orderId?: string;
};

/** What {@link generateClickstream} makes. */
export interface ClickstreamOptions {
  /** The same seed gives the same stream, moved to `endsAt`. Its low 32 bits count. */
  readonly seed: number;
  /** Length of the stream, exact. Default 3,000, at least 1,000. */
  readonly events?: number;
  /** Event time of the last event. */
  readonly endsAt: Timestamp;
  /** How far back it reaches. Default 10, at least 9: to churn takes a week. */
  readonly days?: number;
  /** Longest delay of an event on its way, below 2,000 ms. Default 0: events arrive in order. */
  readonly disorderMs?: Millis;
}

const EVENTS_DEFAULT = 3_000;
/** Below this there is no room for everything several times beside the heavy user. */
const EVENTS_MIN = 1_000;
const DAYS_DEFAULT = 10;
const DAYS_MIN = 9;
/** At two seconds an event could be late for an operator with the default out-of-orderness. */
const DISORDER_MS_END = 2_000;

const EVENTS_PER_SESSION = 8.6;
const EVENTS_PER_USER = 30;
const EVENTS_PER_ORDER = 37.5;
const SESSION_EVENTS_MAX = 15;
const HEAVY_VIEWS = 200;
const CHURN_VIEWS = 10;

const SLOT_S = hours(2) / seconds(1);
const SLOTS_PER_DAY = days(1) / hours(2);
/** A price cut takes at most this share off, so an expensive product stays above 200. */
const CUT_MAX = 0.15;
/** Carts above it are the ones whose abandonment counts. */
const HIGH_VALUE = 200;

const LIVE_GAP_MS = 700;
const LIVE_SESSIONS = 12;
const LIVE_ID = 1_000_000_000;

interface Product {
  readonly productId: string;
  readonly categoryId: string;
  readonly categoryCode: string;
  readonly brand: string;
  readonly price: number;
}

/** Four products of each category: enough for four views of different ones. */
const CATALOGUE: readonly Product[] = (
  [
    [
      ['2053013555631882655', 'electronics.smartphone'],
      ['1002923', 'huawei', 249.3],
      ['1004249', 'apple', 739.81],
      ['1004856', 'samsung', 131.51],
      ['1005115', 'apple', 975.57],
    ],
    [
      ['2232732082063278200', 'electronics.clocks'],
      ['21406322', 'casio', 81.03],
      ['21408177', 'orient', 163.46],
      ['21402571', 'tissot', 437.33],
      ['21411005', 'armani', 289.58],
    ],
    [
      ['2053013554658804075', 'electronics.audio.headphone'],
      ['4804056', 'apple', 161.98],
      ['4804295', 'xiaomi', 22.39],
      ['4803977', 'samsung', 94.93],
      ['4802036', 'sony', 319.2],
    ],
    [
      ['2053013558920217191', 'computers.notebook'],
      ['1307067', 'lenovo', 251.74],
      ['1306650', 'hp', 514.56],
      ['1307310', 'acer', 299.84],
      ['1304972', 'apple', 1286.4],
    ],
    [
      ['2053013553484398879', 'appliances.kitchen.toster'],
      ['15200496', 'uragan', 38.87],
      ['15200134', 'tefal', 51.46],
      ['15200301', 'philips', 46.33],
      ['15200355', 'bosch', 64.09],
    ],
    [
      ['2053013555321504139', 'appliances.kitchen.meat_grinder'],
      ['28722181', 'respect', 51.22],
      ['28718083', 'moulinex', 115.83],
      ['28719074', 'bosch', 200],
      ['28717034', 'kenwood', 268.21],
    ],
    [
      ['2232732093077520756', 'construction.tools.light'],
      ['1004227', 'apple', 892.94],
      ['1005073', 'samsung', 1130.02],
      ['1005205', 'xiaomi', 29.95],
      ['1005160', 'xiaomi', 193.03],
    ],
    [
      ['2053013565983425517', 'apparel.shoes'],
      ['28716983', 'respect', 72.59],
      ['28715757', 'salamander', 88.81],
      ['28720066', 'baden', 57.92],
      ['28718879', 'ecco', 142.86],
    ],
    [
      ['2053013557192163841', 'furniture.living_room.sofa'],
      ['13200605', 'brw', 566.3],
      ['13201002', 'arua', 417.65],
      ['13200063', 'zeta', 180.18],
      ['13201310', 'zeta', 738.75],
    ],
    [
      ['2053013561579406073', 'sport.bicycle'],
      ['12709815', 'trek', 654.32],
      ['12703015', 'cordiant', 45.56],
      ['12702930', 'author', 388.46],
      ['12712059', 'stels', 176.07],
    ],
  ] as const
).flatMap(([[categoryId, categoryCode], ...products]) =>
  products.map(([productId, brand, price]) => ({
    productId,
    categoryId,
    categoryCode,
    brand,
    price,
  })),
);
const EXPENSIVE = CATALOGUE.filter(({ price }) => price * (1 - CUT_MAX) > HIGH_VALUE);
const CHEAP = CATALOGUE.filter(({ price }) => price <= HIGH_VALUE);

/** Mulberry32: small enough to read at a glance, and the same on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    assert(list.length > 0, 'there is something to pick from');
    return list[this.integer(0, list.length - 1)] as T;
  }

  shuffle<T>(list: readonly T[]): T[] {
    const shuffled = [...list];
    for (let end = shuffled.length - 1; end > 0; end -= 1) {
      const other = this.integer(0, end);
      [shuffled[end], shuffled[other]] = [shuffled[other] as T, shuffled[end] as T];
    }
    return shuffled;
  }

  hex(digits: number): string {
    let text = '';
    while (text.length < digits) text += this.integer(0, 15).toString(16);
    return text;
  }

  /** In the form of a random UUID, as the sample system's sessions have. */
  uuid(): string {
    const variant = this.pick(['8', '9', 'a', 'b']);
    const parts = [
      this.hex(8),
      this.hex(4),
      `4${this.hex(3)}`,
      variant + this.hex(3),
      this.hex(12),
    ];
    return parts.join('-');
  }
}

/** One event of a script, `afterS` seconds after the one before it. */
interface Step {
  readonly afterS: number;
  readonly type: ClickType;
  readonly product: Product;
  /** What this user pays of the catalogue's price. Default 1. */
  readonly factor?: number;
  readonly orderId?: string;
}

interface Session {
  readonly userId: string;
  readonly slot: number;
  steps: readonly Step[];
  /** Whether views may be put before the script, to reach the asked number of events. */
  readonly fillable: boolean;
  /** It runs up to the end of the stream. */
  readonly last: boolean;
}

type Script = (random: Random) => Step[];

/** Where a visitor looks next: often nearby, sometimes at the same page again. */
function wander(random: Random, from: Product): Product {
  const where = random.next();
  if (where < 0.15) return from;
  if (where < 0.65) return random.pick(ofCategory(from));
  return random.pick(CATALOGUE);
}

function ofCategory(product: Product): Product[] {
  return CATALOGUE.filter(({ categoryId }) => categoryId === product.categoryId);
}

function views(random: Random, count: number, first = random.pick(CATALOGUE)): Step[] {
  const steps: Step[] = [];
  for (let product = first; steps.length < count; product = wander(random, product)) {
    steps.push({ afterS: random.integer(8, 75), type: 'view', product });
  }
  return steps;
}

/** One to six views, now and then with a pause that is longer than cross-selling waits. */
function browse(random: Random): Step[] {
  const steps = views(random, random.integer(1, 6));
  if (!random.chance(0.2)) return steps;
  return [...steps, ...views(random, 2).map((step) => ({ ...step, afterS: step.afterS + 400 }))];
}

/** A single page: someone who came by a link and left. */
const glance: Script = (random) => views(random, 1);

/** Four different products of one category, one after the other. */
const compare: Script = (random) =>
  random.shuffle(ofCategory(random.pick(CATALOGUE))).flatMap((one) => views(random, 1, one));

/** A product seen, then three times more within a quarter of an hour, with or without detours. */
function intend(random: Random): Step[] {
  const product = random.pick(CATALOGUE);
  const steps = views(random, 1, product);
  for (let repeat = 0; repeat < 3; repeat += 1) {
    if (random.chance(0.4)) steps.push(...views(random, 1));
    else if (random.chance(0.2)) steps.push(cart(random, random.pick(CHEAP)));
    steps.push(...views(random, 1, product));
  }
  return steps;
}

const cart = (random: Random, product: Product): Step => ({
  afterS: random.integer(5, 60),
  type: 'cart',
  product,
});

function abandon(random: Random): Step[] {
  const product = random.pick(EXPENSIVE);
  const steps = [...views(random, random.integer(1, 2), product), cart(random, product)];
  return random.chance(0.4) ? [...steps, ...views(random, 2)] : steps;
}

/** Bought in the end, but more than ten minutes after it was put into the cart. */
function hesitate(random: Random): Step[] {
  const product = random.pick(EXPENSIVE);
  const purchase: Step = { afterS: random.integer(620, 1_500), type: 'purchase', product };
  return [...views(random, 1, product), cart(random, product), purchase];
}

function buy(random: Random): Step[] {
  const product = random.pick(EXPENSIVE);
  const purchase: Step = { afterS: random.integer(20, 240), type: 'purchase', product };
  const steps = [...views(random, random.integer(1, 2), product), cart(random, product)];
  return [...steps, ...(random.chance(0.3) ? views(random, 1) : []), purchase];
}

/** A cart that is worth no reminder; half of them are bought. */
function spendLittle(random: Random): Step[] {
  const product = random.pick(CHEAP);
  const steps = [...views(random, 1, product), cart(random, product)];
  if (random.chance(0.5))
    steps.push({ afterS: random.integer(20, 400), type: 'purchase', product });
  return steps;
}

/** Sees a product, sees it cheaper, puts it into the cart: nothing else in between. */
function waitForPrice(random: Random): Step[] {
  const product = random.pick(CATALOGUE);
  const factor = random.integer(75, 94) / 100;
  const steps: Step[] = [
    { afterS: random.integer(8, 75), type: 'view', product },
    { afterS: random.integer(20, 240), type: 'view', product, factor },
    { afterS: random.integer(5, 120), type: 'cart', product, factor },
  ];
  if (random.chance(0.6)) {
    steps.push({ afterS: random.integer(20, 240), type: 'purchase', product, factor });
  }
  return steps;
}

/** Of ten orders five are paid in time, three never, two too late. */
const ORDER_FATES = [
  'paid',
  'unpaid',
  'paid',
  'late',
  'paid',
  'unpaid',
  'paid',
  'late',
  'paid',
  'unpaid',
] as const;

function order(random: Random, orderId: string, fate: (typeof ORDER_FATES)[number]): Step[] {
  const product = random.pick(CATALOGUE);
  const steps = [...views(random, random.integer(1, 2), product), cart(random, product)];
  steps.push({ afterS: random.integer(10, 90), type: 'create', product, orderId });
  if (fate === 'paid') {
    steps.push({ afterS: random.integer(30, 720), type: 'pay', product, orderId });
    steps.push({ afterS: random.integer(1, 4), type: 'purchase', product });
  } else if (fate === 'late') {
    // By then the order is gone: no purchase comes of it.
    steps.push({ afterS: random.integer(960, 2_100), type: 'pay', product, orderId });
  }
  return steps;
}

/** How many of a hundred ordinary sessions follow which script; the rest browse. */
const SHARES: readonly (readonly [Script, number])[] = [
  [abandon, 15],
  [hesitate, 5],
  [buy, 14],
  [spendLittle, 10],
  [intend, 12],
  [compare, 12],
  [waitForPrice, 10],
  [glance, 4],
];

/** At least three of everything, however short the stream. */
const several = (share: number) => Math.max(3, Math.round(share));

function ordinaryScripts(random: Random, count: number, orders: number): Script[] {
  const scripts: Script[] = [];
  for (let index = 0; index < orders; index += 1) {
    const orderId = `ord-${random.hex(6)}-${String(index + 1).padStart(4, '0')}`;
    const fate = ORDER_FATES[index % ORDER_FATES.length] ?? 'paid';
    scripts.push((own) => order(own, orderId, fate));
  }
  for (const [script, share] of SHARES) {
    const times = several(((count - orders) * share) / 100);
    for (let made = 0; made < times; made += 1) scripts.push(script);
  }
  assert(scripts.length <= count, 'the scripts fit into the sessions');
  while (scripts.length < count) scripts.push(browse);
  return random.shuffle(scripts);
}

/** The users of a stream by their part in it. Ids look like the sample system's. */
function castUsers(random: Random, events: number) {
  const ids = new Set<string>();
  const total = Math.round(events / EVENTS_PER_USER);
  while (ids.size < total) ids.add(String(random.integer(500_000_000, 629_999_999)));
  const all = [...ids];
  const churning = several(events / 400);
  const returning = several(events / 750);
  return {
    heavy: all[0] as string,
    churning: all.slice(1, 1 + churning),
    returning: all.slice(1 + churning, 1 + churning + returning),
    ordinary: all.slice(1 + churning + returning),
  };
}

function planSessions(random: Random, events: number, slots: number): Session[] {
  const users = castUsers(random, events);
  const sessions: Session[] = [];
  const add = (userId: string, slot: number, steps: readonly Step[], fillable = false) =>
    sessions.push({ userId, slot, steps, fillable, last: false });

  // What happens in these slots is over for a week and two hours when the stream ends (C5).
  const early = Array.from({ length: slots - 7 * SLOTS_PER_DAY - 1 }, (_, slot) => slot);
  const heavySessions = Math.ceil(HEAVY_VIEWS / SESSION_EVENTS_MAX);
  const heavySlots = random.shuffle(early).slice(0, heavySessions);
  for (const [index, slot] of heavySlots.entries()) {
    const left = HEAVY_VIEWS - index * SESSION_EVENTS_MAX;
    add(users.heavy, slot, views(random, Math.min(SESSION_EVENTS_MAX, left)));
  }
  for (const userId of users.churning) {
    add(userId, random.pick(early), views(random, random.integer(CHURN_VIEWS, 14)));
  }
  for (const userId of users.returning) {
    const slot = random.pick(early);
    add(userId, slot, views(random, random.integer(CHURN_VIEWS, 12)));
    // From 48 to 70 hours later, that is on the third day.
    add(userId, slot + random.integer(25, 34), buy(random));
  }

  // Someone is still there when the stream ends.
  const lastUser = random.pick(users.ordinary);
  const lastSlot = slots - 1;
  sessions.push({
    userId: lastUser,
    slot: lastSlot,
    steps: views(random, 3),
    fillable: false,
    last: true,
  });

  const taken = new Set([`${lastUser}/${lastSlot}`]);
  const ordinary = Math.round(events / EVENTS_PER_SESSION) - sessions.length;
  const scripts = ordinaryScripts(random, ordinary, Math.round(events / EVENTS_PER_ORDER));
  for (const [index, script] of scripts.entries()) {
    // Everybody once, then whoever comes.
    const userId = users.ordinary[index] ?? random.pick(users.ordinary);
    let slot = random.integer(0, lastSlot);
    // A user has many more slots than sessions, so this ends soon.
    while (taken.has(`${userId}/${slot}`)) slot = (slot + 1) % slots;
    taken.add(`${userId}/${slot}`);
    add(userId, slot, script(random), script !== glance);
  }
  fill(random, sessions, events);
  return sessions;
}

/** Puts views before scripts until there are as many events as asked for. */
function fill(random: Random, sessions: Session[], events: number): void {
  let missing = events;
  for (const { steps } of sessions) missing -= steps.length;
  assert(missing >= 0, 'the scripts are no longer than the stream');
  let open = sessions.filter(({ fillable }) => fillable);
  while (missing > 0) {
    open = random.shuffle(open.filter(({ steps }) => steps.length < SESSION_EVENTS_MAX));
    assert(open.length > 0, 'the sessions have room for all events');
    for (const session of open) {
      if (missing === 0) break;
      const room = SESSION_EVENTS_MAX - session.steps.length;
      const count = Math.min(missing, random.integer(1, Math.min(5, room)));
      session.steps = [...views(random, count), ...session.steps];
      missing -= count;
    }
  }
}

/** The catalogue's prices over time: every third product gets cheaper once, for good. */
function priceList(random: Random, lengthS: number): (product: Product, atS: number) => number {
  const cuts = new Map<Product, { fromS: number; factor: number }>();
  for (const [index, product] of CATALOGUE.entries()) {
    if (index % 3 !== 0) continue;
    const factor = 1 - random.integer(5, CUT_MAX * 100) / 100;
    cuts.set(product, { fromS: random.integer(Math.floor(lengthS * 0.2), lengthS), factor });
  }
  return (product, atS) => {
    const cut = cuts.get(product);
    return product.price * (cut && atS >= cut.fromS ? cut.factor : 1);
  };
}

/**
 * Makes the clickstream of a small shop: about 350 sessions of 100 users with 80 orders for 3,000
 * events. Every pattern of the sample system occurs in it several times, has near misses, and has
 * run out by the end.
 *
 * @returns the clicks in event-time order, with `disorderMs` in order of arrival; the last in event
 *   time lies at `endsAt`
 * @throws CepError `SETTING_INVALID` for fewer than 1,000 events, fewer than 9 days, or a disorder
 *   of 2 s and more
 * @example generateClickstream({ seed: 1, endsAt: 1_577_836_800_000 }).length // 3000
 */
export function generateClickstream(options: ClickstreamOptions): Click[] {
  const { seed, endsAt, events = EVENTS_DEFAULT, disorderMs = 0 } = options;
  const length = options.days ?? DAYS_DEFAULT;
  checkWhole('events', events, EVENTS_MIN);
  checkWhole('days', length, DAYS_MIN);
  if (!(disorderMs >= 0 && disorderMs < DISORDER_MS_END)) {
    throw new CepError(
      'SETTING_INVALID',
      `disorderMs is ${disorderMs}: it must be at least 0 and below ${DISORDER_MS_END}`,
    );
  }

  const random = new Random(seed);
  const slots = length * SLOTS_PER_DAY;
  const priceAt = priceList(random, slots * SLOT_S);
  const clicks: Omit<Click, 'id'>[] = [];
  for (const { last, slot, steps, userId } of planSessions(random, events, slots)) {
    const userSession = random.uuid();
    let atS = slot * SLOT_S + random.integer(0, 900);
    if (last) {
      atS = slots * SLOT_S;
      for (const { afterS } of steps) atS -= afterS;
    }
    for (const { afterS, type, product, factor, orderId } of steps) {
      atS += afterS;
      clicks.push({
        // Whole seconds from the end, so that nothing is lost in a table with second resolution.
        eventTime: endsAt - seconds(slots * SLOT_S - atS),
        eventType: type,
        ...describe(product, priceAt(product, atS) * (factor ?? 1)),
        userId,
        userSession,
        ...(orderId === undefined ? {} : { orderId }),
      });
    }
  }
  const ordered = clicks
    .sort((one, other) => one.eventTime - other.eventTime)
    .map((click, index) => ({ id: index + 1, ...click }));
  return disorderMs === 0 ? ordered : delay(random, ordered, disorderMs);
}

/** The columns of a click that come from its product. */
function describe(product: Product, price: number) {
  const { productId, categoryId, categoryCode, brand } = product;
  return { productId, categoryId, categoryCode, brand, price: Math.round(price * 100) / 100 };
}

/** Each event is under way for up to `disorderMs`: none lags further behind an earlier arrival. */
function delay(random: Random, clicks: readonly Click[], disorderMs: Millis): Click[] {
  return clicks
    .map((click) => ({ click, arrivesAt: click.eventTime + random.next() * disorderMs }))
    .sort((one, other) => one.arrivesAt - other.arrivesAt)
    .map(({ click }) => click);
}

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new CepError(
    'SETTING_INVALID',
    `${name} is ${value}: it must be a whole number and at least ${least}`,
  );
}

/**
 * The background of a live demo, without end: about one event in 700 ms of event time from a dozen
 * sessions that come and go. It holds no cart above 200 and no order, so that what the viewer does
 * stands out. Sessions and users begin with `live-` and differ between two starts.
 *
 * @example
 * for (const click of liveTail({ seed: 1, startsAt: 1_577_836_800_000 })) await send(click);
 */
export function* liveTail(options: {
  readonly seed: number;
  readonly startsAt: Timestamp;
}): Generator<Click, never, undefined> {
  const random = new Random(options.seed);
  const start = options.startsAt.toString(36);
  let opened = 0;
  const open = () => {
    opened += 1;
    return {
      userId: `live-user-${start}-${opened}`,
      userSession: `live-${start}-${opened}`,
      left: random.integer(4, SESSION_EVENTS_MAX),
      product: random.pick(CATALOGUE),
      inCart: false,
    };
  };
  const visitors = Array.from({ length: LIVE_SESSIONS }, open);
  let eventTime = options.startsAt;
  for (let id = LIVE_ID; ; id += 1) {
    // Events of many independent visitors have exponential gaps.
    eventTime += Math.round(Math.min(3_000, -Math.log(1 - random.next()) * LIVE_GAP_MS)) + 1;
    const index = random.integer(0, visitors.length - 1);
    const visitor = visitors[index] as (typeof visitors)[number];
    let eventType: ClickType = 'view';
    if (visitor.inCart && random.chance(0.4)) eventType = 'purchase';
    else if (visitor.product.price <= HIGH_VALUE && random.chance(0.12)) eventType = 'cart';
    yield {
      id,
      eventTime,
      eventType,
      ...describe(visitor.product, visitor.product.price),
      userId: visitor.userId,
      userSession: visitor.userSession,
    };
    visitor.inCart = eventType === 'cart' || (visitor.inCart && eventType === 'view');
    // With something in the cart the visitor stays on its page, so what is bought was in the cart.
    if (!visitor.inCart) visitor.product = wander(random, visitor.product);
    visitor.left -= 1;
    if (visitor.left === 0) visitors[index] = open();
  }
}

/**
 * The one cart of a live demo that is worth a reminder: 249.30 and never bought. Two calls at
 * different times are two sessions.
 */
export function demoCart(at: Timestamp): Click {
  const product = CATALOGUE.find(({ productId }) => productId === '1002923');
  assert(product, 'the demo product is in the catalogue');
  return {
    // Right below the background's ids.
    id: LIVE_ID - 1,
    eventTime: at,
    eventType: 'cart',
    ...describe(product, product.price),
    userId: `live-user-cart-${at.toString(36)}`,
    userSession: `live-cart-${at.toString(36)}`,
  };
}
