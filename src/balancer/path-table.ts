import { bytesOf } from '../http/ascii.ts';
import type { Pattern } from '../http/pattern.ts';
import { patternMatches } from '../http/pattern.ts';

/**
 * Paths compiled to be found by their octets: the exact ones and the prefixes by a hash that grows
 * with the path, asked where a segment ends, so that a look-up costs the length of the path, not the
 * number of routes. Prefixes match whole segments: `/api` takes `/api` and `/api/x`, not `/apiary`.
 * Patterns are tried in turn: how many a host may have is limited in config/route-schema.ts.
 */
export type PathRule =
  | { readonly kind: 'exact' | 'prefix'; readonly path: string }
  | { readonly kind: 'regex'; readonly text: string; readonly pattern: Pattern };

export type PathTable<Entry> = {
  readonly exact: ReadonlyMap<number, readonly Leaf<Entry>[]>;
  readonly exactMax: number;
  readonly regexes: readonly { readonly pattern: Pattern; readonly entry: Entry }[];
  readonly prefixes: ReadonlyMap<number, readonly Leaf<Entry>[]>;
  readonly prefixMax: number;
};
type Leaf<Entry> = { readonly path: Uint8Array; readonly entries: Entry[] };

/** @param rules in order: of two that match alike the first is found first */
export function buildPathTable<Entry>(
  rules: readonly { readonly rule: PathRule; readonly entry: Entry }[],
): PathTable<Entry> {
  const exact = new Map<number, Leaf<Entry>[]>();
  const prefixes = new Map<number, Leaf<Entry>[]>();
  const regexes: { pattern: Pattern; entry: Entry }[] = [];
  let [exactMax, prefixMax] = [0, 0];
  for (const { rule, entry } of rules) {
    if (rule.kind === 'regex') {
      regexes.push({ pattern: rule.pattern, entry });
      continue;
    }
    const path = bytesOf(rule.path);
    addLeaf(rule.kind === 'exact' ? exact : prefixes, path, entry);
    if (rule.kind === 'exact') exactMax = Math.max(exactMax, path.length);
    else prefixMax = Math.max(prefixMax, path.length);
  }
  return { exact, exactMax, regexes, prefixes, prefixMax };
}

/**
 * The first entry that `accepts`: exact ones, then patterns, then prefixes, the longest first.
 * @param bytes with the normal path at `[start..end)`, which is not empty
 */
export function findByPath<Entry>(
  table: PathTable<Entry>,
  bytes: Uint8Array,
  start: number,
  end: number,
  pathText: () => string,
  accepts: (entry: Entry) => boolean,
): Entry | undefined {
  const { exact, exactMax, prefixMax, prefixes, regexes } = table;
  const length = end - start;
  const hashed = Math.max(length <= exactMax ? length : 0, Math.min(length, prefixMax));
  let hash = BASIS;
  let found: Leaf<Entry>[] | undefined;
  let first: Leaf<Entry> | undefined;
  for (let at = start; at < start + hashed; at++) {
    hash = Math.imul(hash ^ bytes[at]!, PRIME);
    const isEdge = bytes[at] === SLASH || at + 1 === end || bytes[at + 1] === SLASH;
    if (!isEdge || at - start >= prefixMax) continue;
    const leaf = leafAt(prefixes, hash, bytes, start, at + 1);
    if (leaf === undefined) continue;
    if (first === undefined) first = leaf;
    else if (found === undefined) found = [leaf];
    else found.push(leaf);
  }
  if (length <= exactMax) {
    const leaf = leafAt(exact, hash, bytes, start, end);
    const entry = leaf?.entries.find(accepts);
    if (entry !== undefined) return entry;
  }
  for (const { pattern, entry } of regexes) {
    if (patternMatches(pattern, pathText()) && accepts(entry)) return entry;
  }
  for (let at = (found?.length ?? 0) - 1; at >= 0; at--) {
    const entry = found![at]!.entries.find(accepts);
    if (entry !== undefined) return entry;
  }
  return first?.entries.find(accepts);
}

/** Whether a path satisfies a rule by itself, for explanations. */
export function ruleMatches(rule: PathRule, path: string): boolean {
  if (rule.kind === 'regex') return patternMatches(rule.pattern, path);
  if (rule.kind === 'exact') return path === rule.path;
  if (!path.startsWith(rule.path)) return false;
  return (
    path.length === rule.path.length || rule.path.endsWith('/') || path[rule.path.length] === '/'
  );
}

function addLeaf<Entry>(leaves: Map<number, Leaf<Entry>[]>, path: Uint8Array, entry: Entry): void {
  let hash = BASIS;
  for (const octet of path) hash = Math.imul(hash ^ octet, PRIME);
  const list = leaves.get(hash) ?? [];
  leaves.set(hash, list);
  const same = list.find((leaf) => sameOctets(leaf.path, path, 0, path.length));
  if (same) same.entries.push(entry);
  else list.push({ path, entries: [entry] });
}

function leafAt<Entry>(
  leaves: ReadonlyMap<number, readonly Leaf<Entry>[]>,
  hash: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): Leaf<Entry> | undefined {
  const list = leaves.get(hash);
  if (list === undefined) return undefined;
  for (const leaf of list) if (sameOctets(leaf.path, bytes, start, end)) return leaf;
  return undefined;
}

export function sameOctets(
  wanted: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (end - start !== wanted.length) return false;
  for (let at = 0; at < wanted.length; at++) if (bytes[start + at] !== wanted[at]) return false;
  return true;
}

const SLASH = 0x2f;
/** FNV-1a. */
const BASIS = 0x811c9dc5;
const PRIME = 0x01000193;
