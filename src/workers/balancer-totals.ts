import { type ListenerCounts, readCounters, type ServerCounts } from '../balancer/counters.ts';
import type { BalancerSnapshot } from '../balancer/snapshot.ts';

/**
 * Counts of servers and listeners of all balancer workers over snapshots and restarts: totals never go back. A worker
 * gets a new row with every snapshot; old rows are read a while longer, as the worker may still be
 * counting in them, and then folded into totals by name.
 */
export type BalancerTotals = {
  attach(worker: string, snapshot: BalancerSnapshot, row: SharedArrayBuffer): void;
  read(): readonly ServerCounts[];
  readListeners(): readonly ListenerCounts[];
};

const ROWS_KEPT_MAX = 3;

type Kept = { readonly snapshot: BalancerSnapshot; readonly row: SharedArrayBuffer };

export function createBalancerTotals(): BalancerTotals {
  const folded = new Map<string, ServerCounts>();
  const foldedListeners = new Map<string, ListenerCounts>();
  const rows = new Map<string, Kept[]>();
  return {
    attach(worker, snapshot, row) {
      const kept = rows.get(worker) ?? [];
      kept.push({ snapshot, row });
      while (kept.length > ROWS_KEPT_MAX) {
        const old = kept.shift()!;
        add(folded, old, false);
        addListeners(foldedListeners, old, false);
      }
      rows.set(worker, kept);
    },
    read() {
      const totals = new Map(folded);
      for (const kept of rows.values()) {
        for (const [index, each] of kept.entries()) add(totals, each, index === kept.length - 1);
      }
      return [...totals.values()];
    },
    readListeners() {
      const totals = new Map(foldedListeners);
      for (const kept of rows.values()) {
        for (const [index, each] of kept.entries()) {
          addListeners(totals, each, index === kept.length - 1);
        }
      }
      return [...totals.values()];
    },
  };
}

/** What an old row says is in flight is not: only the newest row of a worker counts as active. */
function add(into: Map<string, ServerCounts>, { snapshot, row }: Kept, isNewest: boolean): void {
  for (const counts of readCounters(snapshot, row).servers) {
    const key = JSON.stringify([counts.upstream, counts.server]);
    const before = into.get(key);
    into.set(key, {
      ...counts,
      active: (isNewest ? counts.active : 0) + (before?.active ?? 0),
      ejected: (isNewest ? counts.ejected : 0) + (before?.ejected ?? 0),
      ejections: counts.ejections + (before?.ejections ?? 0),
      requests: counts.requests + (before?.requests ?? 0),
      failures: counts.failures + (before?.failures ?? 0),
      connections: counts.connections + (before?.connections ?? 0),
      retries: counts.retries + (before?.retries ?? 0),
      bytesIn: counts.bytesIn + (before?.bytesIn ?? 0),
      bytesOut: counts.bytesOut + (before?.bytesOut ?? 0),
    });
  }
}

function addListeners(
  into: Map<string, ListenerCounts>,
  { snapshot, row }: Kept,
  isNewest: boolean,
): void {
  for (const counts of readCounters(snapshot, row).listeners) {
    const before = into.get(counts.listener);
    const sum = (key: SummedKey): number => counts[key] + (before?.[key] ?? 0);
    into.set(counts.listener, {
      listener: counts.listener,
      connections: sum('connections'),
      connectionsActive:
        (isNewest ? counts.connectionsActive : 0) + (before?.connectionsActive ?? 0),
      requests: sum('requests'),
      statusClasses: counts.statusClasses.map(
        (count, index) => count + (before?.statusClasses[index] ?? 0),
      ),
      bytesIn: sum('bytesIn'),
      bytesOut: sum('bytesOut'),
      mirrored: sum('mirrored'),
      mirrorsDropped: sum('mirrorsDropped'),
      connectFailures: sum('connectFailures'),
      dropped: sum('dropped'),
    });
  }
}

type SummedKey = Exclude<keyof ListenerCounts, 'listener' | 'statusClasses' | 'connectionsActive'>;
