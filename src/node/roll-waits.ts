import { join } from 'node:path';
import { z } from 'zod';
import type { ZoneConfig } from '../config/config.ts';
import type { Clock } from '../control/clock.ts';
import type { RollFacts } from '../dns/dnssec/key-roll.ts';
import { createCacheLives, type KeptLives, LIVES_MAX } from './cache-lives.ts';
import { KEY_TTL_SECONDS, propagationSecondsOf } from './describe-keys.ts';
import { readWholeJson, writeWhole } from './whole-file.ts';
import type { ZoneOverlays } from './zone-overlays.ts';

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

/** @param directory where it is kept for a next life of the node */
export function followRollWaits(
  clock: Pick<Clock, 'nowMs' | 'setTimer'>,
  overlays: Pick<ZoneOverlays, 'current' | 'onChange'>,
  zones: () => Readonly<Record<string, ZoneConfig>>,
  directory: string | undefined,
  complain: (kind: 'unreadable' | 'unwritable', problem: string) => void,
): RollWaits {
  const file = directory === undefined ? undefined : join(directory, FILE_NAME);
  let kept = file === undefined ? {} : readLives(file, complain);
  const lives = createCacheLives(overlays.current, kept, clock.nowMs());
  const look = (): void => {
    lives.look(zones(), clock.nowMs());
    const toKeep = lives.toKeep();
    if (file === undefined || toKeep === kept || isEmpty(toKeep, kept)) return;
    const problem = writeWhole(file, JSON.stringify({ version: 1, zones: toKeep }));
    // Else with the next look.
    if (problem === undefined) kept = toKeep;
    else complain('unwritable', problem);
  };
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

function isEmpty(...lives: readonly KeptLives[]): boolean {
  return lives.every((each) => Object.keys(each).length === 0);
}

const FILE_NAME = 'zone-ttls.json';
const life = z.strictObject({ ttlSeconds: z.int().min(0), lastMs: z.number() });
const keptSchema = z.strictObject({
  version: z.literal(1),
  zones: z.record(z.string(), z.array(life).max(LIVES_MAX)),
});

function readLives(
  file: string,
  complain: (kind: 'unreadable', problem: string) => void,
): KeptLives {
  const read = readWholeJson(file, keptSchema);
  if (!read.ok) complain('unreadable', read.problem);
  return read.ok ? (read.value?.zones ?? {}) : {};
}
