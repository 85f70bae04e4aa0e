/**
 * A clock that stands still until it is moved. `advance` runs what is due on the way, in order, and
 * lets promises settle after every timer, so that code between timers sees the time it was due at.
 */
export type MovedClock = {
  nowMs(): number;
  setTimer(ms: number, run: () => void): () => void;
  advance(ms: number): Promise<void>;
  /** Moves the time without running any timer on the way, as a stopped process would see it. */
  leap(ms: number): void;
  /** Timers that are set. */
  pending(): number;
};

/** @param settled lets promises settle after a timer; by default whatever they wait for is not far */
export function createMovedClock(startMs = 1_000_000, settled = settle): MovedClock {
  const timers = createTimerHeap();
  let nowMs = startMs;
  let order = 0;
  return {
    nowMs: () => nowMs,
    setTimer(ms, run) {
      order += 1;
      return timers.add({ atMs: nowMs + Math.max(0, ms), order, run });
    },
    async advance(ms) {
      const endMs = nowMs + ms;
      await settled();
      for (let timer = timers.takeUntil(endMs); timer; timer = timers.takeUntil(endMs)) {
        nowMs = Math.max(nowMs, timer.atMs);
        timer.run();
        await settled();
      }
      nowMs = endMs;
    },
    leap(ms) {
      nowMs += ms;
    },
    pending: timers.size,
  };
}

type Timer = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** The earliest timer is on top; of those at one instant the one that was set first. */
function createTimerHeap() {
  const heap: Timer[] = [];
  const live = new Set<Timer>();
  const isBefore = (a: Timer, b: Timer): boolean =>
    a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  const rise = (from: number): void => {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) return;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  };
  const sink = (): void => {
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
      if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  };
  const pop = (): Timer => {
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      sink();
    }
    return top;
  };
  return {
    size: () => live.size,
    add(timer: Timer): () => void {
      live.add(timer);
      heap.push(timer);
      rise(heap.length - 1);
      return () => live.delete(timer);
    },
    /** Takes the earliest timer that is due by then; undefined when there is none. */
    takeUntil(limitMs: number): Timer | undefined {
      while (heap.length > 0 && heap[0]!.atMs <= limitMs) {
        const timer = pop();
        // Cancelled ones stay in the heap until their time.
        if (live.delete(timer)) return timer;
      }
      return undefined;
    },
  };
}

/**
 * For code that waits for promises only, never for input or output: ten times as fast. What a chain of
 * promises longer than this leaves undone is done at the next timer, in every run alike.
 */
export function promiseSettler(): () => Promise<void> {
  let count = 0;
  return async () => {
    count += 1;
    // Others in this process want to live too; counted, so that a run is told again by its seed.
    if (count % SETTLED_PER_LOOP === 0) await settle();
    for (let turn = 0; turn < PROMISE_TURNS; turn += 1) await undefined;
  };
}
const PROMISE_TURNS = 12;
const SETTLED_PER_LOOP = 1000;

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
