/**
 * What is believed of the way between client networks and regions: what was measured (latency-table.ts), and where
 * little was, what geography and the networks around say. Estimates shrink towards that prior: a region that was
 * measured twice is not yet known.
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
import { blockKey } from './network-key.ts';
import type { RttRow } from './rtt-collector.ts';

/** What geography says of a network, by region: milliseconds. */
export type Prior = {
  /** What is expected. */
  readonly expected: ArrayLike<number>;
  /** What it could be at best. */
  readonly floor: ArrayLike<number>;
};

export type LatencyModel = {
  readonly table: LatencyTable;
  /** What ways to the networks of a block took, of what was expected: tenths stand for hundredths of it. */
  readonly blocks: LatencyTable;
  readonly priorOf: (network: number) => Prior;
};

export type LatencyModelOptions = {
  readonly regions: number;
  readonly networksMax: number;
  readonly memoryMs: number;
  readonly ageMaxMs: number;
  /** Geography: cheap to ask, for it is asked often. */
  readonly priorOf: LatencyModel['priorOf'];
};

/** What a prior is worth, in connections. */
const PRIOR_CONNECTIONS = 2;
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
  memoryMs,
  networksMax,
  priorOf,
  regions,
}: LatencyModelOptions): LatencyModel {
  const rest = { regions, memoryMs, ageMaxMs };
  const blocksMax = Math.max(BLOCKS_MIN, Math.ceil(networksMax / NETWORKS_PER_BLOCK));
  return {
    table: createLatencyTable({ ...rest, rowsMax: networksMax }),
    blocks: createLatencyTable({ ...rest, rowsMax: blocksMax }),
    priorOf,
  };
}

/** Takes in what a region has measured of a network. Returns its row; -1 = there is no room. */
export function learn(
  { blocks, priorOf, table }: LatencyModel,
  region: number,
  measured: RttRow,
  nowMs: number,
): number {
  const row = observe(table, region, measured, nowMs);
  const expected = priorOf(measured.network).expected[region]!;
  const ratio = Math.min(RATIO_MAX, measured.rttMs / expected);
  const block = { ...measured, network: blockKey(measured.network) };
  observe(blocks, region, { ...block, rttMs: ratio * RATIO_SCALE, deviationMs: 0 }, nowMs);
  return row;
}

/** By region; filled anew by `estimate`. */
export type Estimate = {
  /** Milliseconds. */
  readonly ms: Float64Array;
  /** What it may be off by, either way. */
  readonly doubtMs: Float64Array;
  /** Measured connections that it rests on; below 1 = as good as none. */
  readonly connections: Float64Array;
  /** What it could be at best, where nothing was measured. */
  readonly floorMs: Float64Array;
};

export function createEstimate(regions: number): Estimate {
  const column = (): Float64Array => new Float64Array(regions);
  return { ms: column(), doubtMs: column(), connections: column(), floorMs: column() };
}

/** What is believed of a network. @param row of it; -1 = nothing was measured */
export function estimate(
  { blocks, priorOf, table }: LatencyModel,
  network: number,
  row: number,
  nowMs: number,
  into: Estimate,
): void {
  const { expected, floor } = priorOf(network);
  const block = rowOf(blocks, blockKey(network));
  for (let region = 0; region < table.regions; region += 1) {
    const prior = expected[region]! * factorOf(blocks, block, region, nowMs);
    const count = row < 0 ? 0 : connectionsOf(table, row, region, nowMs);
    const measured = row < 0 ? 0 : measuredMs(table, row, region);
    into.connections[region] = count;
    into.ms[region] = (count * measured + PRIOR_CONNECTIONS * prior) / (count + PRIOR_CONNECTIONS);
    into.doubtMs[region] =
      count < 1
        ? prior * PRIOR_DOUBT
        : (DOUBT * deviationMs(table, row, region)) /
          Math.sqrt(Math.min(count, DOUBT_CONNECTIONS_MAX));
    into.floorMs[region] = Math.min(prior, floor[region]!);
  }
}

/** How the ways to the networks around compare with what was expected of them. */
function factorOf(blocks: LatencyTable, block: number, region: number, nowMs: number): number {
  if (block < 0) return 1;
  const count = connectionsOf(blocks, block, region, nowMs);
  if (count < 1) return 1;
  const ratio = measuredMs(blocks, block, region) / RATIO_SCALE;
  return ratio ** (count / (count + BLOCK_CONNECTIONS));
}
