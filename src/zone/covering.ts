/**
 * The record of a zone's chain that proves something of a name: the name's own, or that of the last name
 * before it in canonical order (RFC 4034 6.1, RFC 4035 3.1.3). A binary search; nothing is allocated.
 */
import {
  NODE_NAME,
  NODE_NAME_LENGTH,
  NODE_WORDS,
  ZONE_CHAIN,
  ZONE_CHAIN_LENGTH,
  ZONE_WORDS,
  type ZoneTable,
} from './compiled-zones.ts';

/**
 * @param name lower-cased wire form at offset 0, in the zone
 * @returns the link of the (node, NSEC RRset) pair
 */
export function coveringLink(
  table: ZoneTable,
  zone: number,
  name: Uint8Array,
  length: number,
): number {
  const { arena, links, nodes, zones } = table;
  const first = zones[zone * ZONE_WORDS + ZONE_CHAIN]!;
  let low = 0;
  let high = zones[zone * ZONE_WORDS + ZONE_CHAIN_LENGTH]! - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const row = links[first + 2 * middle]! * NODE_WORDS;
    const at = nodes[row + NODE_NAME]!;
    const end = at + nodes[row + NODE_NAME_LENGTH]!;
    if (compareCanonical(arena, at, end, name, 0, length) <= 0) low = middle;
    else high = middle - 1;
  }
  return first + 2 * low;
}

/**
 * Order of two lower-cased names (RFC 4034 6.1), label by label from the right; labels are found from the
 * left again for each, as names have few.
 */
function compareCanonical(
  a: Uint8Array,
  atA: number,
  endA: number,
  b: Uint8Array,
  atB: number,
  endB: number,
): number {
  const labelsA = countLabels(a, atA, endA);
  const labelsB = countLabels(b, atB, endB);
  const shared = labelsA < labelsB ? labelsA : labelsB;
  for (let label = 1; label <= shared; label += 1) {
    const startA = labelAt(a, atA, labelsA - label);
    const startB = labelAt(b, atB, labelsB - label);
    const order = compareLabels(a, startA, b, startB);
    if (order !== 0) return order;
  }
  return labelsA - labelsB;
}

function countLabels(name: Uint8Array, at: number, end: number): number {
  let count = 0;
  for (let label = at; label < end - 1; label += name[label]! + 1) count += 1;
  return count;
}

function labelAt(name: Uint8Array, at: number, index: number): number {
  let label = at;
  for (let passed = 0; passed < index; passed += 1) label += name[label]! + 1;
  return label;
}

function compareLabels(a: Uint8Array, atA: number, b: Uint8Array, atB: number): number {
  const lengthA = a[atA]!;
  const lengthB = b[atB]!;
  const shared = lengthA < lengthB ? lengthA : lengthB;
  for (let index = 1; index <= shared; index += 1) {
    const order = a[atA + index]! - b[atB + index]!;
    if (order !== 0) return order;
  }
  return lengthA - lengthB;
}
