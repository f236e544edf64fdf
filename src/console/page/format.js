// Numbers and times as people read them, in their language and zone.

const whole = new Intl.NumberFormat();
const percent = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const hourAndMinute = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const dayOfText = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC',
});

export const number = (value) => whole.format(value);
export const share = (part, all) => (all === 0 ? '–' : percent.format(part / all));

/** Of a decimal as text: digits are grouped, none of them is lost. */
export function amount(decimal) {
  const [, sign, digits, places = ''] = /^(-?)(\d+)(\.\d+)?$/.exec(decimal) ?? ['', '', '0'];
  const point = (0.1).toLocaleString().charAt(1);
  return `${sign}${whole.format(BigInt(digits))}${places.replace('.', point)}`;
}

/** Of ms since the epoch: the time of day, with the day where that is not today. */
export function moment(ms) {
  const at = new Date(ms);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? clock.format(at) : `${date.format(at)}, ${hourAndMinute.format(at)}`;
}

export const hourMinute = (ms) => hourAndMinute.format(new Date(ms));

/** Of `2026-01-31`. */
export const day = (text) => dayOfText.format(new Date(`${text}T00:00:00Z`));

export const plural = (count, one, many = `${one}s`) =>
  `${number(count)} ${count === 1 ? one : many}`;
