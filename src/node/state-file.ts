import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseOverride } from '../control/overrides.ts';
import type { Override } from '../health/override.ts';

/**
 * What a node knows that its configuration does not say, kept over a restart: overrides in force and
 * the last known health, so that a restart does not begin by believing that all is well.
 */
export type SavedState = {
  readonly overrides: readonly Override[];
  readonly monitoring: unknown;
  readonly health: unknown;
};

const FILE_NAME = 'node-state.json';
const VERSION = 1;

/** A file that is not there is the normal first start; one that cannot be used has a `problem`. */
export type ReadState = {
  readonly state?: SavedState;
  readonly problem?: string;
};

/** What was saved; parts that are not what they should be are left out, for each part stands alone. */
export function readState(directory: string): ReadState {
  const file = join(directory, FILE_NAME);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? {} : { problem: `${file} cannot be read (${code})` };
  }
  try {
    const saved = JSON.parse(text);
    if (saved?.version !== VERSION) return { problem: `${file} is of another version` };
    const overrides = Array.isArray(saved.overrides) ? saved.overrides : [];
    return {
      state: {
        overrides: overrides.flatMap((each: unknown) => parseOverride(each) ?? []),
        monitoring: saved.monitoring,
        health: saved.health,
      },
    };
  } catch {
    return { problem: `${file} is not JSON` };
  }
}

/** Replaces the file in one step; both return why it could not, in words. */
export type StateFile = {
  write(state: SavedState): Promise<string | undefined>;
  /** At once, and nothing after it. */
  writeLast(state: SavedState): string | undefined;
};

export function openStateFile(directory: string): StateFile {
  const file = join(directory, FILE_NAME);
  let isOver = false;
  return {
    async write(state) {
      try {
        await mkdir(directory, { recursive: true });
        await writeFile(`${file}.next`, textOf(state), { flush: true });
        // The last word may have been written meanwhile.
        if (!isOver) renameSync(`${file}.next`, file);
        return undefined;
      } catch (error) {
        return unwritable(directory, error);
      }
    },
    writeLast(state) {
      isOver = true;
      try {
        mkdirSync(directory, { recursive: true });
        writeFileSync(`${file}.last`, textOf(state), { flush: true });
        renameSync(`${file}.last`, file);
        return undefined;
      } catch (error) {
        return unwritable(directory, error);
      }
    },
  };
}

const textOf = (state: SavedState): string => JSON.stringify({ version: VERSION, ...state });
const unwritable = (directory: string, error: unknown): string =>
  `${directory} cannot be written (${(error as NodeJS.ErrnoException).code})`;
