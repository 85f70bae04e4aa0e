/**
 * Signatures of steered records before somebody asks: of what names answer at this moment, and of what they
 * answer when one endpoint is left. What comes otherwise is signed when it is asked for.
 */
import { TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_HTTPS, TYPE_SVCB } from '../dns/constants.ts';
import { lowerName, parseName } from '../dns/name.ts';
import { type AnswerTable, classAnswers, mapAnswers } from '../nameserver/answer.ts';
import { type Body, bodyOf, bodyRdata, bodySignature } from '../nameserver/body.ts';
import type { PreparedSignature } from '../nameserver/prepared.ts';
import { type Service, serviceAt, serviceCount } from '../nameserver/services.ts';
import type { SteeringMap } from '../nameserver/snapshot.ts';
import type { KeyRing, ZoneRing } from './key-ring.ts';
import { nameKey } from './key-ring.ts';
import type { SignatureCache } from './signature-cache.ts';

/** How many signatures are made before they are asked for; each is held by every worker. */
export type PreparedLimits = {
  /** Of steered records that are answered now, and of all that are held. */
  readonly prepared: number;
  /** Up to here those that may be answered: the rest is room for what health brings. */
  readonly likely: number;
};
export const PREPARED_LIMITS: PreparedLimits = { prepared: 100_000, likely: 50_000 };
/** Signatures that are made in one go. */
export const PREPARE_STEP = 64;
/** Names that are looked at in one go. */
const LOOK_STEP = 4096;

/** Yields after every few signatures; returns those of all that is likely, what is answered now first. */
export function* prepareBodies(
  table: AnswerTable,
  ring: KeyRing,
  cache: SignatureCache,
  nowSeconds: number,
  limits: PreparedLimits,
): Generator<void, readonly PreparedSignature[]> {
  const prepared: PreparedSignature[] = [];
  let seen = 0;
  for (const wanted of wantedBodies(table, ring, nowSeconds)) {
    seen += 1;
    if (seen % PREPARE_STEP === 0) yield;
    if (prepared.length >= (wanted.isNow ? limits.prepared : limits.likely)) continue;
    prepared.push(signBody(wanted, cache, nowSeconds));
  }
  return prepared;
}

export type Missing = {
  /** Signed now. */
  readonly added: readonly PreparedSignature[];
  /** Of what is held, signatures that are still likely to be asked for. */
  readonly inUse: number;
  /** Whether something is answered now for which there is no room. */
  readonly isFull: boolean;
};

/**
 * Yields after every few signatures; adds those that the table's bodies do not have yet, as far as there is room.
 * @param held signatures that workers have, of states of health that have passed as well
 */
export function* prepareMissing(
  table: AnswerTable,
  ring: KeyRing,
  cache: SignatureCache,
  nowSeconds: number,
  limits: PreparedLimits,
  held: number,
): Generator<void, Missing> {
  const added: PreparedSignature[] = [];
  let [seen, inUse, isFull] = [0, 0, false];
  for (const wanted of wantedBodies(table, ring, nowSeconds)) {
    const { body, isNow, service } = wanted;
    seen += 1;
    if (seen % LOOK_STEP === 0) yield;
    if (bodySignature(table.bodies.signatures, body, service) !== undefined) {
      inUse += 1;
      continue;
    }
    if (held + added.length >= (isNow ? limits.prepared : limits.likely)) {
      isFull ||= isNow;
      continue;
    }
    added.push(signBody(wanted, cache, nowSeconds));
    if (added.length % PREPARE_STEP === 0) yield;
  }
  return { added, inUse, isFull };
}

type Wanted = {
  readonly service: number;
  readonly body: Body;
  readonly owner: Uint8Array;
  readonly keys: ZoneRing;
  readonly ttlMaxSeconds: number;
  /** Answered at this moment, and not only when others go. */
  readonly isNow: boolean;
};

/** What is answered now of all services, and then what may be. */
function* wantedBodies(table: AnswerTable, ring: KeyRing, nowSeconds: number): Generator<Wanted> {
  const { services } = table.snapshot;
  const now = new Map<number, ReadonlySet<Body>>();
  const later = new Map<number, ReadonlySet<Body>>();
  const known = (map: number, isNow: boolean): ReadonlySet<Body> => {
    const sets = isNow ? now : later;
    const bodies =
      sets.get(map) ??
      (isNow
        ? currentBodies(table, map, nowSeconds * 1000)
        : aloneBodies(table, map, known(map, true)));
    sets.set(map, bodies);
    return bodies;
  };
  for (const isNow of [true, false]) {
    for (let index = 0; index < serviceCount(services); index += 1) {
      const service = serviceAt(services, index);
      const keys = ringOf(ring, service.zone);
      const owner = parseName(service.owner);
      if (keys === undefined || owner === undefined) continue;
      const { ttlMaxSeconds } = mapAnswers(table, service.map).map;
      const name = lowerName(owner);
      for (const body of known(service.map, isNow)) {
        if (body.records === 0 || !hasBody(service, body)) continue;
        yield { service: index, body, owner: name, keys, ttlMaxSeconds, isNow };
      }
    }
  }
}

function signBody(
  { body, keys, owner, service, ttlMaxSeconds }: Wanted,
  cache: SignatureCache,
  nowSeconds: number,
): PreparedSignature {
  const rrset = bodyRrset(owner, body, ttlMaxSeconds);
  const records = cache.sign(rrset, keys, keys.zoneKeys, nowSeconds);
  return { key: body.key, service, records };
}

/** By the name that a zone has in the configuration. */
export function ringOf(ring: KeyRing, zone: string): ZoneRing | undefined {
  const apex = parseName(zone.endsWith('.') ? zone : `${zone}.`);
  return apex && ring.get(nameKey(lowerName(apex)));
}

/** Steered records as they are signed: with the longest TTL that they are answered with (RFC 4034 3.1.4). */
export function bodyRrset(owner: Uint8Array, body: Body, ttlMaxSeconds: number) {
  return { owner, type: body.type, ttlSeconds: ttlMaxSeconds, rdata: bodyRdata(body) };
}

function hasBody({ has4, has6, isAlias }: Service, { type }: Body): boolean {
  if (isAlias || type === TYPE_CNAME) return isAlias && type === TYPE_CNAME;
  return type === TYPE_A ? has4 : type === TYPE_AAAA ? has6 : true;
}

function currentBodies(table: AnswerTable, map: number, nowMs: number): ReadonlySet<Body> {
  const found = new Set<Body>();
  for (const { parts } of classAnswers(table, map, nowMs)) {
    for (const { outcomes } of parts) {
      for (const { alias, body4, body6, https, svcb } of outcomes) {
        for (const body of [alias, body4, body6, https, svcb]) found.add(body);
      }
    }
  }
  return found;
}

function aloneBodies(
  table: AnswerTable,
  index: number,
  current: ReadonlySet<Body>,
): ReadonlySet<Body> {
  const { bodies, snapshot } = table;
  const { map } = mapAnswers(table, index);
  const found = new Set<Body>();
  for (const endpoints of aloneOrNone(map)) {
    for (const type of [TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_HTTPS, TYPE_SVCB]) {
      const body = bodyOf(bodies, snapshot, map, endpoints, type);
      if (!current.has(body)) found.add(body);
    }
  }
  return found;
}

/** Each endpoint by itself, and the sorry addresses. */
function aloneOrNone({ candidates, sorry4, sorry6 }: SteeringMap): readonly number[][] {
  const alone = candidates.map((endpoint) => [endpoint]);
  return sorry4.length + sorry6.length > 0 ? [...alone, []] : alone;
}
