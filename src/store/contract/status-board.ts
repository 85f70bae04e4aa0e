import type { StoreStatus } from '../store.ts';

/** The state of a store and who wants to hear of it. Listeners hear of another state, not of details. */
export type StatusBoard = {
  current(): StoreStatus;
  set(status: StoreStatus): void;
  listen(listener: (status: StoreStatus) => void): () => void;
  close(): void;
};

export function createStatusBoard(initial: StoreStatus): StatusBoard {
  const listeners = new Set<(status: StoreStatus) => void>();
  let current = initial;
  return {
    current: () => current,
    set(status) {
      const isOther = status.state !== current.state;
      current = status;
      if (isOther) for (const listener of listeners) listener(status);
    },
    listen(listener) {
      // Another function each time, so that one listener can be there twice.
      const mine = (status: StoreStatus): void => listener(status);
      listeners.add(mine);
      return () => listeners.delete(mine);
    },
    close: () => listeners.clear(),
  };
}
