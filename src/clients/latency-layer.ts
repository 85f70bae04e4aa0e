/**
 * A latency map as steering reads it: laid over the places of the geo data when class maps are built, and looked up
 * by `explain`. Structured-cloneable; the large parts lie on shared memory.
 */
import type { Address } from '../ip/address.ts';
import { decidingAddress } from '../ip/range-search.ts';
import { buildRanges, type Ranges } from '../ip/ranges.ts';
import { codeWay, decodeWay, type LatencyMap, WAYS_TOLD } from './latency-map.ts';
import { beginAt, networkKey, networkOfKey } from './network-key.ts';
import { RTT_SOURCES, type RttSource } from './rtt-sketch.ts';

export type LatencyLayer = {
  readonly generation: number;
  readonly madeAtMs: number;
  /** Names of regions, best first. */
  readonly orders: readonly (readonly string[])[];
  /** By order: what the first places are away from those who have it, milliseconds, on average, as far as they are known. */
  readonly orderWaysMs: readonly (readonly number[])[];
  /** The values are numbers of orders plus 1; 0 = the map says nothing, and geography holds. */
  readonly ranges: Ranges;
  /** Ascending. */
  readonly networks: Float64Array;
  /** By network: the number of its order, and coded ways of its first places. */
  readonly orderOf: Uint32Array;
  readonly ways: Uint8Array;
  /** By network: who has measured it, a bit for each of RTT_SOURCES. */
  readonly sources: Uint8Array;
};

export function layerOfMap({
  generation,
  madeAtMs,
  orders,
  regions,
  rows,
}: LatencyMap): LatencyLayer {
  const sorted = rows.toSorted((a, b) => a.network - b.network);
  const networks = new Float64Array(shared(sorted.length * Float64Array.BYTES_PER_ELEMENT));
  const orderOf = new Uint32Array(shared(sorted.length * Uint32Array.BYTES_PER_ELEMENT));
  const ways = new Uint8Array(shared(sorted.length * WAYS_TOLD));
  const sources = new Uint8Array(shared(sorted.length));
  const numbers = new Map<string, number>();
  const names: (readonly string[])[] = [];
  for (const [index, { network, order, sources: told, waysMs }] of sorted.entries()) {
    // Those who would lose more by another region are told from those who would lose less.
    const key = `${order} ${lossStep(waysMs)}`;
    const number = numbers.get(key) ?? names.length;
    if (number === names.length) {
      numbers.set(key, number);
      names.push(orders[order]!.map((region) => regions[region]!));
    }
    sources[index] = told;
    networks[index] = network;
    orderOf[index] = number;
    for (let place = 0; place < WAYS_TOLD; place += 1) {
      ways[index * WAYS_TOLD + place] = codeWay(waysMs[place] ?? 0);
    }
  }
  const ranges = rangesOf(networks, orderOf);
  const orderWaysMs = meanWays(names.length, sorted, orderOf);
  return {
    generation,
    madeAtMs,
    orders: names,
    orderWaysMs,
    ranges,
    networks,
    orderOf,
    ways,
    sources,
  };
}

/** In which of these steps the second region is farther than the first; ways of 0 are not known. */
export function lossStep([first = 0, second = 0]: readonly number[]): number {
  if (first === 0 || second === 0) return -1;
  const loss = second - first;
  return LOSS_STEPS_MS.filter((step) => loss >= step).length;
}

const LOSS_STEPS_MS = [3, 8, 15, 30, 60, 100];

function meanWays(
  orders: number,
  rows: LatencyMap['rows'],
  orderOf: Uint32Array,
): readonly (readonly number[])[] {
  const sums = Array.from({ length: orders }, () => new Float64Array(WAYS_TOLD));
  const counts = Array.from({ length: orders }, () => new Uint32Array(WAYS_TOLD));
  for (const [index, { waysMs }] of rows.entries()) {
    const order = orderOf[index]!;
    for (let place = 0; place < WAYS_TOLD; place += 1) {
      const way = waysMs[place] ?? 0;
      sums[order]![place]! += way;
      if (way > 0) counts[order]![place]! += 1;
    }
  }
  return sums.map((sum, order) =>
    Array.from(sum, (each, place) => each / Math.max(1, counts[order]![place]!)).filter(
      (way) => way > 0,
    ),
  );
}

/**
 * A map whose orders tell ways: networks that are ordered alike and are not equally far away are told apart. For
 * reports, which look at how close regions are; steering has more classes to make of it, and the same in the end.
 */
export function layerWithWays(map: LatencyMap): LatencyLayer {
  const numbers = new Map<string, number>();
  const orders: (readonly number[])[] = [];
  const rows = map.rows.map((row) => {
    const key = `${row.order} ${row.waysMs.join(' ')}`;
    const number = numbers.get(key) ?? orders.length;
    if (number === orders.length) {
      numbers.set(key, number);
      orders.push(map.orders[row.order]!);
    }
    return { ...row, order: number };
  });
  return layerOfMap({ ...map, orders, rows });
}

const shared = (octets: number): SharedArrayBuffer => new SharedArrayBuffer(octets);

/** Networks are in the order of their addresses, so one pass does. */
function rangesOf(networks: Float64Array, orderOf: Uint32Array): Ranges {
  const builder = buildRanges(networks.length, networks.length);
  for (const [index, network] of networks.entries()) {
    const value = orderOf[index]! + 1;
    const { address, length } = networkOfKey(network);
    beginAt(builder, address, value);
    beginAt(builder, endOf(address, length), 0);
  }
  return builder.finish();
}

/** The first address behind a network; undefined at the end of the address space. */
function endOf({ bytes, family }: Address, length: number): Address | undefined {
  const end = Uint8Array.from(bytes);
  for (let at = length / 8 - 1; at >= 0; at -= 1) {
    end[at] = (end[at]! + 1) & 0xff;
    if (end[at] !== 0) return { family, bytes: end };
  }
  return undefined;
}

/** What the map says of one client: regions, best first, what the first of them are believed to be away, and who says so. */
export type ClientLatency = {
  readonly order: readonly string[];
  readonly waysMs: readonly number[];
  readonly measuredBy: readonly RttSource[];
};

/** Undefined = nothing. */
export function latencyOf(
  { networks, orderOf, orders, sources, ways }: LatencyLayer,
  address: Address,
): ClientLatency | undefined {
  const network = networkKey(decidingAddress(address));
  let [low, high] = [0, networks.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (networks[middle]! < network) low = middle + 1;
    else high = middle;
  }
  if (networks[low] !== network) return undefined;
  const coded = Array.from(ways.subarray(low * WAYS_TOLD, (low + 1) * WAYS_TOLD));
  return {
    order: orders[orderOf[low]!]!,
    waysMs: coded.map(decodeWay).filter((ms) => ms > 0),
    measuredBy: RTT_SOURCES.filter((_, bit) => (sources[low]! & (1 << bit)) !== 0),
  };
}
