import { z } from 'zod';
import { isInForce, nextExpiry, type Override } from '../health/override.ts';
import type { Change, Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Clock } from './clock.ts';
import { createOverrideWriter } from './override-writer.ts';

/**
 * Overrides in force on this node. The list here decides, at once and without the store; the store
 * carries it to other nodes and over a restart. An override that lapses is forgotten at its time,
 * even when nobody is there to clear it: a drill reverts by itself.
 */
export type Overrides = {
  current(): readonly Override[];
  /** In force when this returns; settles when the store has taken or refused it. */
  set(override: Override): Promise<void>;
  /** Forgets matching overrides at once, and settles with them when the store has heard of it. */
  clear(matches: (override: Override) => boolean): Promise<readonly Override[]>;
  close(): void;
};

export type OverridesChange = {
  readonly current: readonly Override[];
  /** Those that have just run out. */
  readonly lapsed: readonly Override[];
};

const KEY_PREFIX = 'overrides/';

/**
 * Opens with what the store holds. A store that does not answer is a warning, not a failed start.
 * @param onChange called after every change, also for what the store is found to hold
 */
export async function openOverrides(
  clock: Clock,
  store: Store,
  log: Pick<Log, 'warn'>,
  onChange: (change: OverridesChange) => void,
): Promise<Overrides> {
  const byKey = new Map<string, Override>();
  let cancelTimer: () => void = () => {};

  const tell = (lapsed: readonly Override[]): void => {
    arm();
    onChange({ current: [...byKey.values()], lapsed });
  };
  const arm = (): void => {
    cancelTimer();
    const next = nextExpiry([...byKey.values()], clock.nowMs());
    cancelTimer = next === undefined ? () => {} : clock.setTimer(next - clock.nowMs(), lapse);
  };
  const hasLapsed = (stored: string): boolean => {
    const override = readOverride(stored);
    return override !== undefined && !isInForce(override, clock.nowMs());
  };
  const lapse = (): void => {
    const lapsed = [...byKey].filter(([, override]) => !isInForce(override, clock.nowMs()));
    for (const [key] of lapsed) {
      byKey.delete(key);
      // Another node may have set a new one meanwhile: that one stays.
      void writer.write(key, undefined, hasLapsed);
    }
    if (lapsed.length > 0) tell(lapsed.map(([, override]) => override));
    else arm();
  };
  const take = ({ key, value }: Pick<Change, 'key' | 'value'>): void => {
    const before = JSON.stringify(byKey.get(key));
    const override = value === undefined ? undefined : readOverride(value);
    if (value === undefined) byKey.delete(key);
    else if (override && isInForce(override, clock.nowMs())) byKey.set(key, override);
    // It ran out while no node was there to forget it.
    else if (override) void writer.write(key, undefined, hasLapsed);
    if (JSON.stringify(byKey.get(key)) !== before) tell([]);
  };
  const writer = createOverrideWriter(store, log, take);

  const unwatch = store.watch(KEY_PREFIX, writer.hear);
  try {
    for (const entry of await store.list(KEY_PREFIX)) writer.hear(entry);
  } catch (error) {
    log.warn('store.unavailable', `Overrides in the store are not known here: ${String(error)}.`);
  }

  return {
    current: () => [...byKey.values()],
    async set(override) {
      const key = keyOf(override);
      byKey.set(key, override);
      tell([]);
      await writer.write(key, JSON.stringify(override));
    },
    async clear(matches) {
      const gone = [...byKey].filter(([, override]) => matches(override));
      for (const [key] of gone) byKey.delete(key);
      if (gone.length > 0) tell([]);
      await Promise.all(gone.map(([key]) => writer.write(key, undefined)));
      return gone.map(([, override]) => override);
    },
    close() {
      cancelTimer();
      unwatch();
    },
  };
}

/** An override as it was stored; undefined for anything else, another version's for instance. */
export function parseOverride(value: unknown): Override | undefined {
  return storedOverride.safeParse(value).data;
}

const storedOverride = z.object({
  target: z.object({ kind: z.enum(['region', 'pool', 'endpoint']), name: z.string() }),
  action: z.enum(['drain', 'up', 'down']),
  reason: z.string(),
  by: z.string(),
  setAtMs: z.number(),
  expiresAtMs: z.number().optional(),
  drill: z.string().optional(),
});

function readOverride(stored: string): Override | undefined {
  try {
    return parseOverride(JSON.parse(stored));
  } catch {
    // Not JSON: not ours.
    return undefined;
  }
}

/** One place per target for people and one per drill: a person's word never replaces a drill's. */
function keyOf({ drill, target }: Override): string {
  return drill === undefined
    ? `${KEY_PREFIX}manual/${target.kind}/${target.name}`
    : `${KEY_PREFIX}drill/${drill}`;
}
