import { placeKey, WORKER_COUNTER } from '../balancer/counters.ts';
import {
  type BalancerCounts,
  balancerCounts,
  type Counted,
  type CountedPart,
  countedParts,
  LEVELS,
} from '../balancer/counts.ts';
import type { BalancerSnapshot } from '../balancer/snapshot.ts';

/**
 * What all balancer workers have counted, over snapshots and restarts: totals never go back. A worker
 * gets a new row with every snapshot; old rows are read a while longer, as the worker may still be
 * counting in them, and then folded into totals by name.
 */
export type BalancerTotals = {
  attach(worker: string, snapshot: BalancerSnapshot, row: SharedArrayBuffer): void;
  /** @param kinds only these; of the others there is nothing then */
  read(kinds?: Kinds): BalancerCounts;
};

const ROWS_KEPT_MAX = 3;
/** Servers, routes and such that are gone are told a while longer; of more the oldest are forgotten. */
export const GONE_MAX = 1000;

type Kept = { readonly parts: readonly CountedPart[]; readonly values: Float64Array };
type Totals = Map<string, Counted>;
export type Kinds = readonly CountedPart['kind'][];
const ALL: Kinds = ['worker', 'listener', 'route', 'upstream', 'server', 'latencies'];

export function createBalancerTotals(): BalancerTotals {
  const folded: Totals = new Map();
  const rows = new Map<string, Kept[]>();
  return {
    attach(worker, snapshot, row) {
      const kept = rows.get(worker) ?? [];
      kept.push({ parts: countedParts(snapshot), values: new Float64Array(row) });
      rows.set(worker, kept);
      while (kept.length > ROWS_KEPT_MAX) add(folded, kept.shift()!, ALL, false);
      forgetGone(folded, [...rows.values()].flat());
    },
    read(kinds = ALL) {
      const totals: Totals = new Map();
      for (const [key, counted] of folded) {
        if (!kinds.includes(counted.kind)) continue;
        totals.set(key, { ...counted, values: counted.values.slice() });
      }
      for (const kept of rows.values()) {
        const current = kept.findLastIndex(isTaken);
        for (const [index, each] of kept.entries()) add(totals, each, kinds, index === current);
      }
      return balancerCounts([...totals.values()]);
    },
  };
}

const isTaken = ({ values }: Kept): boolean => values[WORKER_COUNTER.taken] === 1;

/**
 * What an old row says is in flight is not, and a new one knows nothing of it before the worker has taken it: levels
 * are those of the row that the worker counts in.
 */
function add(into: Totals, { parts, values }: Kept, kinds: Kinds, isCurrent: boolean): void {
  for (const { base, kind, names, slots } of parts) {
    if (!kinds.includes(kind)) continue;
    const key = placeKey(kind, ...names);
    const total = into.get(key) ?? { kind, names, values: new Float64Array(slots) };
    into.set(key, total);
    const { values: sums } = total;
    const levels = LEVELS[kind];
    for (let slot = 0; slot < slots; slot++) {
      if (isCurrent || !levels.includes(slot)) sums[slot]! += values[base + slot]!;
    }
  }
}

/** Those of no row that is read; what was counted last comes last, for a total keeps its place. */
function forgetGone(folded: Totals, kept: readonly Kept[]): void {
  if (folded.size <= GONE_MAX) return;
  const present = new Set(
    kept.flatMap(({ parts }) => parts.map(({ kind, names }) => placeKey(kind, ...names))),
  );
  const gone = [...folded.keys()].filter((key) => !present.has(key));
  for (const key of gone.slice(0, Math.max(0, gone.length - GONE_MAX))) folded.delete(key);
}
