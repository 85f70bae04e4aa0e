import {
  NODE_NAME,
  NODE_NAME_LENGTH,
  NODE_WORDS,
  RECORD_HEADER_LENGTH,
  RRSET_BODY,
  RRSET_BODY_LENGTH,
  RRSET_PATCH_COUNT,
  RRSET_PATCHES,
  RRSET_TYPE,
  RRSET_WORDS,
  RRSET_ZONE,
  ZONE_APEX,
  ZONE_WORDS,
  type ZoneTable,
} from './compiled-zones.ts';

/** An RRset read back out of the table, for people; the query path copies bodies as they are. */
export type RrsetData = {
  readonly type: number;
  readonly ttlSeconds: number;
  /** Uncompressed. */
  readonly rdata: readonly Uint8Array[];
};

const TTL_OFFSET = 6;
const LENGTH_OFFSET = 10;

export function rrsetData(table: ZoneTable, rrset: number): RrsetData {
  const { rrsets, links, arena } = table;
  const row = rrset * RRSET_WORDS;
  const start = rrsets[row + RRSET_BODY]!;
  const end = start + rrsets[row + RRSET_BODY_LENGTH]!;
  const firstPatch = rrsets[row + RRSET_PATCHES]!;
  const pointers = new Set(
    links.subarray(firstPatch, firstPatch + rrsets[row + RRSET_PATCH_COUNT]!),
  );
  const apex = apexName(table, rrsets[row + RRSET_ZONE]!);
  const rdata: Uint8Array[] = [];
  let at = start;
  while (at < end) {
    const length = (arena[at + LENGTH_OFFSET]! << 8) | arena[at + LENGTH_OFFSET + 1]!;
    const bytes: number[] = [];
    const rdataEnd = at + RECORD_HEADER_LENGTH + length;
    for (at += RECORD_HEADER_LENGTH; at < rdataEnd; at++) {
      if (!pointers.has(at - start)) {
        bytes.push(arena[at]!);
      } else {
        bytes.push(...apex);
        at++;
      }
    }
    rdata.push(Uint8Array.from(bytes));
  }
  const ttl = new DataView(arena.buffer, arena.byteOffset + start + TTL_OFFSET, 4).getUint32(0);
  return { type: rrsets[row + RRSET_TYPE]!, ttlSeconds: ttl, rdata };
}

/** The lower-cased wire name of a node; a copy. */
export function nodeName(table: ZoneTable, node: number): Uint8Array {
  const row = node * NODE_WORDS;
  const at = table.nodes[row + NODE_NAME]!;
  return Uint8Array.from(table.arena.subarray(at, at + table.nodes[row + NODE_NAME_LENGTH]!));
}

function apexName(table: ZoneTable, zone: number): Uint8Array {
  return zone < 0 ? new Uint8Array() : nodeName(table, table.zones[zone * ZONE_WORDS + ZONE_APEX]!);
}
