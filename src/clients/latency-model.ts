/**
 * What is believed of the way between client networks and regions: what was measured (latency-table.ts), and where
 * little was, what geography and the networks around say. Estimates shrink towards that prior: a region that was
 * measured twice is not yet known.
 *
 * Each source is the prior of the one that knows better: distance, then probes, then clients (their connections, and
 * their pages). A probe ends at a resolver or a beacon and never has the clients' last mile; what that is can be told
 * where a region has both. Where no region has both, only clients are believed.
 */

import {
  connectionsOf,
  createLatencyTable,
  deviationMs,
  type LatencyTable,
  measuredMs,
  observe,
  rowOf,
} from './latency-table.ts';
import { blockKey, isSite } from './network-key.ts';
import type { RttRow } from './rtt-collector.ts';
import { RTT_SOURCES, type RttSource } from './rtt-sketch.ts';

/** What geography says of a network, by region: milliseconds. */
export type Prior = {
  /** What is expected. */
  readonly expected: ArrayLike<number>;
  /** What it could be at best. */
  readonly floor: ArrayLike<number>;
};

export type LatencyModel = {
  readonly regions: number;
  /** Of each row the regions' cells of what clients say; behind them, if any, those of what probes say. */
  readonly table: LatencyTable;
  /** What ways to the networks of a block took, of what was expected: tenths stand for hundredths of it. */
  readonly blocks: LatencyTable;
  readonly priorOf: (network: number) => Prior;
};

export type LatencyModelOptions = {
  readonly regions: number;
  /** Whether there is room for what probes say. */
  readonly hasProbes: boolean;
  readonly networksMax: number;
  readonly memoryMs: number;
  readonly ageMaxMs: number;
  /** Geography: cheap to ask, for it is asked often. */
  readonly priorOf: LatencyModel['priorOf'];
};

/** What a prior is worth, in connections. */
const PRIOR_CONNECTIONS = 2;
/** What probes are worth at most, however many there were: one of them is worth a connection. */
export const PROBES_WORTH_MAX = 10;
const BLOCK_CONNECTIONS = 20;
/** Blocks for so many networks. */
const NETWORKS_PER_BLOCK = 8;
const BLOCKS_MIN = 1024;
/** An estimate from a prior alone may be off by so much of it. */
const PRIOR_DOUBT = 0.5;
/** Half the width of what a mean may be off by: of a median deviation, by the root of the connections. */
const DOUBT = 2;
const DOUBT_CONNECTIONS_MAX = 50;
const RATIO_SCALE = 10;
const RATIO_MAX = 50;

export function createLatencyModel({
  ageMaxMs,
  hasProbes,
  memoryMs,
  networksMax,
  priorOf,
  regions,
}: LatencyModelOptions): LatencyModel {
  const rest = { memoryMs, ageMaxMs };
  const cells = hasProbes ? 2 * regions : regions;
  const blocksMax = Math.max(BLOCKS_MIN, Math.ceil(networksMax / NETWORKS_PER_BLOCK));
  return {
    regions,
    table: createLatencyTable({ ...rest, cells, rowsMax: networksMax }),
    blocks: createLatencyTable({ ...rest, cells: regions, rowsMax: blocksMax }),
    priorOf,
  };
}

/**
 * Takes in what a region has measured of a network. Returns its row; -1 = there is no room, as there is none for
 * probes where nobody is to be probed.
 */
export function learn(
  model: LatencyModel,
  region: number,
  source: RttSource,
  measured: RttRow,
  nowMs: number,
): number {
  const { blocks, priorOf, regions, table } = model;
  const isProbe = source === 'probes';
  if (isProbe && !hasProbes(model)) return -1;
  const row = observe(table, isProbe ? regions + region : region, measured, nowMs);
  if (row >= 0) table.sources[row]! |= 1 << RTT_SOURCES.indexOf(source);
  // A probe tells of one machine, and without a last mile; clients of a site are anywhere: nothing of those around.
  if (isProbe || isSite(measured.network)) return row;
  const expected = priorOf(measured.network).expected[region]!;
  const ratio = Math.min(RATIO_MAX, measured.rttMs / expected);
  const block = { ...measured, network: blockKey(measured.network) };
  observe(blocks, region, { ...block, rttMs: ratio * RATIO_SCALE, deviationMs: 0 }, nowMs);
  return row;
}

