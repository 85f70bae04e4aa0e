import type { Change, Resync, Store, StoreStatus } from '../../src/store/store.ts';

/** What a watcher of a store was told, and waiting for it. */
export type Watching = {
  readonly changes: readonly Change[];
  readonly resyncs: readonly Resync[];
  readonly stop: () => void;
  /** Resolves with the changes when there are `count` of them; rejects when they don't come. */
  count(count: number): Promise<readonly Change[]>;
  /** Resolves when there were `count` resyncs. */
  resynced(count: number): Promise<void>;
};

/** How long anything may take that is expected to happen. */
const PATIENCE_MS = 6000;

export function watching(store: Store, prefix: string): Watching {
  const changes: Change[] = [];
  const resyncs: Resync[] = [];
  const stop = store.watch(
    prefix,
    (change) => changes.push(change),
    (resync) => resyncs.push(resync),
  );
  return {
    changes,
    resyncs,
    stop,
    async count(count) {
      await until(
        () => changes.length >= count,
        () => `${changes.length} of ${count} changes: ${JSON.stringify(changes)}`,
      );
      return [...changes];
    },
    resynced: (count) =>
      until(
        () => resyncs.length >= count,
        () => `${resyncs.length} of ${count} resyncs`,
      ),
  };
}

/** States as they follow each other. */
export function statesOf(store: Store): StoreStatus[] {
  const states: StoreStatus[] = [];
  store.onStatus((status) => states.push(status));
  return states;
}

export function untilState(store: Store, state: StoreStatus['state']): Promise<void> {
  return until(
    () => store.status().state === state,
    () => `still ${JSON.stringify(store.status())}, not ${state}`,
  );
}

/** Resolves soon after the condition holds. */
export async function until(
  holds: () => boolean,
  complaint: () => string = () => 'it did not happen',
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(complaint());
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
