// What each panel makes of the figures it is sent.

import { chartIn } from './charts.js';
import { byId, element, keep, link, row, setText, time } from './dom.js';
import { amount, day, hourMinute, moment, number, plural, share } from './format.js';

const MINUTE_MS = 60_000;
/** The colours of apps; the last one is of all others together. */
const APP_COLOURS = [
  '--series-1',
  '--series-2',
  '--series-3',
  '--series-4',
  '--series-5',
  '--series-6',
];

const minutesChart = chartIn(byId('visits-minutes'), { type: 'line', format: number });
const daysChart = chartIn(byId('visits-days'), { type: 'bar', ticks: 7, format: number });
const rechargeChart = chartIn(byId('recharge-chart'), {
  type: 'bar',
  stacked: true,
  ticks: 7,
  format: number,
});
const ratesChart = chartIn(byId('rates-chart'), { type: 'bar', stacked: true, format: number });

const iso = (ms) => new Date(ms).toISOString();
const timeOf = (ms) => (ms === null ? '–' : time(iso(ms), moment(ms)));

export function visits({ days, minutes }) {
  const today = days.at(-1);
  setText(byId('glance-day'), today ? day(today.day) : '');
  setText(byId('glance-views'), today ? number(today.pv) : '–');
  setText(byId('glance-visitors'), today ? number(today.uv) : '–');

  const last = minutes.at(-1);
  setText(byId('visits-span'), last ? `until ${day(last.day)}, ${last.minute}` : 'no visit yet');
  const sum = (of) => minutes.reduce((total, minute) => total + minute[of], 0);
  minutesChart({
    labels: minutes.map(({ minute }) => minute),
    isMarked: (minute) => /[03]0$/.test(minute),
    series: [
      { name: 'Page views', values: minutes.map(({ pv }) => pv), colour: '--series-1', fill: true },
      { name: 'New visitors', values: minutes.map(({ uv }) => uv), colour: '--series-2' },
    ],
    label: last
      ? `Line chart: ${plural(sum('pv'), 'page view')} and ${plural(sum('uv'), 'new visitor')} in the ${minutes.length} minutes until ${last.minute}. The table below has each minute.`
      : 'Line chart without figures yet.',
  });
  keep(
    byId('visits-minutes-rows'),
    minutes.toReversed(),
    ({ day: of, minute }) => `${of} ${minute}`,
    ({ day: of, minute, pv, uv }) =>
      row([{ head: `${day(of)}, ${minute}` }, { number: number(pv) }, { number: number(uv) }]),
  );

  daysChart({
    labels: days.map((each) => day(each.day)),
    series: [
      { name: 'Page views', values: days.map(({ pv }) => pv), colour: '--series-1' },
      { name: 'Visitors', values: days.map(({ uv }) => uv), colour: '--series-2' },
    ],
    label: today
      ? `Bar chart of ${plural(days.length, 'day')}; on the last, ${day(today.day)}, ${plural(today.pv, 'page view')} of ${plural(today.uv, 'visitor')}. The table below has each day.`
      : 'Bar chart without figures yet.',
  });
  keep(
    byId('visits-days-rows'),
    days.toReversed(),
    (each) => each.day,
    (each) =>
      row([{ head: day(each.day) }, { number: number(each.pv) }, { number: number(each.uv) }]),
  );
}

export function recharge({ days, totals, apps, others }) {
  const latest = totals.at(-1);
  setText(byId('glance-recharge'), latest === undefined ? '–' : amount(latest));
  setText(byId('recharge-total'), latest === undefined ? 'no recharge yet' : '');
  const columns = apps.map((each, i) => ({ ...each, colour: APP_COLOURS[i] }));
  if (others) columns.push({ ...others, app: 'Others', colour: '--series-rest' });
  rechargeChart({
    labels: days.map(day),
    series: columns.map(({ app, amounts, colour }) => ({
      name: app,
      values: amounts.map(Number),
      colour,
    })),
    label:
      latest === undefined
        ? 'Bar chart without figures yet.'
        : `Stacked bar chart of ${plural(apps.length, 'app')} over ${plural(days.length, 'day')}; ${amount(latest)} on ${day(days.at(-1))}. The table below has each amount.`,
  });
  keep(
    byId('recharge-head'),
    ['Day', ...columns.map(({ app }) => app), 'All'].map((name, i) => ({ name, i })),
    ({ i }) => `${i}`,
    ({ name, i }) => element('th', { scope: 'col', ...(i > 0 && { class: 'number' }) }, name),
  );
  keep(
    byId('recharge-rows'),
    days
      .map((of, i) => ({
        of,
        cells: [...columns.map(({ amounts }) => amounts[i]), totals[i]],
      }))
      .reverse(),
    ({ of }) => of,
    ({ of, cells }) => row([{ head: day(of) }, ...cells.map((each) => ({ number: amount(each) }))]),
  );
}

