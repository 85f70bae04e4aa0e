/**
 * What secondaries get of a zone: its records, and steered names as they answer somebody of whom nothing is
 * known while everything is well, for a copy has no eyes. Contents of before stay a while, so that a
 * secondary can be told what has changed.
 */
import type { RrsetConfig, SteeredConfig, ZoneConfig } from '../config/config.ts';
import {
  TYPE_A,
  TYPE_AAAA,
  TYPE_CNAME,
  TYPE_HTTPS,
  TYPE_SOA,
  TYPE_SVCB,
} from '../dns/constants.ts';
import { parseName } from '../dns/name.ts';
import { parseRdata } from '../dns/rdata/registry.ts';
import { isNewerSerial } from '../dns/serial.ts';
import { typeNumber } from '../dns/type-names.ts';
import { lookup4, rangeValueOf } from '../ip/prefix-table.ts';
import { classEntry } from '../steering/class-list.ts';
import { decide } from '../steering/decide.ts';
import { classPreference } from '../steering/map.ts';
import { compilePolicy } from '../steering/policy.ts';
import { unpackRrsets } from '../zone/packed-rrsets.ts';
import { type ContentRecord, packContent, type ZoneContent } from '../zone/zone-content.ts';
import { candidateOf, decideState } from './answer.ts';
import { rdataOf } from './body.ts';
import { delegationsOf, findBelow } from './delegations.ts';
import { mapAt } from './map-table.ts';
import { hasType, isAlias, serviceMap, servicesOf } from './services.ts';
import type { Snapshot, SteeringMap } from './snapshot.ts';

/** Contents of one zone, oldest first; the last is served. */
export type ZoneContents = readonly ZoneContent[];

/** Older contents that are kept of one zone, for incremental transfers. */
export const CONTENTS_KEPT_MAX = 8;
/** Records that all kept contents of a zone may have together; beyond it secondaries get all of it. */
export const RECORDS_KEPT_MAX = 2_000_000;

/**
 * The contents to follow after these. Of the same content nothing new is kept. Where records changed under the same
 * serial, nobody can be told what has changed since it; where the serial went back, since any of before.
 */
export function nextContents(before: ZoneContents, content: ZoneContent): ZoneContents {
  const newest = before.at(-1);
  if (newest !== undefined && content.serial === newest.serial) {
    const isUnsure = newest.isUnsure === true || changedSilently(newest, content);
    return [...before.slice(0, -1), isUnsure ? { ...content, isUnsure } : content];
  }
  if (newest === undefined || !isNewerSerial(content.serial, newest.serial)) return [content];
  const kept = [...before, content].slice(-CONTENTS_KEPT_MAX);
  let records = 0;
  const from = kept.findLastIndex((each, index) => {
    records += each.count;
    return records > RECORDS_KEPT_MAX && index < kept.length - 1;
  });
  return kept.slice(from + 1);
}

export type Contents = {
  /** The zone's records of now; undefined when something in them cannot be read, which compiling reports. */
  of(name: string): ZoneContent | undefined;
};

/** @param zones all that are served: to a copy, those below one are delegations */
export function createContents(
  zones: Readonly<Record<string, ZoneConfig>>,
  snapshot: Snapshot,
): Contents {
  const below = findBelow(Object.keys(zones));
  const services = new Map<string, number>();
  let index = 0;
  for (const { owner, zone } of servicesOf(snapshot.services)) {
    services.set(serviceKey(zone, owner), index);
    index += 1;
  }
  return {
    of(name) {
      const zone = zones[name]!;
      const delegations = delegationsOf(zone, below.get(name) ?? [], zones);
      return contentOf(name, zone, delegations, (owner) => {
        const service = services.get(serviceKey(name, owner));
        return service === undefined ? undefined : { service, snapshot };
      });
    },
  };
}

const serviceKey = (zone: string, owner: string): string => `${zone} ${owner}`;

/** `service`: index of it. */
type Steered = { readonly service: number; readonly snapshot: Snapshot };

function contentOf(
  name: string,
  zone: ZoneConfig,
  delegations: readonly RrsetConfig[],
  steeredAt: (owner: string) => Steered | undefined,
): ZoneContent | undefined {
  const apex = parseName(name === '.' ? name : `${name}.`);
  const { minimum, mname, rname, serial, refresh, retry, expire } = zone.soa;
  const numbers = [serial, refresh, retry, expire, minimum].join(' ');
  const soa = parseRdata('SOA', `${mname} ${rname} ${numbers}`);
  if (apex === undefined || !soa.ok) return undefined;
  const records: ContentRecord[] = [];
  for (const { owner, rdata, ttlSeconds, type } of zone.filed ? unpackRrsets(zone.filed) : []) {
    for (const one of rdata) records.push({ owner, type, ttlSeconds, rdata: one });
  }
  for (const { data, owner, ttl, type } of [...zone.rrsets, ...delegations]) {
    for (const text of data) {
      const rdata = parseRdata(type, text, apex);
      if (!rdata.ok) return undefined;
      records.push({
        owner: parseName(owner)!,
        type: typeNumber(type)!,
        ttlSeconds: ttl,
        rdata: rdata.rdata,
      });
    }
  }
  if (zone.transfer?.steered !== 'omit') {
    for (const steered of zone.steered) {
      records.push(...defaultRecords(steered, steeredAt(steered.owner)));
    }
  }
  const first = { owner: apex, type: TYPE_SOA, ttlSeconds: zone.ttl, rdata: soa.rdata };
  return packContent(apex, first, records);
}

const STEERED_TYPES = [TYPE_A, TYPE_AAAA, TYPE_HTTPS, TYPE_SVCB];
/** No client has it, and no geo data know it (RFC 1122 3.2.1.3). */
const NOWHERE = 0;

function defaultRecords(
  { owner, https, svcb }: SteeredConfig,
  steered: Steered | undefined,
): readonly ContentRecord[] {
  const name = parseName(owner);
  if (steered === undefined || name === undefined) return [];
  const { service, snapshot } = steered;
  const { services } = snapshot;
  const types = isAlias(services, service)
    ? [TYPE_CNAME]
    : STEERED_TYPES.filter(
        (type) =>
          hasType(services, service, type) &&
          (type !== TYPE_HTTPS || https !== undefined) &&
          (type !== TYPE_SVCB || svcb !== undefined),
      );
  const map = mapAt(snapshot.maps, serviceMap(services, service));
  const endpoints = defaultEndpoints(map, snapshot);
  return types.flatMap((type) =>
    rdataOf(snapshot, map, endpoints, type).map((rdata) => ({
      owner: name,
      type,
      ttlSeconds: map.ttlMaxSeconds,
      rdata,
    })),
  );
}

/** Whoever is first in the class of a client of whom nothing is known, everything being up. */
function defaultEndpoints(map: SteeringMap, snapshot: Snapshot): readonly number[] {
  const candidates = map.candidates.map((endpoint) => candidateOf(snapshot, endpoint));
  const classId = rangeValueOf(lookup4(map.classes.table, NOWHERE));
  const entry = classEntry(map.classes.classes, classId);
  const isUp = (): number => map.ttlMaxSeconds;
  const decision = decide(
    compilePolicy(map.chain),
    classPreference(map.classes, entry, candidates),
    decideState(map, entry, isUp, {}, undefined),
  );
  return decision.outcomes[0]?.candidates.map(({ endpoint }) => endpoint) ?? [];
}

/** What was not told by a greater serial: secondaries do not ask for it. */
export function changedSilently(before: ZoneContent, after: ZoneContent): boolean {
  return before.serial === after.serial && Buffer.compare(before.records, after.records) !== 0;
}
