import { join } from 'node:path';
import { z } from 'zod';
import {
  remembered,
  type SerialMemory,
  type SigningSeen,
  serialMemoryShape,
  type ZoneMemory,
} from './serial-memory.ts';
import { readWholeJson, writeWhole } from './whole-file.ts';

/** What this node remembers of the signing of its zones, in the folder of its state, where there is one. */
export type SigningMemory = {
  get(zone: string): ZoneMemory | undefined;
  /** @param shared what all nodes remember */
  note(zone: string, shared: SerialMemory | undefined, seen: SigningSeen): void;
  /** Writes what is new. */
  save(): void;
};

/** @param complain told each time why it is not kept, or not read */
export function openSigningMemory(
  directory: string | undefined,
  complain: (kind: 'unreadable' | 'unwritable', problem: string) => void,
): SigningMemory {
  const zones = new Map(directory === undefined ? [] : read(directory, complain));
  let isChanged = false;
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
      if (problem !== undefined) complain('unwritable', problem);
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
  const read = readWholeJson(join(directory, FILE_NAME), savedSchema);
  if (!read.ok) complain('unreadable', read.problem);
  return read.ok ? Object.entries(read.value?.zones ?? {}) : [];
}

function write(directory: string, zones: ReadonlyMap<string, ZoneMemory>): string | undefined {
  const text = JSON.stringify({ version: 1, zones: Object.fromEntries(zones) });
  return writeWhole(join(directory, FILE_NAME), text);
}
