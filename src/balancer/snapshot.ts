import type { AffinityConfig } from '../config/affinity-config.ts';
import type { ClientsConfig } from '../config/clients-config.ts';
import type { RouteConditions } from '../config/config.ts';
import type { AccessLogConfig, TraceConfig, TrustConfig } from '../config/front-config.ts';
import type { ProxyOptionKind } from '../ip/proxy-options.ts';
import type { ResilienceSettings } from '../resilience/settings.ts';

export type { ValueTest } from '../config/config.ts';
export type { ForwardingField } from '../config/front-config.ts';

/**
 * What a balancer worker serves from: the balancer's part of a configuration as flat, cloneable
 * data. Made by `compile.ts` on the main thread, sent whole, never edited.
 */
export type BalancerSnapshot = {
  readonly generation: number;
  /** This node's name in Via; a request that already carries it has come in a circle. */
  readonly via: string;
  readonly limits: BalancerLimits;
  /** Redis, through which nodes share sessions; absent = no upstream does. */
  readonly sessionStore?: unknown;
  /** Absent = no request leaves a line. */
  readonly accessLog?: AccessLogSnapshot;
  /** Absent = `all`. `basic`: no routes, and no histograms of servers. */
  readonly metrics?: 'all' | 'basic';
  /** New connections in a second of which the round-trip time is read, of each worker; absent = of none. */
  readonly roundTripsPerSecond?: number;
  readonly upstreams: readonly UpstreamSnapshot[];
  readonly listeners: readonly ListenerSnapshot[];
};

/** Where lines go, the pure rooms do not know. */
export type AccessLogSnapshot = AccessLogConfig;
export type UpstreamSnapshot = ResilienceSettings & {
  readonly name: string;
  readonly algorithm: ExtensionUse;
  readonly servers: readonly ServerSnapshot[];
  /** Idle connections kept per server and worker. */
  readonly idleMax: number;
  readonly idleTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** From the last sign of life to the response's head. */
  readonly responseTimeoutMs: number;
  /** Between pieces of a response's body, unless it is of events; absent = as long as the former. */
  readonly bodyIdleTimeoutMs?: number;
  /** Connections of layer 4, and each datagram, begin with a PROXY header. */
  readonly proxyProtocol?: 'v1' | 'v2';
  /** What a header of v2 says beside addresses. */
  readonly proxyOptions?: readonly ProxyOptionKind[];
  /** Absent = nothing but the algorithm keeps a client on its server. */
  readonly affinity?: AffinityConfig;
  /** Its table of sessions, which all workers of the node share; absent = a worker has its own. */
  readonly sessionMemory?: SharedArrayBuffer;
};
export type ServerSnapshot = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** 0 first, and when absent. */
  readonly priority?: number;
};
export type ListenerSnapshot = {
  readonly name: string;
  readonly region: string;
  readonly address: string;
  readonly port: number;
  readonly routes: readonly RouteSnapshot[];
  /** Absent = HTTP. Of layer 4 a route's hosts are server names of TLS, and nothing else counts. */
  readonly layer4?: FlowSettings;
  /** False: a client that has finished its side is still answered; absent = it has left. */
  readonly abortOnClose?: boolean;
  /** Absent = ids pass as they came. */
  readonly trace?: TraceSnapshot;
  /** Absent = nobody is. */
  readonly trust?: TrustSnapshot;
  /** Networks of proxies that say in a PROXY header whom they speak for; absent = clients come themselves. */
  readonly proxies?: readonly string[];
};
/** `proxies`: networks whose word counts; `believe`: which fields they write; `send`: what servers get. */
export type TrustSnapshot = TrustConfig;
export type TraceSnapshot = TraceConfig;
export type FlowSettings = {
  readonly protocol: 'tcp' | 'udp';
  /** Where a TCP connection goes depends on the name in its TLS ClientHello. */
  readonly byServerName: boolean;
  /** Without a byte either way. */
  readonly idleTimeoutMs: number;
  /** How long flows go on once their server, or the listener, drains. */
  readonly drainTimeoutMs: number;
  /** Of UDP, per worker. */
  readonly sessionsMax: number;
  /** Of UDP: so many for each datagram of the client, and the session is over; 0 = not known. */
  readonly responses: number;
};
/**
 * `upstream` indexes the snapshot's upstreams; -1 where a filter answers or `split` says. An exact
 * `path` or a `pathRegex` stands in place of the prefix.
 */
export type RouteSnapshot = RouteConditions & {
  readonly hosts: readonly string[];
  readonly pathPrefix: string;
  readonly path?: string;
  readonly pathRegex?: string;
  readonly filters: readonly ExtensionUse[];
  readonly upstream: number;
  /** `by`: `random`, or what the key is made of, as `hash-key.ts` reads it. */
  readonly split?: { readonly by: string; readonly arms: readonly SplitArm[] };
  readonly mirror?: MirrorSnapshot;
};
/** `percent` of the requests are copied to the upstream. */
export type MirrorSnapshot = { readonly upstream: number; readonly percent: number };
/** `name` is the upstream's, which the choice depends on: places in a snapshot change. */
export type SplitArm = {
  readonly name: string;
  readonly upstream: number;
  readonly weight: number;
};
export type ExtensionUse = { readonly kind: string; readonly options: unknown };

/** Bounds on what one client or worker may take; all per worker. */
export type BalancerLimits = ClientsConfig & {
  /** What is still read, within `lingerTimeoutMs`, from a client that was told to go. */
  readonly lingerBytesMax: number;
};

export const DEFAULT_LIMITS: BalancerLimits = {
  connectionsMax: 20_000,
  requestBodyBytesMax: 16 * 1024 ** 3,
  headTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
  bodyIdleTimeoutMs: 30_000,
  writeIdleTimeoutMs: 60_000,
  tunnelIdleTimeoutMs: 3_600_000,
  lingerTimeoutMs: 2_000,
  lingerBytesMax: 16 * 1024 * 1024,
};
