// Recharges, summed by app and day.
//
//   R1. The sum of a day is that of all its events, refunds included, whatever their order.
//   R2. Server, time and role are those of the last event: by its time, and of several of one time the one that arrived last.

import type { EventData } from '../event.js';
import { type Amount, amountOf } from '../money.js';
import { eventTimeOf, type Timestamp } from '../time.js';
import type { Zone } from '../zone.js';
import { type Days, daysOf } from './day.js';
import type { RechargeDeclaration } from './declaration.js';
import { moneyOf, textOf, wrong } from './reading.js';

/** What the columns of `consume` hold at most. */
const ID_LENGTH_MAX = 64;
const TIME_LENGTH_MAX = 32;

/** One recharge; a refund has an amount below 0. */
export interface Recharge {
  readonly kind: 'recharge';
  readonly time: Timestamp;
  readonly app: string;
  readonly day: string;
  readonly amount: Amount;
  readonly server: string;
  /** The time as it came. */
  readonly serverTime: string;
  readonly role: string;
}

/** The sum of an app's day, and its last event. */
export interface RechargeSum {
  readonly amount: Amount;
  readonly lastTime: Timestamp;
  readonly server: string;
  readonly serverTime: string;
  readonly role: string;
}

/** Makes recharges of records. The function throws `DecodeError` for what is none. */
export function rechargeReader(
  { fields }: RechargeDeclaration,
  zone: Zone,
): (data: EventData) => Recharge {
  const days: Days = daysOf(zone);
  return (data) => {
    const time = eventTimeOf(data[fields.time], fields.time, zone.instantOf);
    const serverTime = String(data[fields.time]);
    if (serverTime.length > TIME_LENGTH_MAX) {
      throw wrong(fields.time, `should have ${TIME_LENGTH_MAX} characters at most`, serverTime);
    }
    return {
      kind: 'recharge',
      time,
      app: textOf(data, fields.app, ID_LENGTH_MAX),
      day: days.dateAt(time),
      amount: moneyOf(data, fields.amount),
      server: textOf(data, fields.server, ID_LENGTH_MAX),
      serverTime,
      role: textOf(data, fields.role, ID_LENGTH_MAX),
    };
  };
}

/** The sum with one event more: R1, R2. */
export function addRecharge(sum: RechargeSum | undefined, event: Recharge): RechargeSum {
  const amount = (sum?.amount ?? amountOf('0')) + event.amount;
  if (sum !== undefined && event.time < sum.lastTime) return { ...sum, amount };
  const { time: lastTime, server, serverTime, role } = event;
  return { amount, lastTime, server, serverTime, role };
}
