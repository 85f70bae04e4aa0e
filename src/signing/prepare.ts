/**
 * Signatures of steered records before somebody asks: of what names answer at this moment, and of what they
 * answer when one endpoint is left. What comes otherwise is signed when it is asked for.
 */
import { TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_HTTPS, TYPE_SVCB } from '../dns/constants.ts';
import { lowerName, parseName } from '../dns/name.ts';
import type { AnswerTable, MapAnswers } from '../nameserver/answer.ts';
import { type Body, bodyOf, bodyRdata, type PreparedSignature } from '../nameserver/body.ts';
import type { Service, SteeringMap } from '../nameserver/snapshot.ts';
import type { KeyRing, ZoneRing } from './key-ring.ts';
import { nameKey } from './key-ring.ts';
import type { SignatureCache } from './signature-cache.ts';

/** Signatures that are made before they are asked for; each is held by every worker. */
export const PREPARED_MAX = 100_000;
/** Signatures that are made in one go. */
export const PREPARE_STEP = 64;

/** Yields after every few signatures; returns those that the table's bodies do not have yet. */
export function* prepareBodies(
  table: AnswerTable,
  ring: KeyRing,
  cache: SignatureCache,
  nowSeconds: number,
): Generator<void, readonly PreparedSignature[]> {
  const prepared: PreparedSignature[] = [];
  const byMap = new Map<number, readonly Body[]>();
  for (const [index, service] of table.snapshot.services.entries()) {
    const keys = ringOf(ring, service.zone);
    const owner = parseName(service.owner);
    if (keys === undefined || owner === undefined) continue;
    const bodies = byMap.get(service.map) ?? likelyBodies(table, table.maps[service.map]!);
    byMap.set(service.map, bodies);
    for (const body of bodies) {
      if (prepared.length >= PREPARED_MAX) return prepared;
      if (body.records === 0 || !hasBody(service, body) || body.signatures.has(index)) continue;
      const { ttlMaxSeconds } = table.maps[service.map]!.map;
      const rrset = bodyRrset(lowerName(owner), body, ttlMaxSeconds);
      const records = cache.sign(rrset, keys, keys.zoneKeys, nowSeconds);
      prepared.push({ key: body.key, service: index, records });
      if (prepared.length % PREPARE_STEP === 0) yield;
    }
  }
  return prepared;
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

function likelyBodies(
  { bodies, snapshot }: AnswerTable,
  { classes, map }: MapAnswers,
): readonly Body[] {
  const found = new Set<Body>();
  for (const { stages } of classes) {
    for (const { outcomes } of stages) {
      for (const { alias, body4, body6, https, svcb } of outcomes) {
        for (const body of [alias, body4, body6, https, svcb]) found.add(body);
      }
    }
  }
  for (const endpoints of aloneOrNone(map)) {
    for (const type of [TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_HTTPS, TYPE_SVCB]) {
      found.add(bodyOf(bodies, snapshot, map, endpoints, type));
    }
  }
  return [...found];
}

/** Each endpoint by itself, and the sorry addresses. */
function aloneOrNone({ candidates, sorry4, sorry6 }: SteeringMap): readonly number[][] {
  const alone = candidates.map((endpoint) => [endpoint]);
  return sorry4.length + sorry6.length > 0 ? [...alone, []] : alone;
}
