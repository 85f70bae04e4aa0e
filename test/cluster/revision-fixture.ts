import { hash } from 'node:crypto';
import type { Revision } from '../../src/cluster/revisions.ts';

/** A revision as somebody has published it. */
export const sharedRevision = (revision: number, text: string): Revision => ({
  revision,
  sha256: hash('sha256', text),
  text,
  by: 'ann',
  atMs: 0,
  note: '',
});
