/**
 * Whether a zone's own records can be answered: those of a copy may not be there yet, or may be too old (RFC 1034
 * 4.3.5). Steered names are answered in any case: they come from here, and their primary knows nothing of them.
 */
import type { Config, ZoneConfig } from '../config/config.ts';
import { EDE_INVALID_DATA, EDE_NOT_READY, EDE_STALE_ANSWER } from '../dns/constants.ts';
import { EDE_NONE } from '../dns/edns.ts';
import { type Prefix, parsePrefix } from '../ip/prefix.ts';

export const STANDING_GOOD = 0;
/** There is no copy yet. */
export const STANDING_MISSING = 1;
/** The copy has expired: SERVFAIL. */
export const STANDING_EXPIRED = 2;
/** It has expired, and somebody wants it to be answered nevertheless. */
export const STANDING_STALE = 3;

/** The extended error that goes along (RFC 8914 4.4, 4.15, 4.25), by standing. */
const EDE_OF_STANDING = [EDE_NONE, EDE_NOT_READY, EDE_INVALID_DATA, EDE_STALE_ANSWER];

export const edeOfStanding = (standing: number): number => EDE_OF_STANDING[standing] ?? EDE_NONE;

/** In the order of the zones. */
export function standingsOf({ zones }: Pick<Config, 'zones'>): Uint8Array {
  return Uint8Array.from(Object.values(zones), standingOf);
}

export function standingOf({ copy, primary }: ZoneConfig): number {
  if (primary === undefined || copy === 'current') return STANDING_GOOD;
  if (copy === undefined) return STANDING_MISSING;
  return primary.whenExpired === 'answer' ? STANDING_STALE : STANDING_EXPIRED;
}

/** Addresses of all primaries: NOTIFY of others is refused unless it is signed. */
export function primariesOf({ zones }: Pick<Config, 'zones'>): readonly Prefix[] {
  return Object.values(zones).flatMap(({ primary }) =>
    (primary?.servers ?? []).flatMap(({ address }) => hostOf(address) ?? []),
  );
}

/** One address as a network. */
export function hostOf(address: string): Prefix | undefined {
  return parsePrefix(`${address}/${address.includes(':') ? 128 : 32}`);
}
