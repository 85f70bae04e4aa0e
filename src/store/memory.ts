import { z } from 'zod';
import { compareKeys, keyProblem, valueProblem } from './contract/limits.ts';
import type { Change, Entry, LogEntry, Store, StoreClock, StoreKind } from './store.ts';

/** Keeps everything in this process: for one node, for tests, and as the model of the contract. */
export const memory: StoreKind<Record<string, never>> = {
  kind: 'memory',
  summary: 'in this process; forgotten when it ends',
  options: z.strictObject({}),
  open: (_options, clock) => Promise.resolve(openMemory(clock)),
};

type Held = { readonly entry: Entry; readonly cancelLease: (() => void) | undefined };
type Watcher = { readonly prefix: string; readonly onChange: (change: Change) => void };

function openMemory(clock: StoreClock): Store {
  const held = new Map<string, Held>();
  const watchers = new Set<Watcher>();
  const log = openLogs(clock);
  // One counter for all keys: a key that was deleted never sees a version again.
  let version = 0;
  let closed = false;

  const announce = (change: Change): void => {
    for (const watcher of watchers) {
      if (!change.key.startsWith(watcher.prefix)) continue;
      // Later, in order, and never to a watcher that has been stopped meanwhile.
      queueMicrotask(() => {
        if (watchers.has(watcher)) watcher.onChange(change);
      });
    }
  };
  const put = (key: string, value: string | undefined, cancelLease?: () => void): number => {
    held.get(key)?.cancelLease?.();
    version += 1;
    if (value === undefined) held.delete(key);
    else held.set(key, { entry: { key, value, version }, cancelLease });
    announce({ key, value, version });
    return version;
  };
  const whenOpen = <Result>(operation: () => Result): Promise<Result> =>
    closed ? Promise.reject(new Error('the store is closed')) : Promise.resolve(operation());
  const whenFit = <Result>(
    key: string,
    value: string | undefined,
    operation: () => Result,
  ): Promise<Result> => {
    const problem = keyProblem(key) ?? valueProblem(key, value);
    return problem === undefined ? whenOpen(operation) : Promise.reject(new Error(problem));
  };

  return {
    get: (key) => whenFit(key, undefined, () => held.get(key)?.entry),
    compareAndSet: (key, expectedVersion, value) =>
      whenFit(key, value, () => {
        const current = held.get(key)?.entry.version ?? 0;
        if (current !== expectedVersion) return { ok: false, version: current };
        if (value === undefined && current === 0) return { ok: true, version: 0 };
        const next = put(key, value);
        return { ok: true, version: value === undefined ? 0 : next };
      }),
    list: (prefix) =>
      whenOpen(() =>
        [...held.values()]
          .map(({ entry }) => entry)
          .filter(({ key }) => key.startsWith(prefix))
          .toSorted((a, b) => compareKeys(a.key, b.key)),
      ),
    watch: (prefix, onChange) => {
      const watcher = { prefix, onChange };
      if (!closed) watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    lease: (key, value, ttlMs) =>
      whenFit(key, value, () => {
        const cancelLease = clock.setTimer(ttlMs, () => put(key, undefined));
        const current = held.get(key);
        if (current?.cancelLease === undefined || current.entry.value !== value) {
          put(key, value, cancelLease);
          return;
        }
        // A renewal is not news: the version stays and watchers hear nothing.
        current.cancelLease();
        held.set(key, { entry: current.entry, cancelLease });
      }),
    append: (name, value, limit) => whenFit(name, value, () => log.append(name, value, limit)),
    read: (name, afterId, count) => whenFit(name, undefined, () => log.read(name, afterId, count)),
    status: () => ({ state: 'ready' }),
    onStatus: () => () => {},
    nowMs: () => clock.nowMs(),
    close: () => {
      closed = true;
      watchers.clear();
      for (const { cancelLease } of held.values()) cancelLease?.();
      held.clear();
      return Promise.resolve();
    },
  };
}

type Logs = {
  append(name: string, value: string, limit: number): string;
  read(name: string, afterId: string, count: number): readonly LogEntry[];
};

/** Ids are numbers that only grow, so that an id whose entry was dropped still marks a place. */
function openLogs(clock: StoreClock): Logs {
  const logs = new Map<string, LogEntry[]>();
  let lastId = 0;
  return {
    append(name, value, limit) {
      lastId += 1;
      const entry = { id: String(lastId), atMs: clock.nowMs(), value };
      const entries = logs.get(name) ?? [];
      entries.push(entry);
      if (entries.length > limit) entries.splice(0, entries.length - limit);
      logs.set(name, entries);
      return entry.id;
    },
    read(name, afterId, count) {
      const entries = logs.get(name) ?? [];
      // An id that is none of ours is before all.
      const after = Number(afterId) || 0;
      const from = entries.findIndex((entry) => Number(entry.id) > after);
      return from < 0 ? [] : entries.slice(from, from + count);
    },
  };
}
