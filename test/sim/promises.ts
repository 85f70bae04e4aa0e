import type { Plan, PlannedPool } from './plan.ts';
import { type Violation, wrong } from './violation.ts';

/**
 * A TTL is a promise: by the rules of steering no change can come sooner. What an answer promised is
 * kept here until an endpoint of it is judged down.
 *
 * The core counts from the last probe, tells TTLs only when they moved by a quarter, and lets re-checks
 * vary by a quarter of their pace: so much is granted.
 */
export type Promises = {
  /** An answer that a node gave. */
  give(
    node: string,
    pool: PlannedPool,
    regions: readonly string[],
    ttlSeconds: number,
    nowMs: number,
  ): void;
  /** What is wrong with a node's judging an endpoint down now. @param sinceMs earlier answers do not count */
  brokenBy(node: string, endpoint: string, sinceMs: number, nowMs: number): Violation | undefined;
  size(): number;
};

const FACTOR = 1.25 * 1.34;
const MARGIN_MS = 2000;

export function createPromises({ monitor }: Pick<Plan, 'monitor'>): Promises {
  const last = new Map<string, { readonly atMs: number; readonly ttlSeconds: number }>();
  const grantedMs = monitor.intervalMs * 1.1 + MARGIN_MS;
  return {
    give(node, pool, regions, ttlSeconds, nowMs) {
      for (const region of regions) {
        const key = `${node} ${pool.name}/${region}`;
        if (ttlSeconds <= pool.ttl.min) last.delete(key);
        else last.set(key, { atMs: nowMs, ttlSeconds });
      }
    },
    brokenBy(node, endpoint, sinceMs, nowMs) {
      const promise = last.get(`${node} ${endpoint}`);
      if (promise === undefined || promise.atMs < sinceMs) return undefined;
      const leastMs = promise.atMs + (promise.ttlSeconds * 1000) / FACTOR - grantedMs;
      if (nowMs >= leastMs) return undefined;
      const agoMs = nowMs - promise.atMs;
      const what = `${endpoint} is down on ${node}, which answered it ${agoMs} ms ago for ${promise.ttlSeconds} s`;
      return wrong('no flip before the TTL', what);
    },
    size: () => last.size,
  };
}
