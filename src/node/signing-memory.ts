import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import {
  remembered,
  type SerialMemory,
  type SigningSeen,
  serialMemoryShape,
  type ZoneMemory,
} from './serial-memory.ts';

/** What this node remembers of the signing of its zones, in the folder of its state, where there is one. */
export type SigningMemory = {
  get(zone: string): ZoneMemory | undefined;
  /** @param shared what all nodes remember */
  note(zone: string, shared: SerialMemory | undefined, seen: SigningSeen): void;
  /** Writes what is new. */
  save(): void;
};

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
    note(zone, shared, seen) {
      const before = zones.get(zone);
      const now = remembered(before, shared, seen);
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
    z.strictObject({ ...serialMemoryShape, isSigned: z.boolean(), signedSinceMs: z.number() }),
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
