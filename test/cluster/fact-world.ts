import { createHash } from 'node:crypto';
import { type Facts, type FactsOptions, openFacts } from '../../src/cluster/facts.ts';
import {
  createOverrides,
  type Overrides,
  type OverridesChange,
} from '../../src/control/overrides.ts';
import type { Override } from '../../src/health/override.ts';
import { memory } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { createMovedClock, type MovedClock, settle } from '../monitoring/moved-clock.ts';

/**
 * Several nodes with durable facts on one clock and one store, each with its own cable to the store and
 * with peers that can be made to talk. What a store loses, the test takes out of it.
 */
export type FactWorld = {
  readonly clock: MovedClock;
  /** The store itself, as nobody's cable shows it. */
  readonly store: Store;
  node(name: string, options?: NodeOptions): Promise<FactNode>;
  /** Lets everything in flight arrive. */
  settle(): Promise<void>;
  /** The store forgets everything. */
  empty(): Promise<void>;
  backup(): Promise<ReadonlyMap<string, string>>;
  /** The store holds what it held when the backup was made, and nothing else. */
  restore(backup: ReadonlyMap<string, string>): Promise<void>;
  /** Two nodes tell each other what they hold, until nothing is new. */
  gossip(a: FactNode, b: FactNode): void;
  close(): Promise<void>;
};

export type NodeOptions = Partial<Pick<FactsOptions, 'directory' | 'keyTexts' | 'hasPeers'>> & {
  /** How far this machine's clock is off. */
  readonly skewMs?: number;
  /** The store has no clock that this node can read. */
  readonly isClockless?: boolean;
  readonly isCut?: boolean;
};

export type FactNode = {
  readonly name: string;
  readonly facts: Facts;
  readonly overrides: Overrides;
  readonly changes: readonly OverridesChange[];
  readonly log: readonly string[];
  /** Cuts the cable to the store, or mends it. */
  cut(isCut: boolean): void;
  /** Calls to the store wait from now on, or no more. */
  hold(isHeld: boolean): void;
  targets(): readonly string[];
  close(): Promise<void>;
};

export const KEY_A = 'first cluster key, long enough to be one';
export const KEY_B = 'second cluster key, long enough to be one';

export async function createFactWorld(startMs = 1_790_000_000_000): Promise<FactWorld> {
  const clock = createMovedClock(startMs);
  const store = await memory.open({}, clock);
  const nodes: FactNode[] = [];
  const settleAll = async (): Promise<void> => {
    for (let round = 0; round < 12; round += 1) await settle();
  };
  const put = async (key: string, value: string | undefined): Promise<void> => {
    const version = (await store.get(key))?.version ?? 0;
    await store.compareAndSet(key, version, value);
  };
  const world: FactWorld = {
    clock,
    store,
    async node(name, options = {}) {
      const made = createNode(name, clock, store, options);
      nodes.push(made);
      await made.facts.ready;
      await settleAll();
      return made;
    },
    settle: settleAll,
    async empty() {
      for (const { key } of await store.list('facts/')) await put(key, undefined);
    },
    async backup() {
      return new Map((await store.list('facts/')).map(({ key, value }) => [key, value]));
    },
    async restore(backup) {
      for (const { key } of await store.list('facts/'))
        if (!backup.has(key)) await put(key, undefined);
      for (const [key, value] of backup) await put(key, value);
    },
    gossip(a, b) {
      for (let round = 0; round < 4; round += 1) {
        tell(a, b);
        tell(b, a);
      }
    },
    async close() {
      for (const each of nodes) await each.close();
      await store.close();
    },
  };
  return world;
}

/** `to` says what it holds, and `from` answers with what it lacks. */
function tell(from: FactNode, to: FactNode): void {
  const { gossip } = to.facts;
  for (const record of from.facts.gossip.missing(gossip.digest(), to.name)) gossip.hear(record);
}

function createNode(
  name: string,
  clock: MovedClock,
  shared: Store,
  options: NodeOptions,
): FactNode {
  const cable = createCable(shared, options);
  cable.cut(options.isCut ?? false);
  const own = {
    nowMs: () => clock.nowMs() + (options.skewMs ?? 0),
    setTimer: clock.setTimer,
  };
  const log: string[] = [];
  const changes: OverridesChange[] = [];
  let drawn = 0;
  const facts = openFacts({
    node: name,
    directory: options.directory,
    store: cable.store,
    keyTexts: options.keyTexts ?? [KEY_A],
    clock: own,
    draw: () => 0.5,
    drawBytes(count) {
      drawn += 1;
      return createHash('sha256').update(`${name} ${drawn}`).digest().subarray(0, count);
    },
    hasPeers: options.hasPeers ?? (() => false),
    log: { info: (event) => log.push(event), warn: (event) => log.push(event) },
  });
  const overrides = createOverrides({ ...facts, onChange: (change) => changes.push(change) });
  return {
    name,
    facts,
    overrides,
    changes,
    log,
    cut: cable.cut,
    hold: cable.hold,
    targets: () => overrides.current().map(({ target }) => target.name),
    async close() {
      overrides.close();
      await facts.close();
    },
  };
}

function createCable(shared: Store, { isClockless }: NodeOptions) {
  let isCut = false;
  let isHeld = false;
  let held: (() => void)[] = [];
  const pass = (): Promise<void> =>
    isHeld ? new Promise((resolve) => held.push(resolve)) : Promise.resolve();
  const act = async <Result>(operation: () => Promise<Result>): Promise<Result> => {
    await pass();
    if (isCut) throw new Error('no route to the store');
    return operation();
  };
  const store: Store = {
    ...shared,
    get: (key) => act(() => shared.get(key)),
    compareAndSet: (key, version, value) => act(() => shared.compareAndSet(key, version, value)),
    list: (prefix) => act(() => shared.list(prefix)),
    watch: (prefix, onChange) =>
      shared.watch(prefix, (change) => {
        if (!isCut) void pass().then(() => onChange(change));
      }),
    lease: (key, value, ttlMs) => act(() => shared.lease(key, value, ttlMs)),
    append: (log, value, limit) => act(() => shared.append(log, value, limit)),
    read: (log, afterId, count) => act(() => shared.read(log, afterId, count)),
    nowMs: () => (isClockless || isCut ? null : shared.nowMs()),
  };
  return {
    store,
    cut(next: boolean) {
      isCut = next;
    },
    hold(next: boolean) {
      isHeld = next;
      const waiting = held;
      held = [];
      for (const resume of waiting) resume();
    },
  };
}

/** A drain of a region, set by `node` at its time. */
export function drain(node: FactNode, name: string, more: Partial<Override> = {}): Override {
  const target = { kind: 'region', name } as const;
  const setAtMs = node.facts.clock.nowMs();
  return { target, action: 'drain', reason: '', by: node.name, setAtMs, ...more };
}
