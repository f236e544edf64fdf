// Guards: what a transition asks, as data. The compiler joins stage conditions with and/not; conditions stay
// numbered underneath, so that each is evaluated once per event.

/** The guard of one transition, as data. */
export type Guard =
  | { readonly op: 'TRUE' }
  | { readonly op: 'FALSE' }
  | { readonly op: 'TEST'; readonly condition: number }
  | { readonly op: 'NOT'; readonly of: Guard }
  | { readonly op: 'AND'; readonly left: Guard; readonly right: Guard };

export const TRUE: Guard = { op: 'TRUE' };
const FALSE: Guard = { op: 'FALSE' };

export function not(guard: Guard): Guard {
  if (guard.op === 'TRUE') return FALSE;
  if (guard.op === 'FALSE') return TRUE;
  return guard.op === 'NOT' ? guard.of : { op: 'NOT', of: guard };
}

export function both(left: Guard, right: Guard): Guard {
  if (left.op === 'TRUE') return right;
  if (right.op === 'TRUE' || left.op === 'FALSE') return left;
  return { op: 'AND', left, right };
}
