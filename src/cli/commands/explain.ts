import { Command } from 'commander';
import { explain } from '../../automaton/explain.js';
import { explainText } from '../../automaton/explain-text.js';
import type { NFA } from '../../automaton/nfa.js';
import type { OperatorSnapshot } from '../../automaton/operator.js';
import { CepError } from '../../errors.js';
import type { CepEvent } from '../../event.js';
import { decodeRecord } from '../../ingest/decode.js';
import { readFileRecords } from '../../ingest/read-file.js';
import type { RawRecord } from '../../ingest/record.js';
import { routeEvent } from '../../ingest/route.js';
import { loadJourneys } from '../../journeys-module.js';
import { naming, oneLine, readJson } from '../../json-file.js';
import type { CompiledJourney, CompiledJourneys, CompiledRule } from '../../rules/compiled.js';
import { operatorOf, type SessionRulesSnapshot } from '../../rules/session.js';
import { MAX_TIMESTAMP } from '../../time.js';
import { isDocument, readPattern } from '../pattern-file.js';
import { note, print } from '../terminal.js';

interface ExplainFlags {
  pattern: string;
  events: string;
  journey?: string;
  rule?: string;
  key?: string;
  state?: string;
  end?: boolean;
  json?: boolean;
}

/** A pattern, and which records are its events. */
interface Subject {
  readonly nfa: NFA;
  /** The rule that it belongs to; null for a document. */
  readonly rule: string | null;
  decode(record: RawRecord): CepEvent;
  /** Of these events, those of one key. */
  select(events: readonly CepEvent[]): readonly CepEvent[];
}

export function explainCommand(): Command {
  return new Command('explain')
    .description('say what each event did to each partial match of a pattern, and why')
    .requiredOption(
      '--pattern <file>',
      'a pattern document (.json), or a journeys module, JavaScript or TypeScript',
    )
    .requiredOption('--events <file>', 'the events, NDJSON or CSV, or - for standard input')
    .option('--journey <id>', 'which journey of the module, where it has several')
    .option('--rule <id>', 'which rule of the journey, where it has several')
    .option('--key <key>', "whose events, by the journey's key; where they have one key only, that")
    .option('--state <file>', "go on from here: an operator's, or a session's, snapshot as JSON")
    .option('--end', 'end all windows behind the last event, as at the end of a file')
    .option('--json', 'print the explanation as JSON')
    .addHelpText(
      'after',
      `
For each event: which partial match took it, passed it over, branched, died, was stopped by a NOT stage, pruned by
a skip strategy, held back or timed out, and the conditions with the values that they saw. Then what each waits
for, and the first near-miss. Event times are read from the journeys' field; for a pattern document from
eventTime, else timestamp, and all events are of one key. Windows end by deadline, as under timers 'complete'.
Needs no server. Exits with 1 when a file cannot be read or a pattern is refused.`,
    )
    .action(run);
}

async function run(flags: ExplainFlags): Promise<void> {
  const { pattern, state, end, json } = flags;
  const subject = isDocument(pattern) ? documentSubject(flags) : await journeySubject(flags);
  const from = state === undefined ? undefined : readState(state, subject.rule);
  const events = subject.select(await readEvents(flags.events, subject));
  const options = { ...(from ? { from } : {}), ...(end ? { until: MAX_TIMESTAMP } : {}) };
  const explanation = naming(state ?? pattern, () => explain(subject.nfa, events, options));
  print(json ? JSON.stringify(explanation) : explainText(explanation));
}

// ---- the pattern

function documentSubject({ pattern, journey, rule, key }: ExplainFlags): Subject {
  if ((journey ?? rule ?? key) !== undefined) {
    throw new CepError(
      'SETTING_INVALID',
      '--journey, --rule and --key are for a journeys module: leave them out with a pattern document',
    );
  }
  return {
    nfa: readPattern(pattern).nfa,
    rule: null,
    decode: (record) => decodeRecord(record, { eventTime: timeFieldOf(record), fields: {} }),
    select: (events) => events,
  };
}

/** Vectors and journeys call it differently; a record that has neither is refused under the usual name. */
function timeFieldOf({ value }: RawRecord): string {
  const names = (data: object) => !('eventTime' in data) && 'timestamp' in data;
  try {
    const data: unknown = typeof value === 'string' ? JSON.parse(value) : value;
    return typeof data === 'object' && data && names(data) ? 'timestamp' : 'eventTime';
  } catch {
    return 'eventTime';
  }
}

