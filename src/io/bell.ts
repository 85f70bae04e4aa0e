import { readSync, writeSync } from 'node:fs';
import type { Syscalls } from './syscall.ts';

/**
 * Wakes a thread that waits in the kernel: whoever has left it a message rings. The counter tells a thread that is
 * awake, at the price of one load; the descriptor (eventfd) one that sleeps.
 */
export type Bell = {
  /** Shared: how often it was rung, and whether the thread should not sleep any more. */
  readonly rings: Int32Array;
  readonly fd: number;
};

export type OwnedBell = {
  /** What other threads are given of it. */
  readonly bell: Bell;
  close(): void;
};

const RINGS = 0;
const OVER = 1;
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

/** Those of this process: when it ends, threads that sleep have to end before it. */
const open = new Set<Bell>();

export function hangBell(syscalls: Pick<Syscalls, 'close' | 'eventCounter'>): OwnedBell {
  const rings = new Int32Array(new SharedArrayBuffer(8));
  const bell = { rings, fd: syscalls.eventCounter() };
  if (open.size === 0) process.on('exit', ringAll);
  open.add(bell);
  return {
    bell,
    close() {
      if (!open.delete(bell)) return;
      if (open.size === 0) process.off('exit', ringAll);
      syscalls.close(bell.fd);
    },
  };
}

function ringAll(): void {
  for (const bell of open) {
    Atomics.store(bell.rings, OVER, 1);
    ring(bell);
  }
}

/** From any thread. */
export function ring({ fd, rings }: Bell): void {
  Atomics.add(rings, RINGS, 1);
  try {
    writeSync(fd, ONE);
  } catch {
    // It was rung so often that it cannot count on: the thread is awake.
  }
}

/** How often it was rung. */
export const heard = ({ rings }: Bell): number => Atomics.load(rings, RINGS);

/** The process ends. */
export const isOver = ({ rings }: Bell): boolean => Atomics.load(rings, OVER) !== 0;

/** Makes the descriptor silent until the next ring. */
export function hush({ fd }: Bell): void {
  try {
    readSync(fd, new Uint8Array(8));
  } catch {
    // Another wait has heard it.
  }
}
