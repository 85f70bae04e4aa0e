import { type FileKey, fileKeyAt, fileSigningKeys } from '../dns/dnssec/key-files.ts';
import { readKeyFolder } from './key-places.ts';
import type { Held, KeptZone } from './zone-keys.ts';

/**
 * The keys of a zone as they are in their folder now. What signed or was published and cannot be read any more
 * stays until its time to go: files that are being copied are not a change of keys. A folder that is away, was
 * emptied, or whose keys have all gone to rest, takes no signature away.
 */
export function heldFiles(
  { dnssec, held, zone }: Pick<KeptZone, 'dnssec' | 'held' | 'zone'>,
  nowSeconds: number,
): Held {
  const folder = dnssec.folder!;
  const read = readKeyFolder(folder, zone);
  const before = held.kind === 'files' ? held.keys : [];
  const missed = before.filter((key) => isInUse(key, nowSeconds) && !isAmong(key, read.keys));
  const problems = [...read.problems, ...missed.map((key) => missedText(key, folder))];
  // In the order of their files: the same keys are no news.
  const keys = [...read.keys, ...missed].sort(byFile);
  // Which of them are used, and not how they are.
  if (fileSigningKeys(keys, zone, TIMES, nowSeconds) !== undefined) {
    return { kind: 'files', keys, atSeconds: nowSeconds, problems };
  }
  const why = problems.length > 0 ? problems : [`no key in ${folder} is active`];
  return held.kind === 'files'
    ? { ...held, problems: [...why, 'the keys that were there last are used'] }
    : { kind: 'none', reason: why.join('; ') };
}

const TIMES = { validitySeconds: 0, refreshSeconds: 0, jitterSeconds: 0 };

const byFile = (a: FileKey, b: FileKey): number => a.algorithm - b.algorithm || a.tag - b.tag;

function isInUse(key: FileKey, nowSeconds: number): boolean {
  const { isActive, isPublished } = fileKeyAt(key, nowSeconds);
  return isActive || isPublished;
}

function isAmong({ dnskey }: FileKey, keys: readonly FileKey[]): boolean {
  return keys.some((each) => Buffer.from(each.dnskey).equals(dnskey));
}

function missedText({ tag, times: { Delete: end } }: FileKey, folder: string): string {
  const until = end === undefined ? '' : ` until ${new Date(end * 1000).toISOString()}`;
  return `key ${tag} cannot be read in ${folder} any more, and is used${until} as it was there last`;
}
