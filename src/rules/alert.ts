// From a match to an alert: its identity, its text, and what it sets off.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import Mustache from 'mustache';
import { dataByStage } from '../automaton/match.js';
import type { EventsByStage, Match, Timeout } from '../automaton/operator.js';
import { coordinates, type EventData, type MatchedEvents } from '../event.js';
import type { Alert, Outcome, Rule } from './rule.js';

/** The address of a session: its journey and the key's value. */
export interface AlertOrigin {
  readonly journey: string;
  readonly key: string;
  readonly rule: Rule;
  /** Of the rule's content. */
  readonly ruleHash: string;
}

/** An alert and the effects that its rule names. */
export interface PlannedAlert {
  readonly alert: Alert;
  readonly effects: readonly string[];
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
  const outcome = output.type === 'match' ? rule.onMatch : rule.onTimeout;
  if (!outcome) return null;
  const match = dataByStage(output.events);
  if (outcome.when && !outcome.when(match)) return null;
  const alert: Alert = {
    id: alertId(origin, output, ordinal),
    journey,
    rule: rule.id,
    key,
    userId: fieldOf(match, 'userId'),
    userSession: fieldOf(match, 'userSession'),
    type: outcome.alert,
    message: messageOf(rule, outcome, match),
    at: output.at,
    match,
  };
  return { alert, effects: outcome.effects ?? [] };
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

function fieldOf(match: MatchedEvents, field: string): string | null {
  for (const events of Object.values(match)) {
    for (const event of events) {
      const value = (event as EventData)[field];
      if (value !== undefined && value !== null) return String(value);
    }
  }
  return null;
}

function messageOf(rule: Rule, { message, alert }: Outcome, match: MatchedEvents): string {
  if (message === undefined) return rule.description ?? `${alert} (${rule.id})`;
  if (typeof message === 'function') return message(match);
  // Plain text, not HTML: nothing is to be escaped.
  return Mustache.render(message, match, undefined, { escape: String });
}
