import type { MonitoringClock } from '../../src/monitoring/monitoring.ts';
import { memory } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';

/** The store that the nodes of a scenario share: it can go away, be slow, come back, and lose everything. */
export function createGatedStore(clock: MonitoringClock) {
  let inner = memory.open({}, clock);
  let isAway = false;
  let delayMs = 0;
  /** When the last notice arrives: none overtakes another. */
  let noticeAtMs = 0;
  const notify = (give: () => void): void => {
    const nowMs = clock.nowMs();
    noticeAtMs = Math.max(noticeAtMs, nowMs + delayMs);
    if (noticeAtMs <= nowMs) give();
    else clock.setTimer(noticeAtMs - nowMs, give);
  };
  const watchers = new Set<() => Promise<void>>();
  const act = async <Result>(operation: (store: Store) => Promise<Result>): Promise<Result> => {
    if (delayMs > 0) await new Promise<void>((resolve) => clock.setTimer(delayMs, resolve));
    if (isAway) throw new Error('the store is away');
    const store = await inner;
    return operation(store);
  };
  const store: Store = {
    get: (key) => act((each) => each.get(key)),
    compareAndSet: (key, version, value) => act((each) => each.compareAndSet(key, version, value)),
    list: (prefix) => act((each) => each.list(prefix)),
    watch(prefix, onChange, onResync) {
      let stop = (): void => {};
      const begin = async (): Promise<void> => {
        stop();
        stop = (await inner).watch(prefix, (change) => {
          notify(() => {
            if (!isAway) onChange(change);
          });
        });
        if (isAway) return;
        for (const entry of await (await inner).list(prefix)) onChange(entry);
        onResync?.({ hasLosses: false });
      };
      watchers.add(begin);
      void begin();
      return () => {
        watchers.delete(begin);
        stop();
      };
    },
    lease: (key, value, ttlMs) => act((each) => each.lease(key, value, ttlMs)),
    append: (log, value, limit) => act((each) => each.append(log, value, limit)),
    read: (log, afterId, count) => act((each) => each.read(log, afterId, count)),
    status: () => (isAway ? { state: 'away', reason: 'the scenario says so' } : { state: 'ready' }),
    onStatus: () => () => {},
    nowMs: () => (isAway ? null : clock.nowMs()),
    close: () => Promise.resolve(),
  };
  return {
    store,
    /** What it holds of facts now. */
    async backup(): Promise<ReadonlyMap<string, string>> {
      const entries = await (await inner).list('facts/');
      return new Map(entries.map(({ key, value }) => [key, value]));
    },
    /** It holds of facts what it held then, and nothing else. */
    async restore(backup: ReadonlyMap<string, string>): Promise<void> {
      const each = await inner;
      const put = async (key: string, value: string | undefined): Promise<void> => {
        await each.compareAndSet(key, (await each.get(key))?.version ?? 0, value);
      };
      for (const { key } of await each.list('facts/')) {
        if (!backup.has(key)) await put(key, undefined);
      }
      for (const [key, value] of backup) await put(key, value);
    },
    /** From now on, everything takes so long. */
    slow(byMs: number): void {
      delayMs = byMs;
    },
    async set(state: 'away' | 'back' | 'emptied'): Promise<void> {
      isAway = state === 'away';
      if (state === 'emptied') inner = memory.open({}, clock);
      if (!isAway) for (const begin of watchers) await begin();
    },
  };
}
