import { memory } from '../../src/store/memory.ts';
import type { Change, Store } from '../../src/store/store.ts';
import { createMovedClock, type MovedClock } from '../monitoring/moved-clock.ts';

/**
 * A store as the network gives it: every answer and every notice waits until the test lets it
 * through, or fails while the test says so. Another node writes to the same data behind its back.
 */
export type FlawedStore = {
  readonly store: Store;
  /** The same data without delay, as another node has them. */
  readonly other: Store;
  readonly clock: MovedClock;
  /** Operations fail from now on, or work again. */
  fail(isFailing: boolean): void;
  /** Operations and notices are held back from now on. */
  hold(): void;
  /** Lets everything through that is held back, in order, and what follows. */
  release(): void;
};

export async function createFlawedStore(): Promise<FlawedStore> {
  const clock = createMovedClock();
  const other = await memory.open({}, clock);
  let isFailing = false;
  let isHeld = false;
  let held: (() => void)[] = [];
  const passed = (): Promise<void> =>
    new Promise((resolve) => {
      if (isHeld) held.push(resolve);
      else resolve();
    });
  const act = async <Result>(operation: () => Promise<Result>): Promise<Result> => {
    await passed();
    if (isFailing) throw new Error('the store is away');
    const result = await operation();
    await passed();
    return result;
  };
  const store: Store = {
    get: (key) => act(() => other.get(key)),
    compareAndSet: (key, version, value) => act(() => other.compareAndSet(key, version, value)),
    list: (prefix) => act(() => other.list(prefix)),
    watch: (prefix, onChange) =>
      other.watch(prefix, (change: Change) => {
        void passed().then(() => onChange(change));
      }),
    lease: (key, value, ttlMs) => act(() => other.lease(key, value, ttlMs)),
    append: (log, value, limit) => act(() => other.append(log, value, limit)),
    read: (log, afterId, count) => act(() => other.read(log, afterId, count)),
    status: () => other.status(),
    onStatus: (listener) => other.onStatus(listener),
    nowMs: () => other.nowMs(),
    close: () => other.close(),
  };
  return {
    store,
    other,
    clock,
    fail(next) {
      isFailing = next;
    },
    hold() {
      isHeld = true;
    },
    release() {
      isHeld = false;
      const waiting = held;
      held = [];
      for (const resume of waiting) resume();
    },
  };
}
