// Which events are goals: what users do that ends the wait of effects about them.

import { CepError, messageOf } from '../errors.js';
import type { EventData } from '../event.js';
import { eventTest } from '../rules/cel.js';
import type { EffectsDeclaration } from './declaration.js';

/** A goal that an event has reached for a user. */
export interface ReachedGoal {
  readonly goal: string;
  readonly userId: string;
}

/**
 * Compiles the goals of a declaration. An event on which a condition errs reaches nothing, nor does one that names no user.
 *
 * @throws CepError `EFFECTS_INVALID` for a condition that does not compile, with its JSON path
 */
export function goalsOf({ goals }: EffectsDeclaration): (event: EventData) => ReachedGoal[] {
  const tests = Object.entries(goals).map(([goal, { when, user }]) => {
    try {
      return { goal, user, test: eventTest(when) };
    } catch (cause) {
      const path = `$.goals.${goal}.when`;
      const details = { path };
      throw new CepError('EFFECTS_INVALID', `${path}: ${messageOf(cause)}`, { details, cause });
    }
  });
  return (event) =>
    tests.flatMap(({ goal, user, test }) => {
      const userId = event[user];
      if (userId === undefined || userId === null || userId === '' || !test(event)) return [];
      return [{ goal, userId: String(userId) }];
    });
}
