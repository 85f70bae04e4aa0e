import { release } from 'node:os';
import { openRingCalls } from '../../src/io/ring-calls.ts';

/** Linux 6.1 has all that our rings use (IORING_SETUP_DEFER_TASKRUN was the last of it). */
const KERNEL_MIN = 6.01;
/** struct io_uring_params. */
const PARAMETER_BYTES = 120;

/**
 * Whether this machine lets us have a ring. The smallest one that there is says so, and not `probeRing`: a ring of ours
 * that is broken has to fail its tests, and not to switch them off.
 */
export function isRingThere(): boolean {
  const opened = openRingCalls();
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (!opened.ok || major + minor / 100 < KERNEL_MIN) return false;
  try {
    opened.calls.close(opened.calls.setup(1, new Uint8Array(PARAMETER_BYTES)));
    return true;
  } catch {
    return false;
  }
}
