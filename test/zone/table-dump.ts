/** All that a table says, without where in it that stands: two tables that answer alike have one dump. */
import { formatName } from '../../src/dns/name.ts';
import {
  NODE_ANSWERS,
  NODE_CUT,
  NODE_RRSET_COUNT,
  NODE_RRSETS,
  NODE_SERVICE,
  NODE_WILDCARD,
  NODE_WORDS,
  NODE_ZONE,
  NONE,
  RRSET_APEX_POSITION,
  RRSET_BODY,
  RRSET_BODY_LENGTH,
  RRSET_GLUE,
  RRSET_GLUE_COUNT,
  RRSET_GLUE_REQUIRED,
  RRSET_PATCH_COUNT,
  RRSET_PATCHES,
  RRSET_RECORDS,
  RRSET_TARGET,
  RRSET_TARGET_LENGTH,
  RRSET_TYPE,
  RRSET_WORDS,
  RRSET_ZONE,
  ZONE_APEX,
  ZONE_CHAIN,
  ZONE_CHAIN_LENGTH,
  ZONE_DENIAL,
  ZONE_DENIAL_AT_PARENT,
  ZONE_NEGATIVE,
  ZONE_PARENT,
  ZONE_SOA,
  ZONE_WORDS,
  type ZoneTable,
} from '../../src/zone/compiled-zones.ts';
import { nodeName } from '../../src/zone/rrset-data.ts';

export function dumpTable(table: ZoneTable): unknown {
  const nodes = [...table.slots].filter((slot) => slot !== 0).map((slot) => slot - 1);
  const rows = nodes.map((node) => [nameAt(table, node), dumpNode(table, node)] as const);
  const zones = Array.from({ length: table.zones.length / ZONE_WORDS }, (_, zone) =>
    dumpZone(table, zone),
  );
  return { zones, names: Object.fromEntries(rows.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

const nameAt = (table: ZoneTable, node: number): string =>
  node === NONE ? '-' : formatName(nodeName(table, node));

const zoneAt = (table: ZoneTable, zone: number): string =>
  zone === NONE ? '-' : nameAt(table, table.zones[zone * ZONE_WORDS + ZONE_APEX]!);

function dumpNode(table: ZoneTable, node: number): unknown {
  const row = table.nodes.subarray(node * NODE_WORDS, (node + 1) * NODE_WORDS);
  const first = row[NODE_RRSETS]!;
  return {
    zone: zoneAt(table, row[NODE_ZONE]!),
    service: row[NODE_SERVICE],
    answers: row[NODE_ANSWERS],
    cut: nameAt(table, row[NODE_CUT]!),
    wildcard: nameAt(table, row[NODE_WILDCARD]!),
    rrsets: Array.from({ length: row[NODE_RRSET_COUNT]! }, (_, i) => dumpRrset(table, first + i)),
  };
}

function dumpRrset(table: ZoneTable, rrset: number): unknown {
  if (rrset === NONE) return '-';
  const row = table.rrsets.subarray(rrset * RRSET_WORDS, (rrset + 1) * RRSET_WORDS);
  const links = (first: number, count: number): number[] => [
    ...table.links.subarray(row[first]!, row[first]! + count),
  ];
  const glue = links(RRSET_GLUE, 2 * row[RRSET_GLUE_COUNT]!);
  return {
    type: row[RRSET_TYPE],
    records: row[RRSET_RECORDS],
    zone: zoneAt(table, row[RRSET_ZONE]!),
    body: hex(table, row[RRSET_BODY]!, row[RRSET_BODY_LENGTH]!),
    apexPosition: row[RRSET_APEX_POSITION],
    patches: links(RRSET_PATCHES, row[RRSET_PATCH_COUNT]!),
    required: row[RRSET_GLUE_REQUIRED],
    glue: glue.map((each, i) => (i % 2 === 0 ? each : dumpRrset(table, each))),
    target: hex(table, row[RRSET_TARGET]!, row[RRSET_TARGET_LENGTH]!),
  };
}

const hex = ({ arena }: ZoneTable, at: number, length: number): string =>
  Buffer.from(arena.subarray(at, at + length)).toString('hex');

function dumpZone(table: ZoneTable, zone: number): unknown {
  const row = table.zones.subarray(zone * ZONE_WORDS, (zone + 1) * ZONE_WORDS);
  const first = row[ZONE_CHAIN]!;
  const chain = table.links.subarray(first, first + 2 * row[ZONE_CHAIN_LENGTH]!);
  return {
    apex: zoneAt(table, zone),
    soa: dumpRrset(table, row[ZONE_SOA]!),
    negative: dumpRrset(table, row[ZONE_NEGATIVE]!),
    parent: zoneAt(table, row[ZONE_PARENT]!),
    denial: row[ZONE_DENIAL],
    atParent: dumpRrset(table, row[ZONE_DENIAL_AT_PARENT]!),
    chain: Array.from(chain, (each, i) =>
      i % 2 === 0 ? nameAt(table, each) : dumpRrset(table, each),
    ),
  };
}
