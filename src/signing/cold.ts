import { TYPE_NSEC } from '../dns/constants.ts';
import { deniedName, nextName } from '../dns/dnssec/denial.ts';
import { lowerName, nameLength, parseName } from '../dns/name.ts';
import type { ColdSigner } from '../nameserver/cold-signer.ts';
import {
  LEARNED_BODY,
  LEARNED_DENIAL,
  LEARNED_RRSET,
  type Learned,
} from '../nameserver/learned.ts';
import { mapAt } from '../nameserver/map-table.ts';
import { serviceAt } from '../nameserver/services.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import {
  NONE,
  RRSET_WORDS,
  RRSET_ZONE,
  ZONE_NEGATIVE,
  ZONE_WORDS,
  type ZoneTable,
} from '../zone/compiled-zones.ts';
import { rrsetData } from '../zone/rrset-data.ts';
import type { KeyRing, ZoneRing } from './key-ring.ts';
import { bodyRrset, ringOf } from './prepare.ts';
import { keysFor, ringsOf } from './presign.ts';
import { recordBytes, type SignatureCache } from './signature-cache.ts';

/**
 * Signs under names that nobody foresaw, for one snapshot: about 60 microseconds each.
 * @param note told of all that is made, so that it need not be asked for again
 */
export function createColdSigner(
  snapshot: Snapshot,
  ring: KeyRing,
  cache: SignatureCache,
  nowSeconds: () => number,
  note: (made: Learned) => void,
): ColdSigner {
  const { maps, services, zones: table } = snapshot;
  const rings = ringsOf(table, ring);
  return {
    rrset(owner, rrset) {
      const keys = rings[table.rrsets[rrset * RRSET_WORDS + RRSET_ZONE]!];
      if (keys === undefined) return NOTHING;
      const data = rrsetData(table, rrset);
      const records = cache.sign({ owner, ...data }, keys, keysFor(keys, data.type), nowSeconds());
      note({ kind: LEARNED_RRSET, first: rrset, second: 0, content: NOTHING, owner, records });
      return records;
    },
    body(owner, service, body) {
      const { map, owner: text, zone } = serviceAt(services, service);
      const keys = ringOf(ring, zone);
      if (keys === undefined) return NOTHING;
      const name = owner ?? lowerName(parseName(text)!);
      const rrset = bodyRrset(name, body, mapAt(maps, map).ttlMaxSeconds);
      const records = cache.sign(rrset, keys, keys.zoneKeys, nowSeconds());
      const { bytes: content, type: second } = body;
      const first = service;
      note({ kind: LEARNED_BODY, first, second, content, owner: owner ?? NOTHING, records });
      return records;
    },
    denial(owner, zone, nsec) {
      const keys = rings[zone];
      if (keys === undefined) return NOTHING;
      const records = denial(table, zone, keys, cache, nowSeconds(), owner, nsec);
      const [first, second, content] = [zone, nsec, NOTHING];
      note({ kind: LEARNED_DENIAL, first, second, content, owner, records });
      return records;
    },
  };
}

const NOTHING = new Uint8Array();

function denial(
  table: ZoneTable,
  zone: number,
  keys: ZoneRing,
  cache: SignatureCache,
  nowSeconds: number,
  owner: Uint8Array,
  nsec: number,
): Uint8Array {
  const soa = table.zones[zone * ZONE_WORDS + ZONE_NEGATIVE]!;
  // As long as the zone's negative answers (RFC 9077).
  const { ttlSeconds } = rrsetData(table, soa);
  const rdata =
    nsec === NONE ? deniedName(owner) : sameTypes(rrsetData(table, nsec).rdata[0]!, owner);
  const rrset = { owner, type: TYPE_NSEC, ttlSeconds, rdata: [rdata] };
  const signatures = cache.sign(rrset, keys, keys.zoneKeys, nowSeconds);
  // Not a piece of Buffer's pool, which would go to the worker, and be kept there, as a whole.
  return new Uint8Array(Buffer.concat([recordBytes(TYPE_NSEC, ttlSeconds, rdata), signatures]));
}

/** The types of an NSEC record under another name. */
function sameTypes(nsec: Uint8Array, owner: Uint8Array): Uint8Array {
  const bitmap = nsec.subarray(nameLength(nsec, 0, nsec.length));
  return new Uint8Array(Buffer.concat([nextName(owner), bitmap]));
}
