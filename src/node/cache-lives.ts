import type { ZoneConfig } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import type { Clock } from '../control/clock.ts';
import type { RollFacts } from '../dns/dnssec/key-roll.ts';
import { KEY_TTL_SECONDS, propagationSecondsOf } from './describe-keys.ts';
import type { ZoneOverlays } from './zone-overlays.ts';

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
};

/** A TTL, and when something was served with it last. */
type Life = { readonly ttlSeconds: number; readonly lastMs: number };

/** TTLs of a zone that became ever shorter; of more the two longest are taken for one. */
export const LIVES_MAX = 32;

export function createCacheLives(overlays: () => readonly ZoneOverlay[]): CacheLives {
  const zoneTtl = memoized(longestOfZone);
  const overlayTtl = memoized(longestOfOverlay);
  const lives = new Map<string, readonly Life[]>();
  return {
    look(zones, nowMs) {
      const ofOverlays = new Map<string, number>();
      for (const overlay of overlays()) {
        const ttl = Math.max(ofOverlays.get(overlay.zone) ?? 0, overlayTtl(overlay));
        ofOverlays.set(overlay.zone, ttl);
      }
      for (const [zone, config] of Object.entries(zones)) {
        const ttlSeconds = Math.max(zoneTtl(config), ofOverlays.get(zone) ?? 0);
        lives.set(zone, lived(lives.get(zone) ?? [], { ttlSeconds, lastMs: nowMs }));
      }
    },
    rememberedUntilMs(zone, byMs) {
      const known = lives.get(zone) ?? [];
      const untilMs = known.map(
        ({ lastMs, ttlSeconds }) => Math.min(lastMs, byMs) + ttlSeconds * 1000,
      );
      return Math.max(byMs + KEY_TTL_SECONDS * 1000, ...untilMs);
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

function memoized<Key extends object>(measure: (key: Key) => number): (key: Key) => number {
  const known = new WeakMap<Key, number>();
  return (key) => {
    const ttl = known.get(key) ?? measure(key);
    known.set(key, ttl);
    return ttl;
  };
}

function longestOfZone({ rrsets, soa, steered, ttl }: ZoneConfig): number {
  let longest = Math.max(ttl, soa.minimum);
  for (const set of rrsets) longest = Math.max(longest, set.ttl);
  for (const { ttlMax } of steered) longest = Math.max(longest, ttlMax);
  return longest;
}

function longestOfOverlay({ contentTtlMax = 0, rrsets, soa, soaTtl = 0 }: ZoneOverlay): number {
  let longest = Math.max(soaTtl, soa?.minimum ?? 0, contentTtlMax);
  for (const { ttl } of rrsets) longest = Math.max(longest, ttl);
  return longest;
}

/** What rolls and the DS of zones wait for, with the clock that they wait by. */
export type RollWaits = {
  look(): void;
  /** From now on. */
  facts(zone: string, config: ZoneConfig): RollFacts;
  /** Before it, caches may hold unsigned answers of a zone that is signed since then. */
  dsFromMs(zone: string, config: ZoneConfig, sinceMs: number): number;
  close(): void;
};

/** Changes that come together are looked at together. */
const LOOK_TOGETHER_MS = 1000;

export function followRollWaits(
  clock: Pick<Clock, 'nowMs' | 'setTimer'>,
  overlays: Pick<ZoneOverlays, 'current' | 'onChange'>,
  zones: () => Readonly<Record<string, ZoneConfig>>,
): RollWaits {
  const lives = createCacheLives(overlays.current);
  const look = (): void => lives.look(zones(), clock.nowMs());
  let cancel: (() => void) | undefined;
  const stop = overlays.onChange(() => {
    cancel ??= clock.setTimer(LOOK_TOGETHER_MS, () => {
      cancel = undefined;
      look();
    });
  });
  return {
    look,
    facts(zone, config) {
      look();
      const nowMs = clock.nowMs();
      return {
        keyTtlSeconds: KEY_TTL_SECONDS,
        longestTtlSeconds: Math.ceil((lives.rememberedUntilMs(zone, nowMs) - nowMs) / 1000),
        propagationSeconds: propagationSecondsOf(config),
      };
    },
    dsFromMs: (zone, config, sinceMs) =>
      lives.rememberedUntilMs(zone, sinceMs) + propagationSecondsOf(config) * 1000,
    close() {
      stop();
      cancel?.();
    },
  };
}
