import { z } from 'zod';
import type { Replica } from '../cluster/replica.ts';
import type { Sharing } from '../cluster/share-waiters.ts';
import { compareStamps, formatStamp } from '../cluster/stamp.ts';
import { isInForce, nextExpiry, type Override } from '../health/override.ts';
import type { Clock } from './clock.ts';

/**
 * Overrides in force on this node: facts of the cluster, so that one that was set on any node is in
 * force on all, whichever of them, of the stores or of the ways between them is away. Setting and
 * clearing decide here and at once. One that lapses is over at its time by the cluster's clock, on
 * every node by itself: a drill reverts even when nobody is there to clear it.
 */
export type Overrides = {
  /** In the order in which they were set. */
  current(): readonly Override[];
  /** In force when this returns; settles with whether other nodes can know of it yet. */
  set(override: Override): Promise<Sharing & { readonly refused?: string }>;
  /** Forgets matching overrides at once, and settles with them and whether others can know of it yet. */
  clear(matches: (override: Override) => boolean): Promise<Cleared>;
  /** Takes what was saved by an earlier version, as said when it was set: later words stand. */
  adopt(saved: readonly Override[]): void;
  close(): void;
};

export type Cleared = { readonly gone: readonly Override[]; readonly sharing: Sharing };

export type OverridesChange = {
  readonly current: readonly Override[];
  /** Those that have just run out. */
  readonly lapsed: readonly Override[];
};

export type OverridesOptions = {
  /** The cluster's. */
  readonly clock: Clock & { onStep(listener: () => void): () => void };
  readonly replica: Replica;
  /** See cluster/facts.ts. */
  settled(key: string, timeoutMs: number): Promise<Sharing>;
  /** Called after every change. */
  onChange(change: OverridesChange): void;
};

const KEY_PREFIX = 'override/';
/** How long somebody who sets an override waits to hear whether others have it. */
const SHARE_WAIT_MS = 1000;

const NOTHING_TO_SHARE: Sharing = { shared: true, detail: 'nothing was to be told' };

type Held = { readonly key: string; readonly stamp: string; readonly override: Override };

/** Opens with what the replica holds. */
export function createOverrides(options: OverridesOptions): Overrides {
  const { clock, replica } = options;
  let held = inForce(replica, clock.nowMs());
  let isBusy = false;
  let cancelTimer: () => void = () => {};

  // The timer may be late.
  const current = (): readonly Override[] =>
    held.flatMap(({ override }) => (isInForce(override, clock.nowMs()) ? [override] : []));
  const arm = (): void => {
    cancelTimer();
    const next = nextExpiry(current(), clock.nowMs());
    cancelTimer = next === undefined ? () => {} : clock.setTimer(next - clock.nowMs(), refresh);
  };
  const refresh = (): void => {
    if (isBusy) return;
    const before = held;
    held = inForce(replica, clock.nowMs());
    arm();
    const marks = (list: readonly Held[]): string => list.map(({ stamp }) => stamp).join(' ');
    if (marks(before) === marks(held)) return;
    const left = new Set(held.map(({ key }) => key));
    // Gone though nobody has said anything of them: their time is over.
    const lapsed = before.filter(
      ({ key, stamp }) => !left.has(key) && replica.get(key)?.stamp === stamp,
    );
    options.onChange({ current: current(), lapsed: lapsed.map(({ override }) => override) });
  };
  /** Several words, and one change. */
  const together = (act: () => void): void => {
    isBusy = true;
    act();
    isBusy = false;
    refresh();
  };
  const stops = [
    replica.onChange(({ fact }) => {
      if (fact.key.startsWith(KEY_PREFIX)) refresh();
    }),
    clock.onStep(refresh),
  ];
  arm();

  return {
    current,
    async set(override) {
      const key = keyOf(override);
      const { expiresAtMs } = override;
      const value = JSON.stringify(override);
      const written = replica.write(key, value, clock.nowMs(), { expiresAtMs });
      if (!written.ok) {
        return { shared: false, detail: `not taken: ${written.reason}`, refused: written.reason };
      }
      return options.settled(key, SHARE_WAIT_MS);
    },
    async clear(matches) {
      const gone = held.filter(({ override }) => matches(override));
      together(() => {
        for (const { key } of gone) replica.write(key, undefined, clock.nowMs());
      });
      const all = await Promise.all(gone.map(({ key }) => options.settled(key, SHARE_WAIT_MS)));
      const sharing = all.find(({ shared }) => !shared) ?? all[0] ?? NOTHING_TO_SHARE;
      return { gone: gone.map(({ override }) => override), sharing };
    },
    adopt: (saved) =>
      together(() => {
        for (const override of saved) adopt(replica, override, clock.nowMs());
      }),
    close() {
      cancelTimer();
      for (const stop of stops) stop();
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

function inForce(replica: Replica, nowMs: number): readonly Held[] {
  return replica
    .list(KEY_PREFIX)
    .flatMap(({ key, stamp, value }) => {
      const override = readOverride(value ?? '');
      if (override === undefined || keyOf(override) !== key) return [];
      return isInForce(override, nowMs) ? [{ key, stamp, override }] : [];
    })
    .sort((a, b) => a.override.setAtMs - b.override.setAtMs || compareStamps(a.stamp, b.stamp));
}

function adopt(replica: Replica, override: Override, nowMs: number): void {
  if (!isInForce(override, nowMs)) return;
  // Just before it was said: where the word itself is known, with its stamp, nothing is new.
  const ms = Math.max(0, Math.min(Math.floor(override.setAtMs), nowMs) - 1);
  const stamp = formatStamp({
    kind: 'written',
    revision: 0,
    ms,
    counter: 0,
    node: 'saved',
    form: 0,
  });
  const { expiresAtMs } = override;
  // Refused when a later word is known: then that one counts.
  replica.write(keyOf(override), JSON.stringify(override), nowMs, { stamp, expiresAtMs });
}

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
