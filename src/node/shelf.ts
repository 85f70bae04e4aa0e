import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { REVISION_BYTES_MAX, type Revision } from '../cluster/revisions.ts';
import { writeWhole } from './whole-file.ts';

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
/** Headers of monitors may hold secrets. */
const OWNER_ONLY = { file: 0o600 };
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
      if (directory === undefined) return undefined;
      return writeWhole(join(directory, FILE_NAME), JSON.stringify(kept), OWNER_ONLY);
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
