import type { ServerState } from '../balancer/messages.ts';
import type { BalancerConfig } from '../config/config.ts';
import { upstreamsOf } from '../config/route-upstreams.ts';
import { LEASE_INTERVALS } from '../health/quorum.ts';
import type { AgentReport } from '../health/statement.ts';

/**
 * What a region's balancer reports of itself, one report per listener: whether it could serve a
 * request now, and how much it carries. Its "no" takes the region out of the answers at once, before
 * any probe has failed; its "yes" only lifts that: others must still reach it.
 */
export function agentReports(
  { listeners, upstreams }: BalancerConfig,
  { leaving, load, node, nowMs, states }: AgentFacts,
): readonly AgentReport[] {
  return listeners.map(({ address, port, region, routes }) => {
    const used = new Set(routes.flatMap(upstreamsOf));
    const servers = [...used].flatMap((upstream) => upstreams[upstream]?.servers ?? []);
    const usable = [...used].flatMap((upstream) =>
      states.filter((state) => state.upstream === upstream && state.usable && !state.draining),
    );
    const ready = !leaving && (usable.length > 0 || used.size === 0);
    const { active, requestsPerSecond } = sumLoad(load, used);
    return {
      node,
      region,
      address,
      port,
      ready,
      reason: leaving ? 'it is shutting down' : ready ? 'serving' : 'no server is usable',
      serversUsable: usable.length,
      serversTotal: servers.length,
      requestsPerSecond,
      active,
      heardAtMs: nowMs,
      leaseMs: REPORT_INTERVAL_MS * LEASE_INTERVALS,
    };
  });
}

/** How often a balancer reports, besides whenever its readiness changes. */
export const REPORT_INTERVAL_MS = 1000;

export type AgentFacts = {
  readonly node: string;
  readonly nowMs: number;
  readonly states: readonly ServerState[];
  readonly load: readonly UpstreamLoad[];
  /** The node is on its way down and finishes what it has. */
  readonly leaving: boolean;
};

export type UpstreamLoad = {
  readonly upstream: string;
  readonly active: number;
  readonly requestsPerSecond: number;
};

/** Requests so far, as counters tell them. */
export type LoadSample = {
  readonly atMs: number;
  readonly servers: readonly {
    readonly upstream: string;
    readonly active: number;
    readonly requests: number;
  }[];
};

/** What each upstream carries, from two samples of its servers' counters. */
export function upstreamLoads(before: LoadSample | undefined, after: LoadSample): UpstreamLoad[] {
  const names = new Set(after.servers.map(({ upstream }) => upstream));
  const seconds = before === undefined ? 0 : (after.atMs - before.atMs) / 1000;
  const totalOf = (sample: LoadSample | undefined, name: string): number =>
    (sample?.servers ?? [])
      .filter(({ upstream }) => upstream === name)
      .reduce((sum, { requests }) => sum + requests, 0);
  return [...names].map((upstream) => ({
    upstream,
    active: after.servers
      .filter((server) => server.upstream === upstream)
      .reduce((sum, { active }) => sum + active, 0),
    // Counters of a replaced worker begin anew.
    requestsPerSecond:
      seconds > 0 ? Math.max(0, totalOf(after, upstream) - totalOf(before, upstream)) / seconds : 0,
  }));
}

function sumLoad(load: readonly UpstreamLoad[], used: ReadonlySet<string>) {
  const mine = load.filter(({ upstream }) => used.has(upstream));
  return {
    active: mine.reduce((sum, each) => sum + each.active, 0),
    requestsPerSecond: mine.reduce((sum, each) => sum + each.requestsPerSecond, 0),
  };
}
