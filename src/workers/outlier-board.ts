import type { Outlier } from '../balancer/standing.ts';

/** What balancer workers hold against servers just now; each judges by its own requests. */
export type OutlierBoard = {
  /** The worker serves these upstreams from now on. */
  serve(worker: string, upstreams: readonly string[]): void;
  tell(worker: string, outliers: readonly Outlier[]): void;
  /** The worker is gone, and what it knew with it. */
  forget(worker: string): void;
  read(): readonly ServerOutlier[];
};

/** Of the worker that holds most against it: out before less weight, then for longest. */
export type ServerOutlier = Outlier & {
  /** How many hold something against it, of those that serve its upstream. */
  readonly workers: number;
  readonly workersTotal: number;
};

export function createOutlierBoard(): OutlierBoard {
  const served = new Map<string, readonly string[]>();
  const told = new Map<string, readonly Outlier[]>();
  const servingWorkers = (upstream: string): number =>
    [...served.values()].filter((upstreams) => upstreams.includes(upstream)).length;
  return {
    serve: (worker, upstreams) => void served.set(worker, upstreams),
    tell: (worker, outliers) => void told.set(worker, outliers),
    forget(worker) {
      served.delete(worker);
      told.delete(worker);
    },
    read() {
      const byServer = Map.groupBy([...told.values()].flat(), ({ server, upstream }) =>
        JSON.stringify([upstream, server]),
      );
      return [...byServer.values()].map((words) => {
        const worst = words.reduce((most, each) => (isWorse(each, most) ? each : most));
        const workersTotal = servingWorkers(worst.upstream);
        return { ...worst, workers: words.length, workersTotal };
      });
    },
  };
}

function isWorse(a: Outlier, b: Outlier): boolean {
  return a.level === b.level ? a.untilMs > b.untilMs : a.level === 'ejected';
}
