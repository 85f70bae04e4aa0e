import { constants, getPriority, setPriority } from 'node:os';

/**
 * Steps of `nice`: beside another thread that computes, one that answers gets three quarters of a core, and gets it
 * at once. Health and the API are left the rest however much is asked.
 */
const AHEAD = -5;
const { PRIORITY_NORMAL } = constants.priority;

/**
 * Lets the thread that calls it go before others of this machine: what answers in microseconds should not wait until
 * a thread that computes for seconds has had its turn. Only where the process may (root, CAP_SYS_NICE, RLIMIT_NICE),
 * and on Linux, where a thread has a priority of its own; a process that is nice already stays so.
 * @returns whether it does now
 */
export function goFirst(): boolean {
  if (process.platform !== 'linux' || getPriority() !== PRIORITY_NORMAL) return false;
  try {
    setPriority(AHEAD);
    return true;
  } catch {
    // It is a favour, not a need.
    return false;
  }
}
