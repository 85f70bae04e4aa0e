import { isInForce, nextExpiry, type Override } from '../health/override.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Clock } from './clock.ts';

/**
 * Overrides in force on this node. The list here decides, at once and without the store; the store
 * carries it to other nodes and over a restart. An override that lapses is forgotten at its time,
 * even when nobody is there to clear it: a drill reverts by itself.
 */
export type Overrides = {
  current(): readonly Override[];
  set(override: Override): Promise<void>;
  /** Forgets matching overrides and returns them. */
  clear(matches: (override: Override) => boolean): Promise<readonly Override[]>;
  close(): void;
};

const KEY_PREFIX = 'overrides/';

export async function openOverrides(
  clock: Clock,
  store: Store,
  log: Log,
  onChange: (change: { readonly lapsed: readonly Override[] }) => void,
): Promise<Overrides> {
  const byKey = new Map<string, Override>();
  let cancelTimer: () => void = () => {};

  const arm = (): void => {
    cancelTimer();
    const next = nextExpiry([...byKey.values()], clock.nowMs());
    cancelTimer = next === undefined ? () => {} : clock.setTimer(next - clock.nowMs(), lapse);
  };
  const lapse = (): void => {
    const lapsed = [...byKey].filter(([, override]) => !isInForce(override, clock.nowMs()));
    for (const [key] of lapsed) {
      byKey.delete(key);
      write(key, undefined).catch(() => {});
    }
    arm();
    if (lapsed.length > 0) onChange({ lapsed: lapsed.map(([, override]) => override) });
  };
  /** Last writer wins: an override is a person's word, the newest one counts. */
  const write = async (key: string, value: string | undefined): Promise<void> => {
    try {
      for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt += 1) {
        const version = (await store.get(key))?.version ?? 0;
        if (version === 0 && value === undefined) return;
        if ((await store.compareAndSet(key, version, value)).ok) return;
      }
      log.warn('store.conflict', `The store kept refusing ${key}.`);
    } catch (error) {
      log.warn(
        'store.unavailable',
        `${key} is in force here but did not reach the store: ${error}.`,
      );
    }
  };

  for (const { key, value } of await store.list(KEY_PREFIX)) take(byKey, key, value, clock.nowMs());
  const unwatch = store.watch(KEY_PREFIX, ({ key, value }) => {
    const before = JSON.stringify(byKey.get(key));
    if (value === undefined) byKey.delete(key);
    else take(byKey, key, value, clock.nowMs());
    if (JSON.stringify(byKey.get(key)) === before) return;
    arm();
    onChange({ lapsed: [] });
  });
  arm();

  return {
    current: () => [...byKey.values()],
    async set(override) {
      const key = keyOf(override);
      byKey.set(key, override);
      arm();
      onChange({ lapsed: [] });
      await write(key, JSON.stringify(override));
    },
    async clear(matches) {
      const gone = [...byKey].filter(([, override]) => matches(override));
      for (const [key] of gone) byKey.delete(key);
      arm();
      if (gone.length > 0) onChange({ lapsed: [] });
      for (const [key] of gone) await write(key, undefined);
      return gone.map(([, override]) => override);
    },
    close() {
      cancelTimer();
      unwatch();
    },
  };
}

const WRITE_ATTEMPTS_MAX = 5;

function keyOf({ drill, target }: Override): string {
  return drill === undefined
    ? `${KEY_PREFIX}manual/${target.kind}/${target.name}`
    : `${KEY_PREFIX}drill/${drill}`;
}

/** A value that is not an override (another version's, say) is left alone. */
function take(byKey: Map<string, Override>, key: string, value: string, nowMs: number): void {
  try {
    const override = JSON.parse(value) as Override;
    if (typeof override.target?.name !== 'string' || !isInForce(override, nowMs)) return;
    byKey.set(key, override);
  } catch {
    // Not JSON: not ours.
  }
}
