import type { Plan, PlannedVantage } from './plan.ts';

/**
 * What vantage points may say of endpoints, worked out beside the core from nothing but the probes that
 * they sent: nobody may be judged down without enough failure domains that have reason to say so.
 */
export type Evidence = {
  /** A probe of the endpoint came to its end. */
  see(vantage: PlannedVantage, endpoint: string, ok: boolean, nowMs: number): void;
  /** The vantage point has forgotten all that it saw. */
  forget(vantage: string): void;
  /** What it saw from then on it saw with broken eyes, and knows it. */
  discount(vantage: string, sinceMs: number): void;
  /**
   * Vantage points that have had reason to say "down" since then.
   * @param hasPast what has been taken back may be remembered elsewhere
   */
  accusers(endpoint: string, sinceMs: number, hasPast: boolean): ReadonlySet<string>;
  size(): number;
};

type Seen = {
  isDown: boolean;
  failures: number;
  successesInARow: number;
  /** When it began to have reason to say down. */
  downSinceMs: number;
  /** When it last had reason to say down; -1 = never. */
  downAtMs: number;
  /** The same of what it has taken back since. */
  saidAtMs: number;
};

const NOTHING: Seen = {
  isDown: false,
  failures: 0,
  successesInARow: 0,
  downSinceMs: -1,
  downAtMs: -1,
  saidAtMs: -1,
};

export function createEvidence({ monitor: { fall, rise } }: Pick<Plan, 'monitor'>): Evidence {
  /** By endpoint and vantage point. */
  const seen = new Map<string, Map<string, Seen>>();
  return {
    see({ name }, endpoint, ok, nowMs) {
      const byVantage = seen.get(endpoint) ?? new Map();
      seen.set(endpoint, byVantage);
      const before = byVantage.get(name) ?? { ...NOTHING };
      byVantage.set(name, before);
      // While it says down it does so until it has seen otherwise.
      if (before.isDown) before.downAtMs = nowMs;
      before.successesInARow = ok ? before.successesInARow + 1 : 0;
      if (!ok) before.failures += 1;
      if (before.successesInARow >= rise) {
        before.isDown = false;
        before.failures = 0;
      }
      if (before.failures >= fall) {
        if (!before.isDown) before.downSinceMs = nowMs;
        before.isDown = true;
        before.downAtMs = nowMs;
      }
    },
    forget(vantage) {
      for (const byVantage of seen.values()) {
        const before = byVantage.get(vantage);
        if (before === undefined) continue;
        // What it said before may be remembered elsewhere for a while.
        byVantage.set(vantage, { ...before, isDown: false, failures: 0, successesInARow: 0 });
      }
    },
    discount(vantage, sinceMs) {
      for (const byVantage of seen.values()) {
        const before = byVantage.get(vantage);
        if (before === undefined || (before.isDown && before.downSinceMs < sinceMs)) continue;
        byVantage.set(vantage, {
          ...NOTHING,
          saidAtMs: Math.max(before.saidAtMs, before.downAtMs),
        });
      }
    },
    accusers(endpoint, sinceMs, hasPast) {
      const accusing = [...(seen.get(endpoint) ?? [])].filter(
        ([, { downAtMs, saidAtMs }]) => downAtMs >= sinceMs || (hasPast && saidAtMs >= sinceMs),
      );
      return new Set(accusing.map(([vantage]) => vantage));
    },
    size: () => [...seen.values()].reduce((sum, { size }) => sum + size, 0),
  };
}
