import { RCODE_NOERROR, RCODE_NXDOMAIN, SECTION_AUTHORITY } from '../dns/constants.ts';
import {
  DENIAL_COMPACT,
  ZONE_DENIAL,
  ZONE_NEGATIVE,
  ZONE_WORDS,
  type ZoneTable,
} from '../zone/compiled-zones.ts';
import { NXDOMAIN } from '../zone/lookup.ts';
import { writeRrset } from './records.ts';
import { wantsSignatures, writeDenial, writeSignatures } from './signed-records.ts';
import type { WorkerState } from './worker-state.ts';

/** The SOA of the zone that says no, with the TTL of its no (RFC 2308 3), and the proof that it is so. */
export function writeNegative(worker: WorkerState, table: ZoneTable, outcome: number): boolean {
  const { cursor, reply, result } = worker;
  const rrset = table.zones[result.zone * ZONE_WORDS + ZONE_NEGATIVE]!;
  return (
    writeRrset(reply, table, SECTION_AUTHORITY, rrset, cursor.apex, cursor.apex) &&
    writeSignatures(worker, table, SECTION_AUTHORITY, rrset, cursor.apex, false) &&
    writeDenial(worker, table, outcome)
  );
}

/**
 * That of the last name of a chain (RFC 6604 3). A compact proof says that the name is there and has no
 * types, so the RCODE may not contradict it, unless the client knows of that (RFC 9824 5).
 */
export function negativeRcode(worker: WorkerState, table: ZoneTable, outcome: number): number {
  const { zone } = worker.result;
  if (outcome !== NXDOMAIN) return RCODE_NOERROR;
  const isCompact = table.zones[zone * ZONE_WORDS + ZONE_DENIAL] === DENIAL_COMPACT;
  const isDenied = isCompact && wantsSignatures(worker, table, zone) && !worker.query.ednsCo;
  return isDenied ? RCODE_NOERROR : RCODE_NXDOMAIN;
}
