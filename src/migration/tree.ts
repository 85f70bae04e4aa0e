/** What a YAML file says, each value with its place: what readers of other systems' files work on. */
import type { Notes, Place } from './notes.ts';

export type Tree =
  /** A scalar as it was written, without quotes. */
  | { readonly kind: 'text'; readonly at: Place; readonly text: string }
  | { readonly kind: 'nothing'; readonly at: Place }
  | TreeMap
  | { readonly kind: 'list'; readonly at: Place; readonly items: readonly Tree[] };

export type TreeMap = {
  readonly kind: 'map';
  readonly at: Place;
  readonly entries: ReadonlyMap<string, TreeEntry>;
};
export type TreeEntry = { readonly key: Place; readonly value: Tree };

/** The value of a key, unless it is absent or empty. */
export function childOf(map: TreeMap, key: string): Tree | undefined {
  const value = map.entries.get(key)?.value;
  return value?.kind === 'nothing' ? undefined : value;
}

export function mapOf(map: TreeMap, key: string): TreeMap | undefined {
  const value = childOf(map, key);
  return value?.kind === 'map' ? value : undefined;
}

export const textOf = (tree: Tree | undefined): string | undefined =>
  tree?.kind === 'text' ? tree.text : undefined;

/** Words for YAML's true, of version 1.1 too, which many programs still read. */
export const isTrue = (tree: Tree | undefined): boolean =>
  /^(true|yes|on)$/i.test(textOf(tree) ?? '');

const WORDS: Readonly<Record<Tree['kind'], string>> = {
  text: 'a text',
  nothing: 'nothing',
  map: 'a map',
  list: 'a list',
};

/** What is there, in words. */
export const describeTree = (tree: Tree): string => WORDS[tree.kind];

/** The tree as a map; what else it is, is an error. */
export function expectMap(tree: Tree, what: string, notes: Notes, hint?: string) {
  if (tree.kind === 'map') return tree;
  notes.error(tree.at, `${what} is ${describeTree(tree)}, not a map`, hint);
  return undefined;
}

/** The tree's items; one that is no list is an error, unless there is nothing. */
export function expectList(tree: Tree | undefined, what: string, notes: Notes): readonly Tree[] {
  if (tree === undefined || tree.kind === 'nothing') return [];
  if (tree.kind === 'list') return tree.items;
  notes.error(tree.at, `${what} is ${describeTree(tree)}, not a list`);
  return [];
}

/** Warns of keys that mean nothing. */
export function warnOfOthers(map: TreeMap, known: readonly string[], what: string, notes: Notes) {
  for (const [name, { key }] of map.entries) {
    if (known.includes(name)) continue;
    notes.warn(key, `"${name}" means nothing in ${what}, and is not carried over`);
  }
}

/** A whole number within limits; undefined when it is none. */
export function wholeNumber(tree: Tree | undefined, min: number, max: number): number | undefined {
  const text = textOf(tree);
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
