/**
 * Round-trip times of clients as one region of one node sees them, put together by client network before they go
 * anywhere. Memory is bounded: of the networks beyond the bound the newest are not looked at.
 */

/** What is known of one network: how far it is from the region. */
export type RttRow = {
  /** network-key.ts */
  readonly network: number;
  /** The median of its connections' round-trip times, milliseconds. */
  readonly rttMs: number;
  /** Half of the connections are no farther from the median than this. */
  readonly deviationMs: number;
  /** Connections. */
  readonly count: number;
};

export type RttCollector = {
  /** @param rttMs of a connection: the least that the kernel has seen lately */
  add(network: number, rttMs: number, nowMs: number): void;
  /**
   * Networks with so many connections, and forgets them; those with fewer stay until they have enough, but not
   * longer than RTT_CARRIED_MS: who visits once a day is not told apart.
   */
  drain(countMin: number, nowMs: number): readonly RttRow[];
  /** Connections of networks for which there was no room. */
  readonly dropped: () => number;
};

/** Round-trip times kept of a network: beyond them every second, fourth… is. */
const SAMPLES_MAX = 16;
export const RTT_CARRIED_MS = 3_600_000;
/** Longer is no way to a client but a client that sleeps. */
export const RTT_MS_MAX = 4_000;

type Bin = { samples: number[]; stride: number; count: number; readonly sinceMs: number };

export function createRttCollector(networksMax: number): RttCollector {
  const bins = new Map<number, Bin>();
  let dropped = 0;
  return {
    dropped: () => dropped,
    add(network, rttMs, nowMs) {
      if (network < 0 || !(rttMs > 0) || rttMs > RTT_MS_MAX) return;
      let bin = bins.get(network);
      if (bin === undefined) {
        if (bins.size >= networksMax) {
          dropped += 1;
          return;
        }
        bin = { samples: [], stride: 1, count: 0, sinceMs: nowMs };
        bins.set(network, bin);
      }
      addSample(bin, rttMs);
    },
    drain(countMin, nowMs) {
      const rows: RttRow[] = [];
      for (const [network, { count, samples, sinceMs }] of bins) {
        if (count >= countMin) {
          rows.push({ network, ...spreadOf(samples), count });
          bins.delete(network);
        } else if (nowMs - sinceMs >= RTT_CARRIED_MS) bins.delete(network);
      }
      return rows;
    },
  };
}

/** Of many connections every so many-th: those of the whole time, whatever their number. */
function addSample(bin: Bin, rttMs: number): void {
  const isTaken = bin.count % bin.stride === 0;
  bin.count += 1;
  if (!isTaken) return;
  if (bin.samples.length < SAMPLES_MAX) {
    bin.samples.push(rttMs);
    return;
  }
  bin.samples = bin.samples.filter((_, index) => index % 2 === 0);
  bin.stride *= 2;
  bin.samples.push(rttMs);
}

function spreadOf(samples: readonly number[]): Pick<RttRow, 'rttMs' | 'deviationMs'> {
  const rttMs = median(samples);
  return { rttMs, deviationMs: median(samples.map((sample) => Math.abs(sample - rttMs))) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
