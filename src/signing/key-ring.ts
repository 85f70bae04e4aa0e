import { openKey, type ZoneKey } from '../dns/dnssec/keys.ts';
import type { KeyMaterial, ZoneSigningKeys } from '../dns/dnssec/signing-keys.ts';
import type { SigningTimes } from '../dns/dnssec/validity.ts';
import { lowerName, parseName } from '../dns/name.ts';

/** The keys of all signed zones, ready to sign, by apex. */
export type KeyRing = ReadonlyMap<string, ZoneRing>;

export type ZoneRing = {
  readonly apex: Uint8Array;
  readonly times: SigningTimes;
  /** Sign what the zone answers. */
  readonly zoneKeys: readonly ZoneKey[];
  /** Sign which keys there are. */
  readonly entryKeys: readonly ZoneKey[];
};

/** Zones without a key that can sign are left out. */
export function openRing(zones: readonly ZoneSigningKeys[]): KeyRing {
  const ring = new Map<string, ZoneRing>();
  for (const { entryKeys, times, zone, zoneKeys } of zones) {
    const name = parseName(zone.endsWith('.') ? zone : `${zone}.`);
    const opened = { zoneKeys: openAll(zoneKeys), entryKeys: openAll(entryKeys) };
    if (name === undefined || opened.zoneKeys.length === 0 || opened.entryKeys.length === 0)
      continue;
    const apex = lowerName(name);
    ring.set(nameKey(apex), { apex, times, ...opened });
  }
  return ring;
}

const openAll = (keys: readonly KeyMaterial[]): readonly ZoneKey[] =>
  keys.flatMap(({ flags, jwk }) => openKey(jwk, flags) ?? []);

/** A name's octets as a string: other octets, other string. */
export const nameKey = (name: Uint8Array): string => LATIN1.decode(name);

const LATIN1 = new TextDecoder('latin1');
