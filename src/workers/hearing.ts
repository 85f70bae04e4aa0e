import type { Thread } from './thread.ts';

/**
 * Who waits until workers have heard all that was said to them so far. A worker handles what it is told in order, so one
 * mark behind it is enough; who dies has heard enough, for its successor begins with everything.
 */
export type Hearing = {
  /** Settles when each of them has heard. */
  all(threads: readonly Thread[]): Promise<unknown>;
  /** The worker has come to this mark. */
  heard(worker: string, mark: number): void;
  gone(worker: string): void;
};

export function createHearing(): Hearing {
  const waiting = new Set<{ worker: string; mark: number; settle: () => void }>();
  let last = 0;
  const settleUntil = (worker: string, mark: number): void => {
    for (const each of waiting) {
      if (each.worker !== worker || each.mark > mark) continue;
      waiting.delete(each);
      each.settle();
    }
  };
  const one = (thread: Thread): Promise<void> =>
    new Promise((settle) => {
      const mark = ++last;
      waiting.add({ worker: thread.name, mark, settle });
      thread.post({ type: 'mark', mark });
    });
  return {
    all: (threads) => Promise.all(threads.filter((thread) => thread.state() !== 'dead').map(one)),
    heard: settleUntil,
    gone: (worker) => settleUntil(worker, last),
  };
}
