import type { MonitoringClock } from './monitoring.ts';

/**
 * What is to be done when, for tens of thousands of things: a binary heap behind one timer of the
 * clock. A timer per thing would cost no more, but nobody would know how late this process runs, and
 * after a stall all of them would fire before a single answer is read that has come in meanwhile.
 * Here what is late is done in portions, with a look at the sockets in between, and lost time is
 * counted, so that a stall does not look like a timeout of everybody (docs/decisions/0013).
 */
export type Agenda = {
  /** Runs once at a time of the clock, or soon after; returns what cancels it. */
  at(atMs: number, run: () => void): () => void;
  /**
   * How long, in all, things came too late because this process did not run. The difference between
   * two readings is time that passed without anybody here looking.
   */
  lostMs(): number;
  close(): void;
};

/** Lateness that any busy process has; more counts as lost. */
export const LATENESS_USUAL_MS = 10;
/** Time that is spent on what is due before the process turns to its sockets again. */
export const PORTION_MS = 10;

type Entry = {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  place: number;
};

export function createAgenda(clock: MonitoringClock): Agenda {
  const heap: Entry[] = [];
  let order = 0;
  let lostMs = 0;
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let cancelWake = (): void => {};

  const wakeAt = (atMs: number): void => {
    cancelWake();
    wakeAtMs = atMs;
    cancelWake = clock.setTimer(Math.max(0, atMs - clock.nowMs()), wake);
  };
  const sleep = (): void => {
    cancelWake();
    cancelWake = () => {};
    wakeAtMs = Number.POSITIVE_INFINITY;
  };
  const wake = (): void => {
    const nowMs = clock.nowMs();
    const lateMs = nowMs - wakeAtMs;
    if (lateMs > LATENESS_USUAL_MS) lostMs += lateMs;
    // While this runs, what is put on the agenda sets no timer.
    wakeAtMs = Number.NEGATIVE_INFINITY;
    try {
      for (let [first] = heap; first !== undefined && first.atMs <= nowMs; [first] = heap) {
        if (clock.nowMs() - nowMs >= PORTION_MS) break;
        remove(heap, first);
        first.run();
      }
    } finally {
      const [first] = heap;
      if (first === undefined) sleep();
      // The rest of a portion is due now, and not late by the time that the portion took.
      else wakeAt(Math.max(first.atMs, clock.nowMs()));
    }
  };
  return {
    at(atMs, run) {
      order += 1;
      const entry: Entry = { atMs, order, run, place: -1 };
      insert(heap, entry);
      if (atMs < wakeAtMs) wakeAt(atMs);
      return () => {
        if (entry.place < 0) return;
        remove(heap, entry);
        if (heap.length === 0) sleep();
      };
    },
    lostMs: () => lostMs,
    close() {
      heap.length = 0;
      sleep();
    },
  };
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function put(heap: Entry[], entry: Entry, place: number): void {
  heap[place] = entry;
  entry.place = place;
}

function insert(heap: Entry[], entry: Entry): void {
  put(heap, entry, heap.length);
  rise(heap, entry);
}

function remove(heap: Entry[], entry: Entry): void {
  const { place } = entry;
  const last = heap.pop();
  entry.place = -1;
  if (last === undefined || last === entry) return;
  put(heap, last, place);
  rise(heap, last);
  sink(heap, last);
}

function rise(heap: Entry[], entry: Entry): void {
  while (entry.place > 0) {
    const parent = heap[(entry.place - 1) >> 1]!;
    if (isBefore(parent, entry)) return;
    const { place } = entry;
    put(heap, entry, parent.place);
    put(heap, parent, place);
  }
}

function sink(heap: Entry[], entry: Entry): void {
  for (;;) {
    const left = heap[2 * entry.place + 1];
    const right = heap[2 * entry.place + 2];
    const child = right !== undefined && isBefore(right, left!) ? right : left;
    if (child === undefined || isBefore(entry, child)) return;
    const { place } = entry;
    put(heap, entry, child.place);
    put(heap, child, place);
  }
}
