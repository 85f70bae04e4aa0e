/**
 * Who waits to hear that a word has got beyond this node. Everybody gets an answer in time, also when
 * it is "not yet".
 */
export type Sharing = {
  readonly shared: boolean;
  /** Who has it, or why nobody is known to. */
  readonly detail: string;
};

export type ShareWaiters = {
  /** @param late what is said when the time is over */
  wait(key: string, stamp: string, timeoutMs: number, late: () => string): Promise<Sharing>;
  /** Somebody has the last word of the key. */
  shared(key: string, detail: string): void;
  /** Somebody has the words that the test accepts. */
  reached(detail: string, isReached: (key: string, stamp: string) => boolean): void;
  /** Nobody will have any for now. */
  giveUp(detail: string): void;
};

type Waiter = {
  readonly key: string;
  readonly stamp: string;
  readonly settle: (sharing: Sharing) => void;
};

export function createShareWaiters(clock: {
  setTimer(ms: number, run: () => void): () => void;
}): ShareWaiters {
  const waiters = new Set<Waiter>();
  const settleWhere = (isMeant: (waiter: Waiter) => boolean, sharing: Sharing): void => {
    for (const waiter of [...waiters]) if (isMeant(waiter)) waiter.settle(sharing);
  };
  return {
    wait: (key, stamp, timeoutMs, late) =>
      new Promise((resolve) => {
        const settle = (sharing: Sharing): void => {
          cancel();
          waiters.delete(waiter);
          resolve(sharing);
        };
        const waiter = { key, stamp, settle };
        const cancel = clock.setTimer(timeoutMs, () => settle({ shared: false, detail: late() }));
        waiters.add(waiter);
      }),
    shared: (key, detail) => settleWhere((waiter) => waiter.key === key, { shared: true, detail }),
    reached: (detail, isReached) =>
      settleWhere(({ key, stamp }) => isReached(key, stamp), { shared: true, detail }),
    giveUp: (detail) => settleWhere(() => true, { shared: false, detail }),
  };
}
