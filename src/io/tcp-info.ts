import { openSyscalls, type Syscalls } from './syscall.ts';

/** What the kernel knows of TCP connections that node has opened, by their descriptors. */

let calls: Syscalls | undefined | null = null;

/** The least round-trip time to the peer that was seen, milliseconds; 0 = not known. */
export function roundTripMs(fd: number): number {
  if (fd < 0) return 0;
  if (calls === null) {
    const opened = openSyscalls();
    calls = opened.ok ? opened.calls : undefined;
  }
  return (calls?.roundTripMicros(fd) ?? 0) / 1000;
}
