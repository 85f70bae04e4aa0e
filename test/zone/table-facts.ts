import { NODE_WORDS, ZONE_WORDS, type ZoneTable } from '../../src/zone/compiled-zones.ts';

/** Sizes of a table, for tests that only ask how much is in it. */
export type NodeCount = { readonly nodes: number; readonly zones: number };

export function nodeCount(table: ZoneTable): NodeCount {
  return {
    nodes: table.nodes.length / NODE_WORDS,
    zones: table.zones.length / ZONE_WORDS,
  };
}
