// An explanation as people read it: a headline for each event, a line for each run that did something, and at
// the end what is waited for and the first near-miss.

import { counted } from '../counted.js';
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
} from './explanation.js';

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
    const { before, moments, matches, heldBack } = explanation;
    const streams = [
      ...moments.flatMap((moment) => (moment.type === 'EVENT' ? [moment.event] : [])),
      ...[...before, ...matches, ...heldBack].flatMap(({ events }) => Object.values(events).flat()),
    ].map(({ source, partition }) => `${source}/${partition}`);
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
      [`${counted(matches.length, 'match', 'matches')}, ${counted(timeouts.length, 'timeout')}`],
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
      ...this.#steps(shown),
      ...(failure === undefined ? [] : [`  failed: ${failure}`]),
    ];
  }

  /** What a run has in common with the one before it is not told again. */
  #steps(steps: readonly RunStep[]): string[] {
    return steps.map((step, i) => {
      const before = steps[i - 1];
      const why = reasons(step.because);
      const isSame = before?.what === step.what && reasons(before.because) === why;
      return `  ${this.#step(step, isSame && step.because.length > 0 ? 'likewise' : why)}`;
    });
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

  #step(step: RunStep, why: string): string {
    const { run, first, what, stage, events = {} } = step;
    const who = first ? `run ${run} (${this.#ref(first)})` : '';
    const taken = () => this.#events(events);
    switch (what) {
      case 'BEGAN':
        return `${who} began: ${stage} took it`;
      case 'TOOK':
        return `${who} took it: ${stage}`;
      case 'BRANCHED':
        return `${who} branched off run ${step.from}: ${
          stage === null ? ignored(step, why) : `${stage} took it`
        }`;
      case 'IGNORED':
        return `${who} ${ignored(step, why)}`;
      case 'DIED':
        return `${who} died: ${why}`;
      case 'STOPPED':
        return `${who} was stopped: ${why}`;
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
        return `no run began: ${why}`;
    }
  }

  #refused({ refused }: RunStep): string {
    if (refused === undefined) return '';
    const why = refused.because.length > 0 ? `: ${reasons(refused.because)}` : '';
    return `; last ignored ${this.#ref(refused.event)}${why}`;
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

  #nearMiss({ step, event, at, tooLate }: NearMiss): string[] {
    const { because, refused, run, what, awaits = [] } = step;
    const ending =
      what === 'NOT_BEGUN'
        ? 'no run began'
        : `run ${run} ${what === 'DIED' ? 'died' : what === 'STOPPED' ? 'was stopped' : 'timed out'}`;
    const waited = awaits.filter(({ type }) => type === 'EVENT');
    return [
      `first near-miss: ${ending} at ${formatTimestamp(at)}`,
      ...(step.events ? [`  had:       ${this.#events(step.events)}`] : []),
      ...waited.map((each) => `  awaited:   ${awaited(each)}`),
      ...(event ? [`  event:     ${this.#headline(event)}`, ...reasonLines(because)] : []),
      ...(refused
        ? [
            `  ignored:   ${this.#ref(refused.event)}, the last one`,
            ...reasonLines(refused.because),
          ]
        : []),
      ...(tooLate
        ? [`  too late:  ${this.#headline(tooLate.event)}`, ...reasonLines(tooLate.because)]
        : []),
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

function reasonLines(because: readonly Reason[]): string[] {
  return because.flatMap(({ stage, asked }) => [
    `  stage:     ${stage}`,
    ...asked
      .flatMap(deciding)
      .flatMap(({ condition, answer, error, values }) => [
        `  condition: ${condition}`,
        `  answer:    ${error === undefined ? answer : `failed: ${error}`}`,
        `  values:    ${valuesText(values) || 'none'}`,
      ]),
  ]);
}

/** Where every event may be passed over there is no reason to tell. */
function ignored({ because }: RunStep, why: string): string {
  return because.length > 0 ? `ignored it: ${why}` : 'ignored it';
}

/** Why stages did not take an event, or did. */
export function reasons(because: readonly Reason[]): string {
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

/** What is waited for, in words. */
export function awaited({ type, stage, condition }: Awaited): string {
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
