import { COUNT_ANSWERS } from '../nameserver/counters.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { readTallies, type Tallies, talliesOf } from '../nameserver/tallies.ts';
import type { CounterRow } from '../telemetry/counters.ts';

/**
 * Adds up the counter rows of all DNS workers, over snapshots and restarts: totals never go back.
 * A row's answer slots mean the endpoints of the snapshot that it was made for, so a worker gets a
 * new row with every snapshot. Old rows are kept a while, as a worker may still be counting in them,
 * and then folded into totals by name.
 */
export type CounterLedger = {
  /** @param snapshot undefined = the row has the fixed slots alone */
  attach(
    worker: string,
    row: CounterRow,
    snapshot: Pick<Snapshot, 'endpoints' | 'maps'> | undefined,
  ): void;
  /** By fixed slot (nameserver/counters.ts). */
  total(slot: number): number;
  /** Answers by endpoint name. */
  answers(): ReadonlyMap<string, number>;
  /** Queries by class of a plan (nameserver/tallies.ts) and the region that they were answered with. */
  tallies(): ReadonlyMap<string, ReadonlyMap<string, number>>;
};

/** Rows of a worker that are still read one by one; the worker writes only to the newest or two. */
const ROWS_KEPT_MAX = 3;

type Attached = {
  readonly row: CounterRow;
  readonly endpoints: readonly string[];
  readonly tallies: Tallies | undefined;
};

export function createCounterLedger(): CounterLedger {
  const rows = new Map<string, Attached[]>();
  const foldedSlots = new Float64Array(COUNT_ANSWERS);
  const foldedAnswers = new Map<string, number>();
  const foldedTallies = new Map<string, Map<string, number>>();

  const addAnswers = (into: Map<string, number>, { row, endpoints }: Attached): void => {
    for (const [index, name] of endpoints.entries()) {
      into.set(name, (into.get(name) ?? 0) + (row[COUNT_ANSWERS + index] ?? 0));
    }
  };
  const fold = (attached: Attached): void => {
    for (let slot = 0; slot < COUNT_ANSWERS; slot += 1)
      foldedSlots[slot]! += attached.row[slot] ?? 0;
    addAnswers(foldedAnswers, attached);
    if (attached.tallies !== undefined) {
      readTallies(attached.tallies, attached.row, foldedTallies);
      forgetTallies(foldedTallies);
    }
  };
  return {
    attach(worker, row, snapshot) {
      const kept = rows.get(worker) ?? [];
      const endpoints = snapshot?.endpoints.map(({ name }) => name) ?? [];
      kept.push({ row, endpoints, tallies: snapshot && talliesOf(snapshot) });
      while (kept.length > ROWS_KEPT_MAX) fold(kept.shift()!);
      rows.set(worker, kept);
    },
    total(slot) {
      let sum = foldedSlots[slot] ?? 0;
      for (const kept of rows.values()) for (const { row } of kept) sum += row[slot] ?? 0;
      return sum;
    },
    answers() {
      const totals = new Map(foldedAnswers);
      for (const kept of rows.values()) for (const attached of kept) addAnswers(totals, attached);
      return totals;
    },
    tallies() {
      const totals = new Map([...foldedTallies].map(([key, counts]) => [key, new Map(counts)]));
      for (const kept of rows.values()) {
        for (const { row, tallies } of kept) if (tallies) readTallies(tallies, row, totals);
      }
      return totals;
    },
  };
}

/** Classes come and go with every latency map: the oldest are worth nothing any more. */
function forgetTallies(folded: Map<string, unknown>): void {
  for (const key of folded.keys()) {
    if (folded.size <= FOLDED_TALLIES_MAX) return;
    folded.delete(key);
  }
}

const FOLDED_TALLIES_MAX = 100_000;
