/**
 * What a nameserver tells of those who asked it within a window, as it travels through the store: JSON, Brotli. It comes
 * from other nodes: whatever is wrong with it, it is refused.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { z } from 'zod';
import { SLOTS } from '../steering/slots.ts';

export type DemandReport = {
  readonly node: string;
  readonly seconds: number;
  /** By class, queries a second that were answered with each region. */
  readonly queries: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Of pools whose clients are shared out by weight. */
  readonly shares: readonly ToldShares[];
};

export type ToldShares = {
  readonly pool: string;
  /** By name of an endpoint, what its policies would give it, 0..1. */
  readonly targets: ReadonlyMap<string, number>;
  /** Queries a second by slot of clients; SLOTS of them. */
  readonly slots: readonly number[];
};

/** Classes that are told of at most, those that ask most. */
export const REPORT_CLASSES_MAX = 2_000;
/** Pools likewise. */
export const REPORT_POOLS_MAX = 200;
const UNPACKED_MAX = 4 * 2 ** 20;
const TEXT_MAX = 2_000;
const QUALITY = 4;
/** A thousandth of a query in a second is told, and no less. */
const PRECISION = 1_000;

const name = z.string().min(1).max(TEXT_MAX);
const rate = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const reportSchema = z.strictObject({
  node: name,
  seconds: z.number().positive(),
  queries: z
    .array(z.tuple([name, z.array(z.tuple([name, rate])).max(256)]))
    .max(REPORT_CLASSES_MAX),
  shares: z
    .array(
      z.strictObject({
        pool: name,
        targets: z.array(z.tuple([name, z.number().min(0).max(1)])).max(1000),
        slots: z.array(rate).length(SLOTS),
      }),
    )
    .max(REPORT_POOLS_MAX),
});

export function encodeReport({ node, queries, seconds, shares }: DemandReport): Uint8Array {
  const most = [...queries]
    .map(([key, byRegion]) => ({ key, byRegion, sum: sumOf(byRegion) }))
    .sort((a, b) => b.sum - a.sum)
    .slice(0, REPORT_CLASSES_MAX);
  const told = most.map(({ byRegion, key }) => [
    key,
    [...byRegion].map(([region, each]) => [region, rounded(each)]),
  ]);
  const pools = shares.slice(0, REPORT_POOLS_MAX).map(({ pool, slots, targets }) => {
    return { pool, targets: [...targets], slots: slots.map(rounded) };
  });
  const report = { node, seconds, queries: told, shares: pools };
  return brotliCompressSync(Buffer.from(JSON.stringify(report)), {
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY },
  });
}

const rounded = (each: number): number => Math.round(each * PRECISION) / PRECISION;

/** The report in the octets; undefined = they are none. */
export function decodeReport(bytes: Uint8Array): DemandReport | undefined {
  try {
    const json = brotliDecompressSync(bytes, { maxOutputLength: UNPACKED_MAX });
    const { data } = reportSchema.safeParse(JSON.parse(json.toString()));
    if (data === undefined) return undefined;
    const queries = new Map(data.queries.map(([key, rates]) => [key, new Map(rates)]));
    const shares = data.shares.map((each) => ({ ...each, targets: new Map(each.targets) }));
    return { node: data.node, seconds: data.seconds, queries, shares };
  } catch {
    return undefined;
  }
}

const sumOf = (rates: ReadonlyMap<string, number>): number =>
  [...rates.values()].reduce((sum, each) => sum + each, 0);
