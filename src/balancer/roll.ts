import type { Session } from './session.ts';

/**
 * All sessions of a worker. Each knows its place, so that coming and going are a few assignments: a Set would
 * hash every connection, and grow and shrink with them.
 */
export type Roll = Session[];

export function enterRoll(roll: Roll, session: Session): void {
  session.place = roll.push(session) - 1;
}

/** @returns false when it had left before */
export function leaveRoll(roll: Roll, session: Session): boolean {
  const { place } = session;
  if (place < 0) return false;
  const last = roll.pop()!;
  session.place = GONE;
  if (last === session) return true;
  roll[place] = last;
  last.place = place;
  return true;
}

/** Calls for each that is there and stays; whoever leaves or comes meanwhile may be missed, and others be called twice. */
export function forEachOnRoll(roll: readonly Session[], call: (session: Session) => void): void {
  // Backwards: who takes the place of one that leaves has mostly been called before, and nobody is missed.
  for (let place = roll.length - 1; place >= 0; place--) {
    const session = roll[place];
    if (session !== undefined) call(session);
  }
}

/** The place of one that is not there. */
export const GONE = -1;