const seen = new Set();

/** @returns those that were not there the last time; none the first time */
export function alerts(list) {
  const isFirst = seen.size === 0 && byId('alerts-list').childElementCount === 0;
  const fresh = isFirst ? [] : list.filter(({ id }) => !seen.has(id));
  const isFresh = new Set(fresh.map(({ id }) => id));
  byId('alerts-empty').hidden = list.length > 0;
  byId('alerts-list').parentElement.hidden = list.length === 0;
  setText(byId('alerts-aside'), list.length === 0 ? '' : `the last ${number(list.length)}`);
  keep(
    byId('alerts-list'),
    list,
    ({ id }) => id,
    (alert) => alertItem(alert, isFresh.has(alert.id)),
  );
  seen.clear();
  for (const { id } of list) seen.add(id);
  return fresh;
}

function alertItem(alert, isFresh) {
  const { id, type, message, rule, journey, key, at, recordedAt } = alert;
  return element(
    'li',
    { 'data-id': id, ...(isFresh && { class: 'fresh' }) },
    element(
      'p',
      { class: 'what' },
      element('span', { class: `type ${alert.timedOut ? 'timeout' : 'match'}` }, type),
      element('span', { class: 'kind' }, alert.timedOut ? 'timed out' : 'matched'),
      ...(alert.shadow ? [element('span', { class: 'kind' }, 'in the shadow')] : []),
      timeOf(recordedAt),
    ),
    element('p', { class: 'message' }, message),
    element(
      'p',
      { class: 'origin' },
      element('span', {}, `${journey} / ${rule}`),
      element('span', { class: 'key', title: key }, key),
      element(
        'span',
        { class: 'at' },
        at === null ? 'at the end of the stream' : 'event time ',
        ...(at === null ? [] : [timeOf(at)]),
      ),
      element('span', { class: 'id', title: id }, id.slice(0, 8)),
      element(
        'span',
        { class: 'links' },
        link(alert.session, 'Session', `Session of ${key} in the Temporal UI`),
        ...(alert.effects
          ? [
              link(
                alert.effects,
                'Effects',
                `Effects of alert ${id.slice(0, 8)} in the Temporal UI`,
              ),
            ]
          : []),
      ),
    ),
  );
}

let ratesNow = null;

export function rates(state) {
  ratesNow = state;
  const sum = (counts) =>
    counts.reduce(([m, t], [matches, timeouts]) => [m + matches, t + timeouts], [0, 0]);
  const [matches, timeouts] = sum(state.all.minutes);
  setText(byId('glance-alerts'), number(matches + timeouts));
  setText(byId('glance-timeouts'), share(timeouts, matches + timeouts));
  const nameOf = ({ journey, rule, shadow }) => JSON.stringify([journey, rule, shadow]);
  const textOf = ({ journey, rule, shadow }) =>
    `${rule} (${journey}${shadow ? ', in the shadow' : ''})`;

  const choice = byId('rates-rule');
  const chosen = choice.value;
  keep(
    choice,
    [{ name: '', text: 'All rules' }].concat(
      state.rules.map((rule) => ({ name: nameOf(rule), text: textOf(rule) })),
    ),
    ({ name }) => name,
    ({ name, text }) => element('option', { value: name }, text),
  );
  choice.value = chosen;
  if (choice.selectedIndex < 0) choice.value = '';
  drawRates();

  keep(
    byId('rates-rows'),
    state.rules.map(({ journey, rule, shadow, minutes, hours }) => ({
      ...{ journey, rule, shadow },
      hour: sum(minutes),
      day: sum(hours),
    })),
    nameOf,
    ({ journey, rule, shadow, hour, day: all }) =>
      row([
        {
          head: element(
            'span',
            {},
            rule,
            element('small', {}, shadow ? `${journey}, in the shadow` : journey),
          ),
        },
        ...[...hour, ...all].map((count) => ({ number: number(count) })),
        { number: share(all[1], all[0] + all[1]) },
      ]),
  );
  setText(
    byId('rates-others'),
    state.others > 0
      ? `${plural(state.others, 'more rule')} with fewer alerts in “All rules” only.`
      : '',
  );
}

