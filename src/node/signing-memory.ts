import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * What was shown of the signing of each zone, so that its serial never goes back: not when key files that did
 * their work are removed, not when signing is turned off, not when the clock is set back. Nodes that have seen
 * the same remember the same. Kept in the folder of the node's state, where there is one.
 */
export type SigningMemory = {
  get(zone: string): ZoneMemory | undefined;
  note(zone: string, seen: SigningSeen): void;
  /** Writes what is new. */
  save(): void;
};

export type ZoneMemory = {
  readonly weeks: number;
  /** How often each key, or set of keys, has changed. */
  readonly changes: Readonly<Record<string, number>>;
  /** How often signing was turned off, and on again. */
  readonly turns: number;
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

/** Nothing that adds to the serial is ever less than it was. */
export function remembered(before: ZoneMemory | undefined, seen: SigningSeen): ZoneMemory {
  const { isAnew, isSigned, nowMs, sinceMs } = seen;
  // Keys of a zone that was seen unsigned first: it was turned off by somebody who remembered.
  const turns = before === undefined ? Number(!isSigned) : before.turns;
  const isTurned = before !== undefined && before.isSigned !== isSigned;
  const isFresh = isAnew || (isTurned && isSigned);
  return {
    weeks: Math.max(before?.weeks ?? 0, seen.weeks),
    changes: joined(before?.changes ?? {}, seen.changes),
    turns: turns + Number(isTurned),
    isSigned,
    signedSinceMs: isFresh ? nowMs : (before?.signedSinceMs ?? sinceMs),
  };
}

/** What is added to the zone's serial. */
export function serialIncrementOf({ changes, turns, weeks }: ZoneMemory): number {
  return weeks + turns + sumOf(Object.values(changes));
}

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, each) => sum + each, 0);
/** Not the name of a key. */
const EARLIER = 'earlier';

function joined(
  before: ZoneMemory['changes'],
  now: ZoneMemory['changes'],
): Readonly<Record<string, number>> {
  const all: Record<string, number> = { ...before };
  for (const [key, count] of Object.entries(now)) all[key] = Math.max(all[key] ?? 0, count);
  if (Object.keys(all).length <= CHANGES_MAX) return all;
  const kept = Object.fromEntries(
    Object.entries(all).filter(([key]) => Object.hasOwn(now, key) && key !== EARLIER),
  );
  const rest = sumOf(Object.values(all)) - sumOf(Object.values(kept));
  return { ...kept, [EARLIER]: rest };
}

/** @param complain told once why it is not kept, or not read */
export function openSigningMemory(
  directory: string | undefined,
  complain: (kind: 'unreadable' | 'unwritable', problem: string) => void,
): SigningMemory {
  const zones = new Map(directory === undefined ? [] : read(directory, complain));
  let isChanged = false;
  let hasComplained = false;
  return {
    get: (zone) => zones.get(zone),
    note(zone, seen) {
      const before = zones.get(zone);
      const now = remembered(before, seen);
      if (JSON.stringify(now) === JSON.stringify(before)) return;
      zones.set(zone, now);
      isChanged = true;
    },
    save() {
      if (!isChanged || directory === undefined) return;
      const problem = write(directory, zones);
      isChanged = problem !== undefined;
      if (problem !== undefined && !hasComplained) complain('unwritable', problem);
      hasComplained = problem !== undefined;
    },
  };
}

const FILE_NAME = 'zone-signing.json';
const savedSchema = z.strictObject({
  version: z.literal(1),
  zones: z.record(
    z.string(),
    z.strictObject({
      weeks: z.int().min(0),
      changes: z.record(z.string(), z.int().min(0)),
      turns: z.int().min(0),
      isSigned: z.boolean(),
      signedSinceMs: z.number(),
    }),
  ),
});

function read(
  directory: string,
  complain: (kind: 'unreadable', problem: string) => void,
): readonly (readonly [string, ZoneMemory])[] {
  const file = join(directory, FILE_NAME);
  try {
    return Object.entries(savedSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).zones);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') complain('unreadable', `${file} cannot be read (${code ?? 'damaged'})`);
    return [];
  }
}

/** In one step, and on the disk when it returns. */
function write(directory: string, zones: ReadonlyMap<string, ZoneMemory>): string | undefined {
  try {
    mkdirSync(directory, { recursive: true });
    const file = join(directory, FILE_NAME);
    const text = JSON.stringify({ version: 1, zones: Object.fromEntries(zones) });
    writeFileSync(`${file}.next`, text, { flush: true });
    renameSync(`${file}.next`, file);
    return undefined;
  } catch (error) {
    return `${directory} cannot be written (${(error as NodeJS.ErrnoException).code})`;
  }
}
