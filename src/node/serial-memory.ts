import { z } from 'zod';

/**
 * What signing has added to the serial of a zone. It never becomes less: not when key files that did their
 * work are removed, not when signing is turned off, not when the clock is set back. All of it only grows, so
 * nodes that heard of each other's come to the same sum in whatever order they did.
 */
export type SerialMemory = {
  readonly weeks: number;
  /** How often each key, or set of keys, has changed. */
  readonly changes: Readonly<Record<string, number>>;
  /** How often signing was turned off, and on again: even while it is on. */
  readonly turns: number;
};

/** The same with what concerns this node alone. */
export type ZoneMemory = SerialMemory & {
  readonly isSigned: boolean;
  /** Answers have been signed since. */
  readonly signedSinceMs: number;
};

/** A zone as it is about to be shown. */
export type SigningSeen = {
  /** By the configuration. */
  readonly isSigned: boolean;
  readonly weeks: number;
  readonly changes: Readonly<Record<string, number>>;
  /** When it became signed, as far as it can be known when nothing is remembered. */
  readonly sinceMs: number;
  /** It is signed from now on, whatever is remembered. */
  readonly isAnew: boolean;
  readonly nowMs: number;
};

/** Of one zone; with more the earliest are counted together. */
export const CHANGES_MAX = 256;

/**
 * Nothing that adds to the serial is ever less than it was.
 * @param before what this node remembers
 * @param shared what all nodes remember
 */
export function remembered(
  before: ZoneMemory | undefined,
  shared: SerialMemory | undefined,
  seen: SigningSeen,
): ZoneMemory {
  const { isAnew, isSigned, nowMs, sinceMs } = seen;
  const known = united(before ?? NOTHING, shared ?? NOTHING, seen.changes);
  const isTurned = before?.isSigned !== isSigned;
  const isFresh = isAnew || (before !== undefined && isTurned && isSigned);
  return {
    weeks: Math.max(known.weeks, seen.weeks),
    changes: joined(known.changes, seen.changes, seen.changes),
    // A turn that another node has taken before is not taken twice. A node that remembers nothing and finds
    // the zone otherwise than the others left it is the first to hear of a turn.
    turns: isTurned && !isFitting(known.turns, isSigned) ? known.turns + 1 : known.turns,
    isSigned,
    signedSinceMs: isFresh ? nowMs : (before?.signedSinceMs ?? sinceMs),
  };
}

/**
 * What is added to the zone's serial. A turn that others have taken and this node has not is not shown by it:
 * a secondary that had the new serial with the old content would not come again.
 */
export function serialIncrementOf({ changes, isSigned, turns, weeks }: ZoneMemory): number {
  const shown = isFitting(turns, isSigned) ? turns : turns - 1;
  return weeks + shown + sumOf(Object.values(changes));
}

/** What both of them know. @param current keys that keep a number of their own, whatever their number */
export function united(
  one: SerialMemory,
  other: SerialMemory,
  current: SerialMemory['changes'],
): SerialMemory {
  return {
    weeks: Math.max(one.weeks, other.weeks),
    changes: joined(one.changes, other.changes, current),
    turns: Math.max(one.turns, other.turns),
  };
}

export const NOTHING: SerialMemory = { weeks: 0, changes: {}, turns: 0 };

const isFitting = (turns: number, isSigned: boolean): boolean => (turns % 2 === 0) === isSigned;
const sumOf = (counts: readonly number[]): number => counts.reduce((sum, each) => sum + each, 0);
/** Not the name of a key. */
const EARLIER = 'earlier';

function joined(
  before: SerialMemory['changes'],
  now: SerialMemory['changes'],
  current: SerialMemory['changes'],
): SerialMemory['changes'] {
  const all: Record<string, number> = { ...before };
  for (const [key, count] of Object.entries(now)) all[key] = Math.max(all[key] ?? 0, count);
  if (Object.keys(all).length <= CHANGES_MAX) return all;
  const kept = Object.fromEntries(
    Object.entries(all).filter(([key]) => Object.hasOwn(current, key) && key !== EARLIER),
  );
  const rest = sumOf(Object.values(all)) - sumOf(Object.values(kept));
  return { ...kept, [EARLIER]: rest };
}

/** `set MADE_AT_MS`, `file ALGORITHM TAG` or `earlier`. */
const CHANGED_KEY = /^(?:(?:set|file) [\d. ]{1,40}|earlier)$/;

/** As it is kept, in a file or with all nodes. */
export const serialMemoryShape = {
  weeks: z.int().min(0),
  changes: z.record(z.string().regex(CHANGED_KEY), z.int().min(0)),
  turns: z.int().min(0),
};
const sharedSchema = z.strictObject({ version: z.literal(1), ...serialMemoryShape });
const SHARED_LENGTH_MAX = 64 * 1024;

/** Equal memories have equal texts. */
export function formatSerialMemory({ changes, turns, weeks }: SerialMemory): string {
  const sorted = Object.fromEntries(Object.entries(changes).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify({ version: 1, weeks, changes: sorted, turns });
}

/** Undefined for what this version has not written. */
export function parseSerialMemory(text: string): SerialMemory | undefined {
  if (text.length > SHARED_LENGTH_MAX) return undefined;
  try {
    const { changes, turns, weeks } = sharedSchema.parse(JSON.parse(text));
    if (Object.keys(changes).length > CHANGES_MAX) return undefined;
    return { weeks, changes, turns };
  } catch {
    return undefined;
  }
}