async function journeySubject(flags: ExplainFlags): Promise<Subject> {
  const { journeys } = await loadJourneys(flags.pattern);
  const { journey, rule } = chooseRule(journeys, flags);
  if (rule.rule.timers === 'flink') {
    note(`Rule "${rule.rule.id}" has timers: 'flink'; it is explained as under 'complete'`);
  }
  return {
    nfa: rule.nfa,
    rule: rule.rule.id,
    decode: (record) => decodeRecord(record, journeys.set),
    select: (events) => ofKey(events, journeys, journey, flags.key),
  };
}

function chooseRule(
  journeys: CompiledJourneys,
  flags: ExplainFlags,
): { journey: CompiledJourney; rule: CompiledRule } {
  const all = [...journeys.byId.values()].flatMap((journey) =>
    journey.rules.map((rule) => ({ journey, rule })),
  );
  const chosen = all.filter(
    ({ journey, rule }) =>
      (flags.journey === undefined || journey.journey.id === flags.journey) &&
      (flags.rule === undefined || rule.rule.id === flags.rule),
  );
  const [only] = chosen;
  if (only && chosen.length === 1) return only;
  const names = (chosen.length > 0 ? chosen : all)
    .map(({ journey, rule }) => `--journey ${journey.journey.id} --rule ${rule.rule.id}`)
    .join(', or ');
  const found = chosen.length > 0 ? `${chosen.length} rules` : 'no such rule';
  throw new CepError('SETTING_INVALID', `${flags.pattern} has ${found}: choose ${names}`);
}

function ofKey(
  events: readonly CepEvent[],
  { set }: CompiledJourneys,
  journey: CompiledJourney,
  key: string | undefined,
): readonly CepEvent[] {
  const only = { set, byId: new Map([[journey.journey.id, journey]]) };
  const keyed = events.flatMap((event) => {
    const { routes, errors } = routeEvent(event, only);
    if (errors[0]) throw inLine(event, errors[0]);
    return routes.map((route) => ({ event, key: route.key }));
  });
  const keys = [...new Set(keyed.map((each) => each.key))];
  if (key === undefined ? keys.length <= 1 : keys.includes(key)) {
    return keyed.filter((each) => key === undefined || each.key === key).map(({ event }) => event);
  }
  const some = keys.slice(0, 5).join(', ');
  const which = keys.length === 0 ? 'none' : `${some}${keys.length > 5 ? ', ...' : ''}`;
  const found = `the events of journey "${journey.journey.id}" have ${keys.length === 1 ? 'the key' : `${keys.length} keys:`} ${which}`;
  throw new CepError('SETTING_INVALID', `${found}: choose one with --key`);
}

// ---- the events and the state

async function readEvents(path: string, subject: Subject): Promise<CepEvent[]> {
  const events: CepEvent[] = [];
  for await (const record of readFileRecords({ path })) {
    if ('endOfLog' in record) continue;
    try {
      // Whether a time lies ahead of the clock is no question here.
      events.push(subject.decode({ ...record, recordTime: MAX_TIMESTAMP }));
    } catch (cause) {
      throw cause instanceof CepError ? inLine(record, cause) : cause;
    }
  }
  return events;
}

function inLine({ source, offset }: { source: string; offset: number }, cause: CepError): CepError {
  const message = `${source}, record ${offset} (counted from 0): ${oneLine(cause)}; correct it, or leave it out`;
  return new CepError(cause.code, message, { details: cause.details, cause });
}

/** Of an operator, or of a session of which one rule is asked for. */
function readState(file: string, rule: string | null): OperatorSnapshot {
  const what = 'name the JSON of an operator.snapshot(), or of a session with this rule';
  const json = readJson(file, 'state', what) as object | null;
  const isOfSession = json !== null && 'rules' in json && 'events' in json;
  const found: Partial<OperatorSnapshot> | null | undefined = isOfSession
    ? operatorOf(json as SessionRulesSnapshot, rule ?? '')
    : json;
  const isSnapshot =
    typeof found?.watermark === 'number' &&
    Array.isArray(found.buffered) &&
    Array.isArray(found.matches?.partial);
  if (isSnapshot) return found as OperatorSnapshot;
  throw new CepError('INPUT_MISSING', `${file} is no state: ${what}`);
}
