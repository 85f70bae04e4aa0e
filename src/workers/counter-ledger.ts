import { COUNT_ANSWERS } from '../nameserver/counters.ts';
import type { SharedGroup } from '../nameserver/share-tallies.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { readTallies, type Tallies, talliesOf } from '../nameserver/tallies.ts';
import { SLOTS } from '../steering/slots.ts';
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
  /** What the rows of the newest snapshot say of shares (nameserver/share-tallies.ts). */
  shares(): ShareCounts;
};

export type ShareCounts = {
  /** Counts of another one begin anew. */
  readonly snapshot: Pick<Snapshot, 'endpoints' | 'maps'> | undefined;
  readonly groups: readonly {
    readonly group: SharedGroup;
    /** Queries, by class and by slot of clients. */
    readonly classes: Float64Array;
    readonly slots: Float64Array;
  }[];
};

/** Rows of a worker that are still read one by one; the worker writes only to the newest or two. */
const ROWS_KEPT_MAX = 3;

type Attached = {
  readonly row: CounterRow;
  readonly snapshot: Pick<Snapshot, 'endpoints' | 'maps'> | undefined;
  readonly endpoints: readonly string[];
  readonly tallies: Tallies | undefined;
};

export function createCounterLedger(): CounterLedger {
  const rows = new Map<string, Attached[]>();
  const foldedSlots = new Float64Array(COUNT_ANSWERS);
  let newest: ShareCounts['snapshot'];
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
      kept.push({ row, snapshot, endpoints, tallies: snapshot && talliesOf(snapshot) });
      if (snapshot !== undefined) newest = snapshot;
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
    shares() {
      const attached = [...rows.values()].flat().filter(({ snapshot }) => snapshot === newest);
      const groups = attached[0]?.tallies?.shares.groups ?? [];
      return { snapshot: newest, groups: groups.map((group) => sharesIn(attached, group)) };
    },
  };
}

function sharesIn(attached: readonly Attached[], group: SharedGroup) {
  const { classes: count, slot } = group;
  const [classes, slots] = [new Float64Array(count), new Float64Array(SLOTS)];
  for (const { row } of attached) {
    for (let at = 0; at < count; at += 1) classes[at]! += row[slot + at] ?? 0;
    for (let at = 0; at < SLOTS; at += 1) slots[at]! += row[slot + count + at] ?? 0;
  }
  return { group, classes, slots };
}

/** Classes come and go with every latency map: the oldest are worth nothing any more. */
function forgetTallies(folded: Map<string, unknown>): void {
  for (const key of folded.keys()) {
    if (folded.size <= FOLDED_TALLIES_MAX) return;
    folded.delete(key);
  }
}

const FOLDED_TALLIES_MAX = 100_000;
