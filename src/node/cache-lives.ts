import type { ZoneConfig } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import { KEY_TTL_SECONDS } from './describe-keys.ts';

/**
 * How long caches may remember what zones had: the longest TTL of what is served, what came while the node
 * runs included (updates, challenges, a primary's copy), and that of what was served a moment ago: a TTL that
 * was lowered just now is still in caches as it was.
 */
export type CacheLives = {
  /** What is served now; to be called before it changes, and after. */
  look(zones: Readonly<Record<string, ZoneConfig>>, nowMs: number): void;
  /** The latest instant at which a cache may have something of the zone that it was given by `byMs`. */
  rememberedUntilMs(zone: string, byMs: number): number;
  /** What a next life of the node has to know; the same object until that is something else. */
  toKeep(): KeptLives;
};

/** Of each zone the TTLs that caches may hold, each but the last with when it was served last. */
export type KeptLives = Readonly<Record<string, readonly Life[]>>;
/** A TTL, and when something was served with it last. */
export type Life = { readonly ttlSeconds: number; readonly lastMs: number };

/** TTLs of a zone that became ever shorter; of more the two longest are taken for one. */
export const LIVES_MAX = 32;

/** @param kept of the life before this one: what was served then was served until now */
export function createCacheLives(
  overlays: () => readonly ZoneOverlay[],
  kept: KeptLives = {},
  nowMs = 0,
): CacheLives {
  const zoneTtl = memoized(longestOfZone);
  const overlayTtl = memoized(longestOfOverlay);
  const lives = new Map(
    Object.entries(kept).map(([zone, ofZone]) => [zone, servedUntil(ofZone, nowMs)]),
  );
  let toKeep: KeptLives | undefined;
  return {
    look(zones, nowMs) {
      const ofOverlays = new Map<string, number>();
      for (const overlay of overlays()) {
        const ttl = Math.max(ofOverlays.get(overlay.zone) ?? 0, overlayTtl(overlay));
        ofOverlays.set(overlay.zone, ttl);
      }
      for (const [zone, config] of Object.entries(zones)) {
        const ttlSeconds = Math.max(zoneTtl(config), ofOverlays.get(zone) ?? 0);
        const before = lives.get(zone) ?? [];
        const now = lived(before, { ttlSeconds, lastMs: nowMs });
        lives.set(zone, now);
        if (!isSameTtls(before, now)) toKeep = undefined;
      }
    },
    rememberedUntilMs(zone, byMs) {
      const known = lives.get(zone) ?? [];
      const untilMs = known.map(
        ({ lastMs, ttlSeconds }) => Math.min(lastMs, byMs) + ttlSeconds * 1000,
      );
      return Math.max(byMs + KEY_TTL_SECONDS * 1000, ...untilMs);
    },
    toKeep() {
      toKeep ??= Object.fromEntries([...lives].filter(([, ofZone]) => ofZone.some(isLong)));
      return toKeep;
    },
  };
}

/** Without what says no more than something else, and what no cache has any more. */
function lived(before: readonly Life[], now: Life): readonly Life[] {
  const stays = before.filter(
    ({ lastMs, ttlSeconds }) =>
      ttlSeconds > now.ttlSeconds && lastMs + ttlSeconds * 1000 > now.lastMs,
  );
  if (stays.length < LIVES_MAX) return [...stays, now];
  const [longest, second, ...rest] = stays;
  return [{ ttlSeconds: longest!.ttlSeconds, lastMs: second!.lastMs }, ...rest, now];
}

/** The last of them was still served when this life began. */
function servedUntil(kept: readonly Life[], nowMs: number): readonly Life[] {
  return kept.map((life, at) => (at < kept.length - 1 ? life : { ...life, lastMs: nowMs }));
}

/** Everything is waited for as long as for the keys themselves. */
const isLong = ({ ttlSeconds }: Life): boolean => ttlSeconds > KEY_TTL_SECONDS;

function isSameTtls(before: readonly Life[], now: readonly Life[]): boolean {
  return (
    before.length === now.length &&
    before.every(({ ttlSeconds }, at) => ttlSeconds === now[at]!.ttlSeconds)
  );
}

function memoized<Key extends object>(measure: (key: Key) => number): (key: Key) => number {
  const known = new WeakMap<Key, number>();
  return (key) => {
    const ttl = known.get(key) ?? measure(key);
    known.set(key, ttl);
    return ttl;
  };
}

function longestOfZone({ filed, rrsets, soa, steered, ttl }: ZoneConfig): number {
  let longest = Math.max(ttl, soa.minimum, filed?.ttlMax ?? 0);
  for (const set of rrsets) longest = Math.max(longest, set.ttl);
  for (const { ttlMax } of steered) longest = Math.max(longest, ttlMax);
  return longest;
}

function longestOfOverlay({ contentTtlMax = 0, rrsets, soa, soaTtl = 0 }: ZoneOverlay): number {
  let longest = Math.max(soaTtl, soa?.minimum ?? 0, contentTtlMax);
  for (const { ttl } of rrsets) longest = Math.max(longest, ttl);
  return longest;
}
