import type { BalancerConfig, BalancerListenerConfig, RouteConfig } from '../config/config.ts';
import { upstreamsReached } from '../config/route-upstreams.ts';
import { type BeaconSettings, beaconRoutes } from './beacon.ts';
import type { BalancerSnapshot, RouteSnapshot, UpstreamSnapshot } from './snapshot.ts';
import { DEFAULT_LIMITS } from './snapshot.ts';

export type CompileOptions = {
  readonly generation: number;
  /** Distinguishes this node in Via. */
  readonly nodeName: string;
  readonly roundTripsPerSecond?: number;
  /** What pages measure ways with; absent = nothing. */
  readonly beacon?: BeaconSettings | undefined;
  /** Only the listeners of these regions; absent = all. */
  readonly regions?: readonly string[];
  /** Options of the Redis through which nodes share sessions, for upstreams that do. */
  readonly sessionStore?: unknown;
};

/**
 * Translates a validated configuration into what a worker serves: the listeners of the wanted
 * regions and the upstreams that their routes reach.
 */
export function compileBalancer(config: BalancerConfig, options: CompileOptions): BalancerSnapshot {
  const listeners = config.listeners.filter(
    (listener) => options.regions === undefined || options.regions.includes(listener.region),
  );
  const names = [
    ...new Set(listeners.flatMap((listener) => listener.routes.flatMap(upstreamsReached))),
  ];
  const upstreams = names.map((name) => compileUpstream(config, name));
  const isSharing = upstreams.some(({ affinity }) => affinity?.table?.shared === true);
  return {
    generation: options.generation,
    via: `meridian-${options.nodeName.replace(/[^\w.-]/g, '-')}`,
    limits: { ...DEFAULT_LIMITS, ...config.clients },
    ...(config.accessLog === undefined ? {} : { accessLog: config.accessLog }),
    ...(config.metrics === undefined ? {} : { metrics: config.metrics }),
    ...(isSharing ? { sessionStore: options.sessionStore } : {}),
    ...(options.roundTripsPerSecond ? { roundTripsPerSecond: options.roundTripsPerSecond } : {}),
    upstreams,
    listeners: listeners.map((listener) => ({
      name: listener.name,
      region: listener.region,
      address: listener.address,
      port: listener.port,
      routes: [
        ...listener.routes.map((route) => compileRoute(route, names)),
        ...routesOfPages(listener, options.beacon),
      ],
      ...(listener.layer4 === undefined ? {} : { layer4: listener.layer4 }),
      ...(listener.abortOnClose === undefined ? {} : { abortOnClose: listener.abortOnClose }),
      ...(listener.trace === undefined ? {} : { trace: listener.trace }),
      ...(listener.trust === undefined ? {} : { trust: listener.trust }),
      ...(listener.proxies === undefined ? {} : { proxies: listener.proxies }),
    })),
  };
}

function routesOfPages(
  { layer4, routes }: BalancerListenerConfig,
  beacon: BeaconSettings | undefined,
): readonly RouteSnapshot[] {
  if (beacon === undefined || layer4 !== undefined) return [];
  const hosts = new Set(routes.flatMap((route) => route.hosts.map((host) => host.toLowerCase())));
  return beaconRoutes(beacon, [...hosts]);
}

function compileRoute(route: RouteConfig, names: readonly string[]): RouteSnapshot {
  const { mirror, split, upstream, ...rest } = route;
  const arms = split?.arms.map((arm) => ({
    name: arm.upstream,
    upstream: names.indexOf(arm.upstream),
    weight: arm.weight,
  }));
  return {
    ...rest,
    hosts: route.hosts.map((host) => host.toLowerCase()),
    filters: route.filters.map(({ kind, options }) => ({ kind, options })),
    upstream: upstream === undefined ? -1 : names.indexOf(upstream),
    ...(split && arms ? { split: { by: split.by, arms } } : {}),
    ...(mirror && {
      mirror: { upstream: names.indexOf(mirror.upstream), percent: mirror.percent },
    }),
  };
}

function compileUpstream(config: BalancerConfig, name: string): UpstreamSnapshot {
  const upstream = config.upstreams[name];
  // Validation has checked every reference; a miss is a bug.
  if (upstream === undefined) throw new Error(`route to an unknown upstream: ${name}`);
  return {
    name,
    algorithm: { kind: upstream.algorithm.kind, options: upstream.algorithm.options },
    servers: upstream.servers.map(({ name: server, address, port, priority, weight }) => ({
      name: server,
      address,
      port,
      weight,
      ...(priority === undefined ? {} : { priority }),
    })),
    idleMax: upstream.keepalive.idleMax,
    idleTimeoutMs: upstream.keepalive.idleTimeoutMs,
    connectTimeoutMs: upstream.connectTimeoutMs,
    responseTimeoutMs: upstream.responseTimeoutMs,
    bodyIdleTimeoutMs: upstream.bodyIdleTimeoutMs,
    totalTimeoutMs: upstream.totalTimeoutMs,
    retries: upstream.retries,
    outliers: upstream.outliers,
    slowStart: upstream.slowStart,
    degradedWeight: upstream.degradedWeight,
    panic: upstream.panic,
    limits: upstream.limits,
    ...(upstream.hedging === undefined ? {} : { hedging: upstream.hedging }),
    ...(upstream.shedding === undefined ? {} : { shedding: upstream.shedding }),
    ...(upstream.proxyProtocol === undefined ? {} : { proxyProtocol: upstream.proxyProtocol }),
    ...(upstream.proxyOptions === undefined ? {} : { proxyOptions: upstream.proxyOptions }),
    ...(upstream.affinity === undefined ? {} : { affinity: upstream.affinity }),
  };
}
