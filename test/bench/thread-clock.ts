/**
 * CPU time of this thread to the nanosecond. What Node tells of it (threadCpuUsage) advances with the kernel's
 * tick of 4 ms; CLOCK_THREAD_CPUTIME_ID does not.
 */
import { createRequire } from 'node:module';

const CLOCK_THREAD_CPUTIME_ID = 3;

type Ffi = {
  dlopen(
    path: string | null,
    signatures: Record<string, { arguments: string[]; return: string }>,
  ): { functions: Record<string, (...parameters: readonly unknown[]) => number> };
  getRawPointer(buffer: BigInt64Array): bigint;
};

/** Microseconds since the thread began. */
export function openThreadClock(): () => number {
  const ffi = createRequire(import.meta.url)('node:ffi') as Ffi;
  const { functions } = ffi.dlopen(null, {
    clock_gettime: { arguments: ['i32', 'pointer'], return: 'i32' },
  });
  const time = new BigInt64Array(2);
  const pointer = ffi.getRawPointer(time);
  return () => {
    functions['clock_gettime']!(CLOCK_THREAD_CPUTIME_ID, pointer);
    return Number(time[0]) * 1e6 + Number(time[1]) / 1000;
  };
}
