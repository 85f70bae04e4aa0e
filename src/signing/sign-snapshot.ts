/** All that a snapshot needs before it can be served: signatures, and signed copies for secondaries. */

import { COPY_LIFE_SECONDS, isDue } from '../dns/dnssec/validity.ts';
import { lowerName } from '../dns/name.ts';
import { NO_HEALTH } from '../health/health-words.ts';
import { buildAnswers } from '../nameserver/answer.ts';
import { packPrepared } from '../nameserver/prepared.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import type { ZoneTransfer } from '../nameserver/transfer-out.ts';
import { NONE, ZONE_DENIAL, ZONE_WORDS, type ZoneTable } from '../zone/compiled-zones.ts';
import type { ZoneContent } from '../zone/zone-content.ts';
import { type KeyRing, nameKey, type ZoneRing } from './key-ring.ts';
import { PREPARED_LIMITS, type PreparedLimits, prepareBodies } from './prepare.ts';
import { presign, ringsOf } from './presign.ts';
import type { SignatureCache } from './signature-cache.ts';
import { type SignedContent, signContent } from './signed-content.ts';

/** What signing adds to a snapshot. */
export type SignedParts = Pick<Snapshot, 'zones' | 'signatures' | 'prepared' | 'transfers'>;

/** A content, and what was made of it and how. */
export type SignedCopy = SignedContent & { readonly of: ZoneContent; readonly keys: ZoneRing };

/**
 * Yields between short pieces of work.
 * @param copies those that were made before, by apex
 */
export function* signSnapshot(
  snapshot: Snapshot,
  ring: KeyRing,
  cache: SignatureCache,
  copies: Map<string, SignedCopy>,
  nowSeconds: number,
  limits: PreparedLimits = PREPARED_LIMITS,
): Generator<void, SignedParts> {
  const signatures = yield* presign(snapshot.zones, ring, cache, nowSeconds);
  // As if everything were up: what health makes of it follows.
  const table = buildAnswers(snapshot, NO_HEALTH);
  const bodies = yield* prepareBodies(table, ring, cache, nowSeconds, limits);
  const transfers: ZoneTransfer[] = [];
  for (const transfer of snapshot.transfers) {
    const content = transfer.contents.at(-1)!;
    const key = nameKey(lowerName(content.apex));
    const keys = ring.get(key);
    if (keys === undefined) {
      transfers.push(transfer);
      continue;
    }
    const known = copies.get(key);
    const copy =
      known && isGood(known, content, keys, nowSeconds)
        ? known
        : { of: content, keys, ...(yield* signContent(content, lasting(keys), cache, nowSeconds)) };
    copies.set(key, copy);
    // Whole: signatures differ from node to node, so what has changed depends on whom one asked before.
    transfers.push({ ...transfer, contents: [copy.signed] });
  }
  return {
    zones: onlySigned(snapshot.zones, ring),
    signatures,
    prepared: [packPrepared(bodies)],
    transfers,
  };
}

/** A zone whose keys are not there is answered unsigned: a denial without signatures would be bogus. */
function onlySigned(table: ZoneTable, ring: KeyRing): ZoneTable {
  const zones = new Int32Array(new SharedArrayBuffer(table.zones.byteLength));
  zones.set(table.zones);
  for (const [zone, keys] of ringsOf(table, ring).entries()) {
    if (keys === undefined) zones[zone * ZONE_WORDS + ZONE_DENIAL] = NONE;
  }
  return { ...table, zones };
}

/** Whether it would be made the same way again; while it is served it may be as old as what is answered. */
function isGood(
  { keys: before, of, validity }: SignedCopy,
  content: ZoneContent,
  keys: ZoneRing,
  nowSeconds: number,
): boolean {
  return (
    isSameContent(of, content) &&
    signingText(before) === signingText(keys) &&
    !isDue(validity, nowSeconds, keys.times)
  );
}

const signingText = ({ entryKeys, times, zoneKeys }: ZoneRing): string =>
  JSON.stringify([
    times,
    ...[zoneKeys, entryKeys].map((keys) => keys.map(({ dnskey }) => [...dnskey])),
  ]);

const isSameContent = (a: ZoneContent, b: ZoneContent): boolean =>
  a.serial === b.serial && Buffer.compare(a.records, b.records) === 0;

function lasting(keys: ZoneRing): ZoneRing {
  const { times } = keys;
  const refreshSeconds = times.refreshSeconds + COPY_LIFE_SECONDS;
  return { ...keys, times: { ...times, refreshSeconds } };
}
