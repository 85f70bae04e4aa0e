/**
 * The search tree of a MaxMind DB file (format 2.0), walked from left to right into ranges. The reader of
 * the `maxmind` package looks up one address given as text; we need all of them, in order, as numbers.
 * The walk keeps its own stack: depth is at most 128, but the file may be corrupt.
 */
import { buildRanges, type Ranges } from '../ip/ranges.ts';

export type SearchTree = {
  readonly bytes: Uint8Array;
  readonly nodeCount: number;
  /** Bits of one of the two records of a node: 24, 28 or 32. */
  readonly recordSize: number;
  readonly ipVersion: number;
};

/** The value of a network. Equal records point to the same data. */
export type ValueOfLeaf = (record: number) => number;

/** A tree visits each node once; a file whose nodes form a loop or a web visits them without end. */
const MOST_VISITS_PER_NODE = 2;
/** It is told how far the walk is after so many: some hundredths of a second. */
const VISITS_UNTOLD = 2 ** 18;

/**
 * All networks of the tree with the value that `valueOfLeaf` gives to their data, 0 where there is none; or
 * the reason why the tree is not one. IPv4 is read from ::/96 of an IPv6 tree. Nodes elsewhere that point
 * back to that subtree (writers alias 6to4, Teredo and mapped space to it) count as empty: look-ups fold
 * such addresses themselves, except for Teredo, where the alias would tell the place of its server.
 */
export function flattenTree(
  tree: SearchTree,
  valueOfLeaf: ValueOfLeaf,
  progress: (share: number) => void,
): Ranges | string {
  const builder = buildRanges();
  const ipv4Root = tree.ipVersion === 4 ? 0 : findIpv4Root(tree);
  const visitsMost = tree.nodeCount * MOST_VISITS_PER_NODE + 256;
  const tell = (left: number): void => progress(Math.min(1, (visitsMost - left) / tree.nodeCount));
  const visits = { left: visitsMost, tell };
  const empty = tree.nodeCount;
  const walk4 = walk(tree, { root: ipv4Root, bits: 32, skip: -1, visits }, (path, record) =>
    builder.add4(path[0]!, record <= empty ? 0 : valueOfLeaf(record)),
  );
  if (!walk4) return NOT_A_TREE;
  if (tree.ipVersion === 4) return builder.finish();
  const skip = ipv4Root < tree.nodeCount ? ipv4Root : -1;
  const walk6 = walk(tree, { root: 0, bits: 128, skip, visits }, (path, record) => {
    const isEmpty = record <= empty || isIpv4Space(path, ipv4Root, record);
    const value = isEmpty ? 0 : valueOfLeaf(record);
    builder.add6(path[0]!, path[1]!, path[2]!, path[3]!, value);
  });
  return walk6 ? builder.finish() : NOT_A_TREE;
}

const NOT_A_TREE = 'the search tree is corrupt';

/** The record at the end of 96 zero bits, which may come earlier when all of ::/96 is one network. */
function findIpv4Root(tree: SearchTree): number {
  let node = 0;
  for (let depth = 0; depth < 96 && node < tree.nodeCount; depth++)
    node = readRecord(tree, node, 0);
  return node;
}

/** With an IPv4 root that is itself a leaf there is no node to recognise; its place tells. */
function isIpv4Space(path: Uint32Array, ipv4Root: number, record: number): boolean {
  return record === ipv4Root && (path[0]! | path[1]! | path[2]!) === 0;
}

type WalkOptions = {
  readonly root: number;
  readonly bits: 32 | 128;
  /** A node that is reported like a leaf instead of being entered; -1 for none. */
  readonly skip: number;
  readonly visits: { left: number; readonly tell: (left: number) => void };
};

/** Reports each leaf with its first address, ascending; false when the nodes are no tree. */
function walk(
  tree: SearchTree,
  options: WalkOptions,
  leaf: (path: Uint32Array, record: number) => void,
): boolean {
  const { bits, skip, visits } = options;
  const { nodeCount } = tree;
  const path = new Uint32Array(4);
  const stack = new Uint32Array(bits + 1);
  const isRight = new Uint8Array(bits + 1);
  stack[0] = options.root;
  let depth = 0;
  let toldAt = visits.left - VISITS_UNTOLD;
  for (;;) {
    let record = stack[depth]!;
    while (record < nodeCount && record !== skip) {
      if (depth === bits || --visits.left < 0) return false;
      record = readRecord(tree, record, 0);
      depth++;
      stack[depth] = record;
      isRight[depth] = 0;
    }
    if (visits.left < toldAt) {
      visits.tell(visits.left);
      toldAt = visits.left - VISITS_UNTOLD;
    }
    leaf(path, record);
    // Up to the last step that went left, then right from its parent.
    while (depth > 0 && isRight[depth] === 1) {
      path[(depth - 1) >>> 5]! &= ~bitOf(depth);
      depth--;
    }
    if (depth === 0) return true;
    isRight[depth] = 1;
    path[(depth - 1) >>> 5]! |= bitOf(depth);
    stack[depth] = readRecord(tree, stack[depth - 1]!, 1);
  }
}

/** The bit of a path's word that the step to this depth decides. */
function bitOf(depth: number): number {
  return 1 << (31 - ((depth - 1) & 31));
}

/** The left (0) or right (1) record of a node. */
function readRecord(tree: SearchTree, node: number, side: 0 | 1): number {
  const { bytes, recordSize } = tree;
  if (recordSize === 24) {
    const at = node * 6 + side * 3;
    return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  }
  if (recordSize === 28) {
    const at = node * 7;
    const shared = bytes[at + 3]!;
    if (side === 0) {
      return ((shared & 0xf0) << 20) | (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    }
    return ((shared & 15) << 24) | (bytes[at + 4]! << 16) | (bytes[at + 5]! << 8) | bytes[at + 6]!;
  }
  const at = node * 8 + side * 4;
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}
