import {
  type EffectsDeclaration,
  type EffectsDocument,
  readEffects,
} from '../../src/effects/declaration.js';
import type { Declared } from '../../src/effects/policy.js';
import type { PlannedEffect } from '../../src/effects/record.js';

export const minutesOf = (clock: string): number =>
  Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clock on the wall shows, by the platform's own formatter. */
export function wallClock(zone: string, at: number): { date: string; minute: number } {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  formats.set(zone, format);
  const [date, time] = format.format(at).split(' ') as [string, string];
  return { date, minute: minutesOf(time) };
}

type EffectDocument = EffectsDocument['effects'][string];

/** One effect that is called `mail`, sent by e-mail, among what else is declared. */
export function declare(
  effect: Partial<EffectDocument> = {},
  all: Partial<EffectsDocument> = {},
): Declared {
  const declared = declareAll({ ...all, effects: { ...all.effects, mail: effect } });
  return { all: declared, effect: declared.effects.mail as Declared['effect'] };
}

export function declareAll(
  document: Omit<EffectsDocument, 'effects'> & { effects: Record<string, Partial<EffectDocument>> },
): EffectsDeclaration {
  const effects = Object.fromEntries(
    Object.entries(document.effects).map(([name, effect]) => [
      name,
      { send: { kind: 'email' }, ...effect },
    ]),
  );
  return readEffects({ ...document, effects });
}

/** @param id - of the alert */
export function plannedOf(
  id: string,
  over: Partial<Omit<PlannedEffect, 'id'>> = {},
): PlannedEffect {
  const effect = over.effect ?? 'mail';
  return {
    id: `${id}/${effect}`,
    alertId: id,
    effect,
    journey: 'shop',
    key: 'u1',
    rule: 'cart',
    ruleVersion: 1,
    channel: 'email',
    user: { id: 'u1', email: 'u1@example.org', zone: 'Europe/Berlin' },
    matchedAt: 0,
    cost: null,
    isDryRun: false,
    ...over,
  };
}
