import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import {
  createNodeTable,
  type NodeInfo,
  type NodeRow,
  type NodeTable,
  readNodeInfo,
} from './node-table.ts';

/**
 * Who is in the cluster and how far along: every node keeps a lease in the store with a few words about
 * itself, and tells them to its peers. What is known of the others comes from either.
 */
export type Registry = {
  /** Nodes by name, this one among them. */
  list(): readonly NodeRow[];
  /** What this node says of itself, as JSON. */
  describe(): string;
  /** A peer says this of itself; anything else is left aside. */
  heard(name: string, text: string): NodeInfo | undefined;
  /** Says so at once when something about this node has changed. */
  renew(): void;
  close(): Promise<void>;
};

export type RegistryOptions = {
  readonly name: string;
  readonly store: Store;
  /** The cluster's time. */
  readonly clock: { nowMs(): number; setTimer(ms: number, run: () => void): () => void };
  /** What this node says of itself now. */
  self(): NodeInfo;
  /** Tells it without the store. */
  introduce?(): void;
  readonly log: Pick<Log, 'warn'>;
};

export const NODES_PREFIX = 'nodes/';
export const NODE_LEASE_MS = 15_000;
const RENEW_MS = 5000;

export function createRegistry(options: RegistryOptions): Registry {
  const { clock, name, store } = options;
  const table: NodeTable = createNodeTable();
  let closed = false;
  let cancelTimer = (): void => {};
  let isDoubled = false;

  let hasSpoken = false;
  const take = (key: string, value: string | undefined): void => {
    const other = key.slice(NODES_PREFIX.length);
    const info = value === undefined ? undefined : readNodeInfo(value);
    if (other !== name) {
      if (info) table.leased(other, info, clock.nowMs());
      else if (value === undefined) table.ended(other);
      return;
    }
    if (info && info.incarnation !== options.self().incarnation) doubled(info);
  };
  /**
   * A life of this name that began after ours is not what we have left behind; nor is what stands there
   * before we have put our own words in its place (a clock that was set back numbers lives lower).
   */
  const doubled = ({ incarnation }: NodeInfo): void => {
    if (isDoubled || !hasSpoken || incarnation < options.self().incarnation) return;
    isDoubled = true;
    options.log.warn(
      'cluster.double-name',
      `Another node is called ${name} too: give each its own node.name, or their words overrule each other.`,
    );
  };
  const describe = (): string => JSON.stringify(options.self());
  const beat = async (): Promise<void> => {
    cancelTimer();
    cancelTimer = clock.setTimer(RENEW_MS, () => void beat());
    try {
      // Without the time of day: a lease that says the same again is no news to anybody.
      const words = JSON.stringify({ ...options.self(), wallMs: 0 });
      await store.lease(NODES_PREFIX + name, words, NODE_LEASE_MS);
      hasSpoken = true;
      const entries = await store.list(NODES_PREFIX);
      if (closed) return;
      for (const { key, value } of entries) take(key, value);
      const present = new Set(entries.map(({ key }) => key.slice(NODES_PREFIX.length)));
      for (const other of table.leasedNames()) if (!present.has(other)) table.ended(other);
    } catch {
      // The store is away, and others say so. Whoever was leased is silent from now on.
    }
  };
  const unwatch = store.watch(
    NODES_PREFIX,
    ({ key, value }) => take(key, value),
    () => void beat(),
  );
  void beat();

  return {
    list: () => table.rows({ name, info: options.self() }, clock.nowMs()),
    describe,
    heard(other, text) {
      const info = readNodeInfo(text);
      if (info && other !== name) table.heard(other, info, clock.nowMs());
      return info;
    },
    renew() {
      void beat();
      options.introduce?.();
    },
    async close() {
      closed = true;
      cancelTimer();
      unwatch();
      // So that the others need not wait for the lease to run out.
      try {
        const entry = await store.get(NODES_PREFIX + name);
        const isOurs =
          entry && readNodeInfo(entry.value)?.incarnation === options.self().incarnation;
        if (isOurs) await store.compareAndSet(entry.key, entry.version, undefined);
      } catch {
        // The lease runs out by itself.
      }
    },
  };
}
