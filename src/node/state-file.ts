import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** Undefined when there is none, or it is of another version or broken: then nothing is known. */
export function readState(directory: string): SavedState | undefined {
  try {
    const saved = JSON.parse(readFileSync(join(directory, FILE_NAME), 'utf8'));
    if (saved?.version !== VERSION || !Array.isArray(saved.overrides)) return undefined;
    return saved;
  } catch {
    return undefined;
  }
}

/** Replaces the file in one step; returns why it could not, in words. */
export function writeState(directory: string, state: SavedState): string | undefined {
  try {
    mkdirSync(directory, { recursive: true });
    const file = join(directory, FILE_NAME);
    writeFileSync(`${file}.next`, JSON.stringify({ version: VERSION, ...state }));
    renameSync(`${file}.next`, file);
    return undefined;
  } catch (error) {
    return `${directory} cannot be written (${(error as NodeJS.ErrnoException).code})`;
  }
}
