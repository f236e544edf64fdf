// From a match to an alert: its identity, its text, and what it sets off.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import Mustache from 'mustache';
import { bytesAtMost, jsonBytes } from '../automaton/limits.js';
import type { EventsByStage, Match, Timeout } from '../automaton/operator.js';
import { coordinates, firstOf, type MatchedEvents } from '../event.js';
import type { Alert, Outcome, Rule } from './rule.js';

/** Our own: that of the module is frozen where sessions share it, and could not remember a template. */
const writer = new Mustache.Writer();

/**
 * Of an alert as JSON. A Kafka broker takes records of 1 MB unless told, Temporal payloads of 2 MB and 4 MB in one task: the
 * alert goes into it once for each of its effects, too.
 */
const ALERT_BYTES_MAX = 400_000;
/** What is left of a message where even that is too long, in characters. */
const MESSAGE_LENGTH_MAX = 10_000;

/** The address of a session: its journey and the key's value. */
export interface AlertOrigin {
  readonly journey: string;
  readonly key: string;
  readonly rule: Rule;
  /** Of the rule's content. */
  readonly ruleHash: string;
  /** Whether the rule is tried out: the alert is recorded, and sets nothing off. Default false. */
  readonly isShadow?: boolean;
}

/** An alert and the effects that its rule names. */
export interface PlannedAlert {
  readonly alert: Alert;
  readonly effects: readonly string[];
}

/** What a rule says about a match or a timeout: an alert without its identity, for those who only count. */
export interface Announcement {
  readonly outcome: Outcome;
  readonly match: MatchedEvents;
  /** The message, where it does not take a template to make it. */
  readonly text: string | null;
}

/** @returns null when the rule says nothing about it, or its `when` answers false */
export function announce(rule: Rule, output: Match | Timeout): Announcement | null {
  const outcome = output.type === 'match' ? rule.onMatch : rule.onTimeout;
  if (!outcome) return null;
  const match = output.data;
  if (outcome.when && !outcome.when(match)) return null;
  const { message, alert } = outcome;
  // A function may throw, which is an error of the rule whoever wants its text.
  if (typeof message === 'function') return { outcome, match, text: message(match) };
  return {
    outcome,
    match,
    text: message === undefined ? (rule.description ?? `${alert} (${rule.id})`) : null,
  };
}

/**
 * Makes the alert for a match or a timeout.
 *
 * @param ordinal - 0, or counts the further outputs with the same events at the same time
 * @returns null when the rule says nothing about it, or its `when` answers false
 */
export function planAlert(
  origin: AlertOrigin,
  output: Match | Timeout,
  ordinal: number,
): PlannedAlert | null {
  const { rule, journey, key } = origin;
  const announcement = announce(rule, output);
  if (!announcement) return null;
  const { outcome, match, text } = announcement;
  const alert: Alert = {
    id: alertId(origin, output, ordinal),
    journey,
    rule: rule.id,
    ruleVersion: rule.version ?? 1,
    key,
    userId: firstOf(match, 'userId'),
    userSession: firstOf(match, 'userSession'),
    type: outcome.alert,
    // Plain text, not HTML: nothing is to be escaped.
    message: text ?? writer.render(String(outcome.message), match, undefined, { escape: String }),
    at: output.at,
    match,
    ...(output.type === 'timeout' && { timedOut: true }),
    ...(origin.isShadow && { shadow: true }),
  };
  return { alert: fitted(alert), effects: origin.isShadow ? [] : (outcome.effects ?? []) };
}

/**
 * Cuts an alert to what one payload can hold: first the events between the first and the last of each stage are left
 * out, then all events and the end of the message.
 */
function fitted(alert: Alert): Alert {
  if (bytesAtMost(alert) <= ALERT_BYTES_MAX || jsonBytes(alert) <= ALERT_BYTES_MAX) return alert;
  const ends = withMatch(alert, (events) =>
    events.length > 2 ? [events[0], events.at(-1)] : events,
  );
  if (jsonBytes(ends) <= ALERT_BYTES_MAX) return ends;
  return { ...withMatch(alert, () => []), message: alert.message.slice(0, MESSAGE_LENGTH_MAX) };
}

function withMatch(
  alert: Alert,
  choose: (events: readonly unknown[]) => readonly unknown[],
): Alert {
  const stages = Object.entries(alert.match);
  const match = Object.fromEntries(stages.map(([stage, events]) => [stage, choose(events)]));
  const omitted = Object.fromEntries(
    stages.map(([stage, events]) => [stage, events.length - (match[stage] as unknown[]).length]),
  );
  return { ...alert, match, omitted };
}

/** Names an output by what it is, so that a repetition of it has the same name. */
function alertId(
  { journey, key, ruleHash }: AlertOrigin,
  { type, events, at }: Match | Timeout,
  ordinal: number,
): string {
  return hashOf([journey, key, ruleHash, type, at, stageCoordinates(events), ordinal]);
}

/** Tells outputs of one rule apart: equal for the same events at the same time. */
export function outputKey({ type, events, at }: Match | Timeout): string {
  return JSON.stringify([type, at, stageCoordinates(events)]);
}

function stageCoordinates(events: EventsByStage): [stage: string, events: string[]][] {
  return Object.entries(events).map(([stage, taken]) => [stage, taken.map(coordinates)]);
}

/** 32 hex digits (128 bits) of the SHA-256 of a JSON value. */
export function hashOf(value: unknown): string {
  return bytesToHex(sha256(utf8ToBytes(JSON.stringify(value)))).slice(0, 32);
}
