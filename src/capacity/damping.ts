/**
 * Damps moves that lead nowhere (as RFC 2439 does flaps of routes). A plan moves parts of classes, but a part may be one
 * resolver that is larger than the room that was to be made, or than there is: with it more leaves than was wanted,
 * so it comes back and is too much again, or goes round through all regions. So who has just come is sent
 * nowhere but back, and who came back stays for a while, longer each time; others leave in its place.
 */
export type Damping = {
  /** What a part of the class that is in `home` would have to save more, to go to a region; milliseconds. */
  costMs(key: string, home: string, to: string, nowMs: number): number;
  note(moves: readonly ClassMove[], nowMs: number): void;
};

export type ClassMove = { readonly key: string; readonly from: string; readonly to: string };

/** Only an overload is worse than to move somebody who is to stay (OVERLOAD_MS of assign.ts). */
const STAYS_MS = 1000;
/** So long somebody has just come. */
const SOON_MS = 30 * 60_000;
const PIN_MS = 20 * 60_000;
const PIN_FACTOR = 4;
const PIN_MAX_MS = 24 * 3_600_000;
/** Classes that are known at once; those that moved longest ago are forgotten. */
const KNOWN_MAX = 4_000;

/** Of a class. */
type Known = {
  /** The region that part of it left last, and when. */
  readonly left: string;
  readonly leftAtMs: number;
  /** Who is in `left` stays there until then. */
  readonly pinMs: number;
  readonly untilMs: number;
};

export function createDamping(): Damping {
  const known = new Map<string, Known>();
  return {
    costMs(key, home, to, nowMs) {
      const own = known.get(key);
      if (own === undefined || home === to) return 0;
      const stays =
        home === own.left ? nowMs < own.untilMs : to !== own.left && nowMs - own.leftAtMs < SOON_MS;
      return stays ? STAYS_MS : 0;
    },
    note(moves, nowMs) {
      for (const { from, key, to } of moves) {
        const own = known.get(key);
        const now = own?.left === to ? back(own, nowMs) : { ...(own ?? NEVER), ...left(own, from) };
        known.delete(key);
        known.set(key, now.left === to ? now : { ...now, leftAtMs: nowMs });
        if (known.size > KNOWN_MAX) known.delete(known.keys().next().value!);
      }
    },
  };
}

const NEVER: Known = { left: '', leftAtMs: 0, pinMs: 0, untilMs: Number.NEGATIVE_INFINITY };

/** A pin is of one region. */
const left = (own: Known | undefined, from: string): Partial<Known> =>
  own?.left === from ? {} : { ...NEVER, left: from };

/** More of it in the time of a pin is no new reason. */
function back(own: Known, nowMs: number): Known {
  if (nowMs < own.untilMs) return own;
  const isAgain = nowMs - own.untilMs < SOON_MS;
  const pinMs = isAgain ? Math.min(PIN_FACTOR * own.pinMs, PIN_MAX_MS) : PIN_MS;
  return { ...own, pinMs, untilMs: nowMs + pinMs };
}
