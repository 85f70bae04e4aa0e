import type { ListenerCounts, ServerCounts } from '../balancer/counts.ts';
import type { ServerState } from '../balancer/messages.ts';
import type { BalancerConfig, UpstreamConfig } from '../config/config.ts';
import { upstreamsOf } from '../config/route-upstreams.ts';
import { LEASE_INTERVALS } from '../health/quorum.ts';
import type { AgentReport } from '../health/statement.ts';
import { planPriorities } from '../resilience/panic.ts';

/**
 * What a region's balancer reports of itself, one report per listener: whether it could serve a
 * request now, and how much it carries. Its "no" takes the region out of the answers at once, before
 * any probe has failed; its "yes" only lifts that: others must still reach it.
 */
export function agentReports(
  { listeners, upstreams }: BalancerConfig,
  { leaving, load, node, nowMs, states }: AgentFacts,
): readonly AgentReport[] {
  return listeners.map(({ address, name, port, region, routes }) => {
    const used = [...new Set(routes.flatMap(upstreamsOf))];
    const standings = used.flatMap((upstream) => {
      const settings = upstreams[upstream];
      return settings === undefined ? [] : [standingOf(upstream, settings, states)];
    });
    const ready = standings.length === 0 || standings.some(({ serves }) => serves);
    const mine = load.servers.filter(({ upstream }) => used.includes(upstream));
    const out = new Set(mine.filter(({ ejected }) => ejected > 0).map(idOf));
    const usable = standings.flatMap((each) => each.usable);
    return {
      node,
      region,
      address,
      port,
      ready: ready && !leaving,
      reason: leaving ? 'it is shutting down' : ready ? 'serving' : wordsFor(usable.length),
      serversUsable: usable.filter((state) => !out.has(idOf(state))).length,
      serversTotal: used.reduce(
        (sum, upstream) => sum + (upstreams[upstream]?.servers.length ?? 0),
        0,
      ),
      requestsPerSecond:
        load.listeners.find(({ listener }) => listener === name)?.requestsPerSecond ?? 0,
      active: mine.reduce((sum, { active }) => sum + active, 0),
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
  readonly load: NodeLoad;
  /** The node is on its way down and finishes what it has. */
  readonly leaving: boolean;
};

/** What this node's balancer carries. */
export type NodeLoad = {
  /** Of layer 4: connections, and sessions of UDP. */
  readonly listeners: readonly {
    readonly listener: string;
    readonly requestsPerSecond: number;
  }[];
  readonly servers: LoadSample['servers'];
};

/** Counters at one time. */
export type LoadSample = {
  readonly atMs: number;
  readonly listeners: readonly Pick<ListenerCounts, 'listener' | 'requests' | 'connections'>[];
  readonly servers: readonly Pick<ServerCounts, 'upstream' | 'server' | 'active' | 'ejected'>[];
};

/**
 * The load from two samples; without the first no rate is known.
 * @param flows the listeners of layer 4, of which connections are counted
 */
export function nodeLoad(
  before: LoadSample | undefined,
  after: LoadSample,
  flows: ReadonlySet<string>,
): NodeLoad {
  const seconds = before === undefined ? 0 : (after.atMs - before.atMs) / 1000;
  const countOf = (counts: LoadSample['listeners'][number] | undefined): number =>
    (counts && (flows.has(counts.listener) ? counts.connections : counts.requests)) ?? 0;
  const listeners = after.listeners.map((counts) => {
    const { listener } = counts;
    const former = before?.listeners.find((each) => each.listener === listener);
    const count = countOf(counts) - countOf(former);
    return { listener, requestsPerSecond: seconds > 0 ? Math.max(0, count) / seconds : 0 };
  });
  return { listeners, servers: after.servers };
}

/**
 * An upstream that panics uses servers that are down, and serves for want of a better place only: DNS has
 * one, so it goes first (the rule that AWS has for its targets: DNS fails over no later than routing).
 */
function standingOf(
  upstream: string,
  { panic, servers }: UpstreamConfig,
  states: readonly ServerState[],
) {
  const own = new Map(states.filter((each) => each.upstream === upstream).map(byName));
  const usable = [...own.values()].filter((state) => state.usable && !state.draining);
  const taking = servers.filter(
    ({ name, weight }) => weight > 0 && own.get(name)?.draining !== true,
  );
  const levels = Map.groupBy(taking, ({ priority }) => priority ?? 0);
  const health = [...levels].map(([, level]) => ({
    servers: level.length,
    healthy: level.filter(({ name }) => own.get(name)?.usable === true).length,
  }));
  const plan = planPriorities(health, panic);
  const panics = plan.panic.length > 0 && plan.panic.every((each) => each);
  return { usable, serves: usable.length > 0 && !panics };
}

const byName = (state: ServerState): [string, ServerState] => [state.server, state];
const idOf = ({ server, upstream }: Pick<ServerState, 'server' | 'upstream'>): string =>
  JSON.stringify([upstream, server]);
const wordsFor = (usable: number): string =>
  usable === 0
    ? 'no server is usable'
    : 'too few servers are usable: it panics and uses all of them';
