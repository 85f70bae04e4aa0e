/**
 * Counters that cost one addition: each worker owns one row of a shared Float64Array (single
 * writer), the main thread adds the rows up when somebody asks (workers/counter-ledger.ts). Doubles
 * count exactly to 2^53.
 */
export type CounterRow = Float64Array<SharedArrayBuffer>;

export function createCounterRow(slots: number): CounterRow {
  return new Float64Array(new SharedArrayBuffer(slots * Float64Array.BYTES_PER_ELEMENT));
}
