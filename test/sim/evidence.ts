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
  /** Vantage points that have had reason to say "down" since then. */
  accusers(endpoint: string, sinceMs: number): ReadonlySet<string>;
  size(): number;
};

type Seen = {
  isDown: boolean;
  failures: number;
  successesInARow: number;
  /** When it last had reason to say down; -1 = never. */
  downAtMs: number;
};

export function createEvidence({ monitor: { fall, rise } }: Pick<Plan, 'monitor'>): Evidence {
  /** By endpoint and vantage point. */
  const seen = new Map<string, Map<string, Seen>>();
  return {
    see({ name }, endpoint, ok, nowMs) {
      const byVantage = seen.get(endpoint) ?? new Map();
      seen.set(endpoint, byVantage);
      const before = byVantage.get(name) ?? {
        isDown: false,
        failures: 0,
        successesInARow: 0,
        downAtMs: -1,
      };
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
    accusers(endpoint, sinceMs) {
      const accusing = [...(seen.get(endpoint) ?? [])].filter(
        ([, { downAtMs }]) => downAtMs >= sinceMs,
      );
      return new Set(accusing.map(([vantage]) => vantage));
    },
    size: () => [...seen.values()].reduce((sum, { size }) => sum + size, 0),
  };
}
