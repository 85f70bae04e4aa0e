import type { UpstreamServer } from '../balancer/upstream.ts';

/**
 * A server that drains: somebody said so, it has left the configuration, or it has no weight any more. It gets nothing new; what is
 * there may go on for the listener's drain time, and is then finished in order. One that is down is not drained:
 * whoever still hears it may.
 */
export function isDraining({ draining, index, upstream }: UpstreamServer): boolean {
  return draining || upstream === undefined || upstream.settings.servers[index]?.weight === 0;
}

/** When what drains is over; `NEVER` while it does not drain. */
export type Leaving = { leaveAtMs: number };
export const NEVER: number = Number.POSITIVE_INFINITY;

/** Starts the time when it begins to drain, forgets it when the drain is lifted. @returns whether the time is up */
export function isDrained(
  flow: Leaving,
  drains: boolean,
  drainTimeoutMs: number,
  nowMs: number,
): boolean {
  if (!drains) flow.leaveAtMs = NEVER;
  else if (flow.leaveAtMs === NEVER) flow.leaveAtMs = nowMs + drainTimeoutMs;
  return nowMs >= flow.leaveAtMs;
}
