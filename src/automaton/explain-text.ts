// An explanation as people read it: a headline for each event, a line for each run that did something, and at
// the end what is waited for and the first near-miss.

import type { CepEvent } from '../event.js';
import { formatTimestamp } from '../time.js';
import type { Asked, SeenValue } from './asked.js';
import type {
  Awaited,
  EventRef,
  Explanation,
  LiveRun,
  Moment,
  NearMiss,
  Reason,
  RefsByStage,
  RunStep,
} from './explain.js';

const VALUE_LENGTH_MAX = 80;
const DATA_LENGTH_MAX = 160;

/** The explanation as text, without a line break at its end. */
export function explainText(explanation: Explanation): string {
  return new Writer(explanation).text();
}

class Writer {
  readonly #explanation: Explanation;
  /** Fields of events that conditions look at: what a headline shows. */
  readonly #fields: ReadonlySet<string>;
  readonly #isOneStream: boolean;

  constructor(explanation: Explanation) {
    this.#explanation = explanation;
    this.#fields = new Set(fieldsIn(explanation.moments));
    const events = explanation.moments.flatMap((m) => (m.type === 'EVENT' ? [m.event] : []));
    const streams = events.map(({ source, partition }) => `${source}/${partition}`);
    this.#isOneStream = new Set(streams).size <= 1;
  }

  text(): string {
    const { before, moments, matches, timeouts, live, heldBack, until } = this.#explanation;
    const { nearMiss } = this.#explanation;
    const sections = [
      before.length === 0
        ? []
        : ['open before:', ...before.map((run) => `  ${this.#liveRun(run)}`)],
      moments.flatMap((moment) => this.#moment(moment)),
      [`${count(matches.length, 'match', 'matches')}, ${count(timeouts.length, 'timeout')}`],
      live.length === 0 && heldBack.length === 0
        ? [`nothing is open at ${formatTimestamp(until)}`]
        : [
            `open at ${formatTimestamp(until)}:`,
            ...live.map((run) => `  ${this.#liveRun(run)}`),
            ...heldBack.map(
              ({ run, events }) =>
                `  run ${run} has a match that is held back by a run that began earlier: ${this.#events(events)}`,
            ),
          ],
      nearMiss === null ? [] : this.#nearMiss(nearMiss),
    ];
    return sections
      .filter((lines) => lines.length > 0)
      .map((lines) => lines.join('\n'))
      .join('\n\n');
  }

  // ---- moments

  #moment(moment: Moment): string[] {
    const { type, at, steps, failure } = moment;
    const headline =
      type === 'EVENT' ? this.#headline(moment.event) : `time ${formatTimestamp(at)}`;
    const begins = steps.length === 1 || steps.some(({ what }) => what === 'BEGAN');
    const shown = begins ? steps : steps.filter(({ what }) => what !== 'NOT_BEGUN');
    return [
      headline,
      ...(type === 'EVENT' && moment.late ? ['  late: behind the watermark, changes nothing'] : []),
      ...shown.map((step) => `  ${this.#step(step)}`),
      ...(failure === undefined ? [] : [`  failed: ${failure}`]),
    ];
  }

