import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { REVISION_BYTES_MAX, type Revision } from '../cluster/revisions.ts';

/**
 * The last shared configurations that this node has served, in memory and, where it has a disk, there:
 * they outlive a store that was emptied, and what is wrong with the newest.
 */
export type Shelf = {
  /** Newest first. */
  all(): readonly Revision[];
  /** Puts it before the others; returns why the disk does not have it, in words. */
  keep(revision: Revision): string | undefined;
};

/** Revisions that a node keeps. */
export const KEPT_MAX = 5;

const FILE_NAME = 'shared-config.json';
const savedSchema = z
  .array(
    z.object({
      revision: z.int().min(1),
      sha256: z.string(),
      text: z.string().max(REVISION_BYTES_MAX),
      by: z.string(),
      atMs: z.number(),
      note: z.string(),
    }),
  )
  .max(KEPT_MAX);

/** @param directory of the node's state; undefined = it has none */
export function openShelf(directory: string | undefined): Shelf {
  let kept = directory === undefined ? [] : readKept(join(directory, FILE_NAME));
  return {
    all: () => kept,
    keep(revision) {
      const others = kept.filter((each) => !isSame(each, revision));
      kept = newestFirst([revision, ...others]).slice(0, KEPT_MAX);
      return directory === undefined ? undefined : writeKept(directory, kept);
    },
  };
}

/** One number may have two texts, when two people published without a store. */
export const isSame = (one: Revision, other: Revision): boolean =>
  one.revision === other.revision && one.sha256 === other.sha256;

/** Of one number, the first stays before the others. */
export const newestFirst = (revisions: readonly Revision[]): readonly Revision[] =>
  revisions.toSorted((a, b) => b.revision - a.revision);

function readKept(file: string): readonly Revision[] {
  try {
    return savedSchema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data ?? [];
  } catch {
    // None yet, or damaged: then the newest or the node's own file must do.
    return [];
  }
}

/** In one step. */
function writeKept(directory: string, kept: readonly Revision[]): string | undefined {
  try {
    mkdirSync(directory, { recursive: true });
    const file = join(directory, FILE_NAME);
    // Only for us: headers of monitors may hold secrets.
    writeFileSync(`${file}.next`, JSON.stringify(kept), { mode: 0o600 });
    renameSync(`${file}.next`, file);
    return undefined;
  } catch (error) {
    return `${directory} cannot be written (${(error as NodeJS.ErrnoException).code})`;
  }
}
