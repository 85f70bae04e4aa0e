import { ECS_FAMILY_IPV4, ECS_FAMILY_NONE } from '../dns/ecs.ts';
import type { Query } from '../dns/message.ts';
import { bytesToInt32, privateScope } from '../ip/address.ts';
import { lookup4, lookup6, type PrefixTable, rangeValueOf, scopeOf } from '../ip/prefix-table.ts';
import type { Client } from './client.ts';
import { BUCKET_BITS_4, bucketBits6, bucketOf } from './draw.ts';

/** A client's place in a map; one per worker, filled anew for every query. */
export type Place = {
  classId: number;
  /** SCOPE PREFIX-LENGTH of the response's client subnet. */
  scope: number;
  /** Clients with the same bucket draw alike. */
  bucket: number;
  /** The scope of an answer that goes by the bucket is so long at least. */
  bucketBits: number;
  /** The worker's last random draw; not 0. */
  luck: number;
  /** The query's client subnet decided, not the resolver's address. */
  fromSubnet: boolean;
  /** What was chosen for it (steer.ts): the first endpoint, or -1 = sorry addresses, and for how long. */
  endpoint: number;
  ttlSeconds: number;
  /** Where it is counted besides: the slot of endpoint 0; 0 = nowhere (tallies.ts). */
  tally: number;
  /** The slots of its class and of its slot of clients; 0 = they are not counted (share-tallies.ts). */
  classTally: number;
  slotTally: number;
  /** Of the map that was asked last. */
  table: PrefixTable | undefined;
};

/** @param seed of random draws */
export function createPlace(seed = 1): Place {
  return {
    classId: 0,
    scope: 0,
    bucket: 0,
    bucketBits: 0,
    luck: seed | 1,
    fromSubnet: false,
    endpoint: -1,
    ttlSeconds: 0,
    tally: 0,
    classTally: 0,
    slotTally: 0,
    table: undefined,
  };
}

/**
 * The class of a query's client in a map, by its client subnet or else by the resolver that asks,
 * and the scope that the answer has (RFC 7871). The scope is the widest network of the class around
 * the client that has no private clients in it (map.ts), as those are answered by their resolver; it may
 * be longer than SOURCE, which says that more bits would have been needed (7.2.1).
 *
 *   client subnet                          decided by     scope
 *   none                                   resolver       no option in the response
 *   SOURCE 0 or family 0 (7.1.2)           resolver       0
 *   private, loopback, link-local (11.1)   resolver       length of that private block
 *   anything else                          subnet         of the class
 */
export function placeClient(place: Place, table: PrefixTable, query: Query, client: Client): void {
  place.table = table;
  place.fromSubnet = false;
  place.scope = 0;
  if (query.hasEcs && query.ecsSource !== 0 && query.ecsFamily !== ECS_FAMILY_NONE) {
    const family = query.ecsFamily === ECS_FAMILY_IPV4 ? 4 : 6;
    const privateBits = privateScope(family, query.ecsAddress, 0);
    if (privateBits < 0) {
      place.fromSubnet = true;
      place.scope = classify(place, table, family, query.ecsAddress);
      return;
    }
    place.scope = privateBits;
  }
  classify(place, table, client.family, client.address);
}

/** Sets class and bucket of an address; returns the scope of its class. */
function classify(place: Place, table: PrefixTable, family: 4 | 6, address: Uint8Array): number {
  const found =
    family === 4 ? lookup4(table, bytesToInt32(address, 0)) : lookup6(table, address, 0);
  place.classId = rangeValueOf(found);
  place.bucket = bucketOf(family, address);
  place.bucketBits = family === 4 ? BUCKET_BITS_4 : bucketBits6(address);
  return scopeOf(found);
}