const hasProbes = ({ regions, table }: LatencyModel): boolean => table.cells > regions;

/** By region; filled anew by `estimate`. */
export type Estimate = {
  /** Milliseconds. */
  readonly ms: Float64Array;
  /** What it may be off by, either way. */
  readonly doubtMs: Float64Array;
  /** Measured connections, and probes, that it rests on; below 1 = as good as none. */
  readonly connections: Float64Array;
  /** Connections alone. */
  readonly clients: Float64Array;
  /** What it could be at best, where nothing was measured. */
  readonly floorMs: Float64Array;
};

export function createEstimate(regions: number): Estimate {
  const column = (): Float64Array => new Float64Array(regions);
  return {
    ...{ ms: column(), doubtMs: column() },
    ...{ connections: column(), clients: column(), floorMs: column() },
  };
}

/** What is believed of a network. @param row of it; -1 = nothing was measured */
export function estimate(
  model: LatencyModel,
  network: number,
  row: number,
  nowMs: number,
  into: Estimate,
): void {
  const { blocks, priorOf, regions, table } = model;
  const { expected, floor } = priorOf(network);
  const block = isSite(network) ? -1 : rowOf(blocks, blockKey(network));
  const lastMileMs = row < 0 ? Number.NaN : lastMile(model, row, nowMs);
  for (let region = 0; region < regions; region += 1) {
    const far = expected[region]! * factorOf(blocks, block, region, nowMs);
    const probes = Number.isNaN(lastMileMs) ? 0 : probesOf(model, row, region, nowMs);
    const probed = probes === 0 ? 0 : measuredMs(table, row, regions + region) + lastMileMs;
    const prior = (probes * probed + PRIOR_CONNECTIONS * far) / (probes + PRIOR_CONNECTIONS);
    const count = row < 0 ? 0 : connectionsOf(table, row, region, nowMs);
    const measured = row < 0 ? 0 : measuredMs(table, row, region);
    into.clients[region] = count;
    into.connections[region] = count + probes;
    into.ms[region] = (count * measured + PRIOR_CONNECTIONS * prior) / (count + PRIOR_CONNECTIONS);
    into.doubtMs[region] =
      count >= 1
        ? doubtOf(deviationMs(table, row, region), count)
        : probes >= 1
          ? doubtOf(deviationMs(table, row, regions + region), probes)
          : prior * PRIOR_DOUBT;
    into.floorMs[region] = Math.min(prior, floor[region]!);
  }
}

const doubtOf = (deviation: number, count: number): number =>
  (DOUBT * deviation) / Math.sqrt(Math.min(count, DOUBT_CONNECTIONS_MAX));

/** Connections that the probes of a cell are worth. */
function probesOf(model: LatencyModel, row: number, region: number, nowMs: number): number {
  if (!hasProbes(model)) return 0;
  const count = connectionsOf(model.table, row, model.regions + region, nowMs);
  return Math.min(PROBES_WORTH_MAX, count);
}

/**
 * What clients of a network have farther than where its probes end, milliseconds: the mean of what the two differ by
 * in regions that have both. 0 = nothing is known of clients; NaN = probes and clients cannot be compared.
 */
function lastMile(model: LatencyModel, row: number, nowMs: number): number {
  if (!hasProbes(model)) return Number.NaN;
  const { regions, table } = model;
  let [sum, both, seen] = [0, 0, 0];
  for (let region = 0; region < regions; region += 1) {
    if (connectionsOf(table, row, region, nowMs) < 1) continue;
    seen += 1;
    if (probesOf(model, row, region, nowMs) < 1) continue;
    sum += measuredMs(table, row, region) - measuredMs(table, row, regions + region);
    both += 1;
  }
  if (seen === 0) return 0;
  return both === 0 ? Number.NaN : Math.max(0, sum / both);
}

/** How the ways to the networks around compare with what was expected of them. */
function factorOf(blocks: LatencyTable, block: number, region: number, nowMs: number): number {
  if (block < 0) return 1;
  const count = connectionsOf(blocks, block, region, nowMs);
  if (count < 1) return 1;
  const ratio = measuredMs(blocks, block, region) / RATIO_SCALE;
  return ratio ** (count / (count + BLOCK_CONNECTIONS));
}
