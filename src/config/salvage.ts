import type { ConfigPath, Finding } from './issue.ts';

/**
 * What is left of a file when everything that the schema refused is cut out of it: enough to look for
 * dangling references and wrong records in the rest, so that a person sees all problems at once and
 * not one kind after the other. A bad value takes the smallest thing with it that stands on its own
 * (an endpoint, a record set, a monitor), because half of one would raise false alarms.
 */
export type Salvaged = {
  readonly value: unknown;
  /** The path in the file of a path in the salvaged value, where list entries have moved up. */
  original(path: ConfigPath): ConfigPath;
};

/** Things that stand on their own; the longest pattern that fits is cut. */
const ENTITIES: readonly (readonly string[])[] = [
  ['zones', '*', 'records', '*', '*'],
  ['zones', '*', 'records', '*'],
  ['zones', '*', 'steered', '*'],
  ['zones', '*', 'soa'],
  ['zones', '*', 'ttl'],
  ['zones', '*'],
  ['zoneFolders', '*'],
  ['pools', '*', 'endpoints', '*'],
  ['pools', '*'],
  ['policies', '*'],
  ['regions', '*'],
  ['monitors', '*'],
  ['monitorGroups', '*', 'of', '*'],
  ['monitorGroups', '*'],
  ['balancer', 'upstreams', '*', 'servers', '*'],
  ['balancer', 'upstreams', '*'],
  ['balancer', 'listeners', '*', 'routes', '*'],
  ['balancer', 'listeners', '*'],
  ['dns', 'listeners', '*'],
  ['geo', 'overrides', '*'],
  ['node', 'vantages', '*'],
  ['node', 'canaries', '*'],
  ['admin', 'tokens', '*'],
  ['*', '*'],
  ['*'],
];

/** The path to cut for a finding; the root itself when nothing smaller fits. */
export function entityOf({ path, at }: Finding): ConfigPath {
  if (at === 'key') return path;
  for (const pattern of ENTITIES) {
    if (pattern.length > path.length) continue;
    if (pattern.every((part, index) => part === '*' || part === path[index])) {
      return path.slice(0, pattern.length);
    }
  }
  return [];
}

/** A copy of `value` without the entries at these paths. */
export function salvage(value: unknown, cuts: readonly ConfigPath[]): Salvaged {
  const cut = new Set(cuts.map(pathKey));
  // For every copied list, where its entries were.
  const indexes = new WeakMap<object, readonly number[]>();

  function copy(from: unknown, path: ConfigPath): unknown {
    if (typeof from !== 'object' || from === null) return from;
    const entries = Object.entries(from).filter(([key]) => !cut.has(pathKey([...path, key])));
    if (!Array.isArray(from)) {
      return Object.fromEntries(entries.map(([key, entry]) => [key, copy(entry, [...path, key])]));
    }
    const list = entries.map(([key, entry]) => copy(entry, [...path, key]));
    indexes.set(
      list,
      entries.map(([key]) => Number(key)),
    );
    return list;
  }

  const copied = cut.has('') ? undefined : copy(value, []);
  return { value: copied, original: (path) => original(copied, path, indexes) };
}

function original(
  root: unknown,
  path: ConfigPath,
  indexes: WeakMap<object, readonly number[]>,
): ConfigPath {
  let at: unknown = root;
  return path.map((part) => {
    if (typeof at !== 'object' || at === null) return part;
    const was = indexes.get(at)?.[Number(part)];
    at = (at as Record<string | number, unknown>)[part];
    return was ?? part;
  });
}

/** Paths as set members; a NUL cannot come from a file. */
function pathKey(path: ConfigPath): string {
  return path.join('\u0000');
}