/** The chart of the chosen rule and span. */
function drawRates() {
  if (ratesNow === null) return;
  const choice = byId('rates-rule');
  const rule = ratesNow.rules[choice.selectedIndex - 1] ?? ratesNow.all;
  const span = document.querySelector('input[name="rates-span"]:checked').value;
  const counts = rule[span];
  const step = span === 'minutes' ? MINUTE_MS : 60 * MINUTE_MS;
  const end = Math.floor((ratesNow.minute * MINUTE_MS) / step) * step;
  const points = counts.map(([matches, timeouts], i) => ({
    at: end - (counts.length - 1 - i) * step,
    matches,
    timeouts,
  }));
  const total = (of) => points.reduce((sum, point) => sum + point[of], 0);
  ratesChart({
    labels: points.map(({ at }) => hourMinute(at)),
    isMarked: (label) =>
      span === 'minutes' ? label.endsWith('0') : Number(label.slice(0, 2)) % 4 === 0,
    series: [
      { name: 'Matches', values: points.map(({ matches }) => matches), colour: '--series-1' },
      { name: 'Timeouts', values: points.map(({ timeouts }) => timeouts), colour: '--series-3' },
    ],
    label: `Stacked bar chart, ${choice.selectedOptions[0].text}: ${plural(total('matches'), 'match', 'matches')} and ${plural(total('timeouts'), 'timeout')} in ${counts.length} ${span}. The table below has each of them.`,
  });
  keep(
    byId('rates-chart-rows'),
    points.toReversed(),
    ({ at }) => `${at}`,
    ({ at, matches, timeouts }) =>
      row([
        { head: time(iso(at), hourMinute(at)) },
        { number: number(matches) },
        { number: number(timeouts) },
      ]),
  );
}

byId('rates-rule').addEventListener('change', drawRates);
for (const input of document.querySelectorAll('input[name="rates-span"]')) {
  input.addEventListener('change', drawRates);
}

/** What somebody has to see to, by where it is. */
const attention = new Map();

function needs(what, count) {
  attention.set(what, count);
  const all = [...attention.values()].reduce((sum, each) => sum + each, 0);
  setText(byId('glance-attention'), number(all));
  byId('glance-attention').classList.toggle('alarming', all > 0);
}

export function rules({ revision, since, count, rows, faults }) {
  setText(
    byId('rules-revision'),
    revision === null
      ? 'no revision yet: no ingestor has looked'
      : `${number(count)}, revision ${revision} since ${moment(since)}`,
  );
  keep(
    byId('rules-rows'),
    rows,
    ({ rule, journey, table }) => JSON.stringify([rule, journey, table]),
    ({ rule, description, journey, version, mode }) =>
      row([
        {
          head: element(
            'span',
            {},
            rule,
            ...(description ? [element('small', {}, description)] : []),
          ),
        },
        journey,
        { number: `${version}` },
        element('span', { class: `mode ${mode}` }, mode === 'on' ? 'on' : 'in the shadow'),
      ]),
  );
  byId('rules-faults').hidden = faults.length === 0;
  keep(
    byId('rules-faults-list'),
    faults,
    ({ table, rule }) => JSON.stringify([table, rule]),
    ({ table, rule, message }) =>
      element('li', {}, element('b', {}, `${table}, ${rule}: `), message),
  );
  needs('faults', faults.length);
}

function listOf(name, { count, rows }, nameOf, make) {
  setText(byId(`${name}-count`), count > 0 ? number(count) : '');
  byId(`${name}-empty`).hidden = count > 0;
  byId(`${name}-table`).hidden = count === 0;
  keep(byId(`${name}-rows`), rows, nameOf, make);
  needs(name, count);
}

export function effects(state) {
  listOf(
    'effects',
    state,
    ({ id }) => id,
    (dead) =>
      row([
        { head: element('span', {}, dead.effect, element('small', {}, dead.channel)) },
        dead.rule,
        dead.reason ?? '–',
        { number: number(dead.attempts) },
        timeOf(dead.at),
        link(dead.effects, 'Workflow', `Workflow of effect ${dead.id} in the Temporal UI`),
      ]),
  );
}

export function parked(state) {
  listOf(
    'parked',
    state,
    ({ journey, key }) => JSON.stringify([journey, key]),
    (session) =>
      row([
        { head: element('span', {}, session.key, element('small', {}, session.journey)) },
        session.reason,
        { number: number(session.signals) },
        timeOf(session.at),
        link(session.session, 'Session', `Session of ${session.key} in the Temporal UI`),
      ]),
  );
}

export function progress({ count, silent, rows }) {
  byId('progress-empty').hidden = count > 0;
  byId('progress-table').hidden = count === 0;
  keep(
    byId('progress-rows'),
    rows,
    ({ source, partition }) => JSON.stringify([source, partition]),
    (each) =>
      row(
        [
          { head: each.source },
          { number: `${each.partition}` },
          element('span', {}, each.isSilent ? `${each.stream}, silent` : each.stream),
          each.watermark === null ? 'none yet, or the end' : timeOf(each.watermark),
          { number: each.lowWater === null ? 'the end' : number(each.lowWater) },
          each.publishedAt === null ? 'never' : timeOf(each.publishedAt),
          each.ingestor,
        ],
        each.isSilent ? { class: 'alarming' } : {},
      ),
  );
  needs('silent', silent);
}