  #headline(event: CepEvent): string {
    return `${this.#ref(event)} ${formatTimestamp(event.timestamp)} ${this.#data(event)}`.trimEnd();
  }

  #data({ data }: CepEvent): string {
    const all = Object.entries(data);
    const asked = all.filter(([field]) => this.#fields.has(field));
    const shown = asked.length > 0 ? asked : all;
    const text = shown.map(([field, value]) => `${field}=${shortened(value, VALUE_LENGTH_MAX)}`);
    return cut(text.join(' '), DATA_LENGTH_MAX);
  }

  #step(step: RunStep): string {
    const { run, first, what, stage, because, events = {} } = step;
    const who = first ? `run ${run} (${this.#ref(first)})` : '';
    const taken = () => this.#events(events);
    switch (what) {
      case 'BEGAN':
        return `${who} began: ${stage} took it`;
      case 'TOOK':
        return `${who} took it: ${stage}`;
      case 'BRANCHED':
        return `${who} branched off run ${step.from}: ${
          stage === null ? `ignored it: ${reasons(because)}` : `${stage} took it`
        }`;
      case 'IGNORED':
        return `${who} ignored it: ${reasons(because)}`;
      case 'DIED':
        return `${who} died: ${reasons(because)}`;
      case 'STOPPED':
        return `${who} was stopped by ${reasons(because)}`;
      case 'TIMED_OUT':
        return `${who} timed out: ${taken()}${this.#refused(step)}`;
      case 'PRUNED':
        return `${who} was pruned: ${taken()}; by the match ${this.#events(step.by ?? {})}`;
      case 'MATCHED':
        return `${who} matched: ${taken()}`;
      case 'HELD_BACK':
        return `${who} finished a match, held back by a run that began earlier: ${taken()}`;
      case 'RELEASED':
        return `${who} matched, no longer held back: ${taken()}`;
      case 'NOT_BEGUN':
        return `no run began: ${reasons(because)}`;
    }
  }

  #refused({ refused }: RunStep): string {
    if (refused === undefined) return '';
    return `; last ignored ${this.#ref(refused.event)}: ${reasons(refused.because)}`;
  }

  // ---- what is left

  #liveRun({ run, events, awaits, deadline }: LiveRun): string {
    const wanted = awaits.filter(({ type }) => type !== 'NO_EVENT').map(awaited);
    const unless = awaits.filter(({ type }) => type === 'NO_EVENT').map(awaited);
    const waits = wanted.length > 0 ? wanted.join(', or for ') : 'nothing';
    return [
      `run ${run}, ${this.#events(events)}, waits for ${waits}`,
      ...unless.map((what) => `unless ${what} comes`),
      deadline === null ? 'for ever' : `until ${formatTimestamp(deadline)}`,
    ].join('; ');
  }

  #nearMiss({ step, event, at }: NearMiss): string[] {
    const { because, refused, run, what } = step;
    const ending =
      what === 'NOT_BEGUN'
        ? 'no run began'
        : `run ${run} ${what === 'DIED' ? 'died' : what === 'STOPPED' ? 'was stopped' : 'timed out'}`;
    const asked = what === 'TIMED_OUT' ? (refused?.because ?? []) : because;
    return [
      `first near-miss: ${ending} at ${formatTimestamp(at)}`,
      ...(step.events ? [`  had:       ${this.#events(step.events)}`] : []),
      ...(event ? [`  event:     ${this.#headline(event)}`] : []),
      ...(refused ? [`  ignored:   ${this.#ref(refused.event)}, the last one`] : []),
      ...asked.flatMap(({ stage, asked }) => [
        `  stage:     ${stage}`,
        ...asked
          .flatMap(deciding)
          .flatMap((each) => [
            `  condition: ${each.condition}`,
            `  answer:    ${each.error === undefined ? each.answer : `failed: ${each.error}`}`,
            `  values:    ${valuesText(each.values) || 'none'}`,
          ]),
      ]),
      ...(what === 'TIMED_OUT' && !refused ? ['  no event came that it could have taken'] : []),
    ];
  }

  // ---- parts

  #events(events: RefsByStage): string {
    return Object.entries(events)
      .map(([stage, refs]) => `${stage} ${refs.map((ref) => this.#ref(ref)).join(' ')}`)
      .join(', ');
  }

  #ref({ source, partition, offset }: EventRef): string {
    return this.#isOneStream ? `#${offset}` : `${source}/${partition}#${offset}`;
  }
}

/** Why stages did not take an event, or did. */
function reasons(because: readonly Reason[]): string {
  if (because.length === 0) return 'no stage could have taken it';
  return because
    .map(({ stage, asked }) => {
      const answers = asked.flatMap(deciding).map(answerText);
      return answers.length === 0 ? stage : `${stage}: ${answers.join(' and ')}`;
    })
    .join('; ');
}

/** The parts that decided: of what is no AND or OR itself, the condition as a whole. */
function deciding(asked: Asked): Asked[] {
  const { parts = [], answer } = asked;
  const decided = parts.filter((part) => part.answer === answer);
  if (decided.length === 0) return [asked];
  return decided.flatMap(deciding);
}

function answerText({ condition, answer, error, values }: Asked): string {
  const seen = values.length > 0 ? ` (${valuesText(values)})` : '';
  if (error !== undefined) return `${condition} failed: ${error}${seen}`;
  return `${condition} is ${answer}${seen}`;
}

function valuesText(values: readonly SeenValue[]): string {
  return values
    .map((seen) => `${seen.path} = ${'value' in seen ? json(seen.value) : 'missing'}`)
    .join(', ');
}

function awaited({ type, stage, condition }: Awaited): string {
  if (type === 'TIME') return 'its time to end';
  if (type === 'OTHER') return `any event with ${condition ?? 'anything in it'}`;
  return condition === null ? `${stage}, any event` : `${stage}, ${condition}`;
}

function fieldsIn(moments: readonly Moment[]): string[] {
  const ofAsked = ({ values, parts = [] }: Asked): string[] => [
    ...values.flatMap(({ path }) => /^event(?:\.|\[['"])([^.['"\]]+)/.exec(path)?.[1] ?? []),
    ...parts.flatMap(ofAsked),
  ];
  return moments.flatMap(({ steps }) =>
    steps.flatMap(({ because }) => because.flatMap(({ asked }) => asked.flatMap(ofAsked))),
  );
}

function count(n: number, one: string, several = `${one}s`): string {
  return `${n} ${n === 1 ? one : several}`;
}

function json(value: unknown): string {
  return cut(JSON.stringify(value) ?? String(value), VALUE_LENGTH_MAX);
}

/** Text without quotes, anything else as JSON. */
function shortened(value: unknown, lengthMax: number): string {
  return typeof value === 'string' ? cut(value, lengthMax) : json(value);
}

function cut(text: string, lengthMax: number): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax - 3)}...` : text;
}
