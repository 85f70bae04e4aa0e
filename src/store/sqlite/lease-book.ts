import type { Lease } from './database.ts';

/**
 * When leases run out, by this process's own steady clock: a lease lasts from when this process first
 * saw it, or its renewal, here. No deadline is stored, since the clocks of two processes may differ
 * when somebody set the machine's clock between their starts; and after a restart everybody has one
 * more period to renew.
 */
export type LeaseBook = {
  /** All leases there are, as read just now. */
  see(leases: readonly Lease[], nowMs: number): void;
  /** Those that ran out, the earliest first. */
  due(nowMs: number): readonly Lease[];
  isAnyDue(nowMs: number): boolean;
};

export function createLeaseBook(): LeaseBook {
  let held = new Map<string, { readonly lease: Lease; readonly deadlineMs: number }>();
  let nextMs = Number.POSITIVE_INFINITY;
  return {
    see(leases, nowMs) {
      const next: typeof held = new Map();
      nextMs = Number.POSITIVE_INFINITY;
      for (const lease of leases) {
        const before = held.get(lease.key);
        const isSame = before?.lease.stamp === lease.stamp;
        const deadlineMs = isSame ? before.deadlineMs : nowMs + lease.ttlMs;
        next.set(lease.key, { lease, deadlineMs });
        nextMs = Math.min(nextMs, deadlineMs);
      }
      held = next;
    },
    due: (nowMs) =>
      [...held.values()].filter(({ deadlineMs }) => deadlineMs <= nowMs).map(({ lease }) => lease),
    isAnyDue: (nowMs) => nextMs <= nowMs,
  };
}
