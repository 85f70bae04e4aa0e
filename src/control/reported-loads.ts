import { z } from 'zod';
import type { Replica } from '../cluster/replica.ts';
import type { Sharing } from '../cluster/share-waiters.ts';
import type { Clock } from './clock.ts';

/**
 * What somebody reports of regions in place of what is configured and what Meridian's balancers count: for regions whose
 * servers are behind other balancers, or can carry more at some times than at others. Facts of the cluster, each
 * until its time is over: a reporter that falls silent is not believed for long.
 */
export type ReportedLoad = {
  readonly region: string;
  /** Undefined = the balancers' count holds. */
  readonly requestsPerSecond?: number | undefined;
  /** Requests a second; 0 = as many as come; undefined = the configured one holds. */
  readonly capacity?: number | undefined;
  readonly by: string;
  readonly atMs: number;
  readonly expiresAtMs: number;
};

export type ReportedLoads = {
  /** By region, those whose time is not over. */
  current(): ReadonlyMap<string, ReportedLoad>;
  /** In force when this returns; settles with whether other nodes can know of it yet. */
  set(load: ReportedLoad): Promise<Sharing & { readonly refused?: string }>;
  /** Settles with what was in force, or undefined. */
  clear(region: string): Promise<(Sharing & { readonly load: ReportedLoad }) | undefined>;
};

export const REPORTED_SECONDS_DEFAULT = 60;
/** So that what nobody renews is over within an hour. */
export const REPORTED_SECONDS_MAX = 3600;
/** Requests a second. */
export const REPORTED_RATE_MAX = 1e9;

const KEY_PREFIX = 'region-load/';
/** How long a reporter waits to hear whether others have it. */
const SHARE_WAIT_MS = 1000;

export function createReportedLoads({
  clock,
  replica,
  settled,
}: {
  /** The cluster's. */
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly replica: Replica;
  /** See cluster/facts.ts. */
  settled(key: string, timeoutMs: number): Promise<Sharing>;
}): ReportedLoads {
  const current = (): ReadonlyMap<string, ReportedLoad> =>
    new Map(
      replica.list(KEY_PREFIX).flatMap(({ key, value }) => {
        const load = readLoad(value ?? '');
        const isMeant = load !== undefined && key === KEY_PREFIX + load.region;
        return isMeant && clock.nowMs() < load.expiresAtMs ? [[load.region, load] as const] : [];
      }),
    );
  return {
    current,
    async set(load) {
      const key = KEY_PREFIX + load.region;
      const { expiresAtMs } = load;
      const written = replica.write(key, JSON.stringify(load), clock.nowMs(), { expiresAtMs });
      if (!written.ok) {
        return { shared: false, detail: `not taken: ${written.reason}`, refused: written.reason };
      }
      return settled(key, SHARE_WAIT_MS);
    },
    async clear(region) {
      const load = current().get(region);
      if (load === undefined) return undefined;
      replica.write(KEY_PREFIX + region, undefined, clock.nowMs());
      return { load, ...(await settled(KEY_PREFIX + region, SHARE_WAIT_MS)) };
    },
  };
}

const rate = z.number().min(0).max(REPORTED_RATE_MAX);
const storedLoad = z.object({
  region: z.string(),
  requestsPerSecond: rate.optional(),
  capacity: rate.optional(),
  by: z.string(),
  atMs: z.number(),
  expiresAtMs: z.number(),
});

/** As it was stored; undefined for anything else, another version's for instance. */
function readLoad(text: string): ReportedLoad | undefined {
  try {
    return storedLoad.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Requests a second that each region can carry, as configured or as reported; 0 = not stated. */
export function regionCapacities(
  regions: Readonly<Record<string, { readonly capacity: number }>>,
  reported: ReadonlyMap<string, ReportedLoad>,
): readonly { readonly name: string; readonly capacity: number }[] {
  return Object.entries(regions).map(([name, { capacity }]) => ({
    name,
    capacity: reported.get(name)?.capacity ?? capacity,
  }));
}
