import type { ProxyOptionKind } from '../ip/proxy-options.ts';
import type { ResilienceSettings } from '../resilience/settings.ts';
import type { PackedRrsets } from '../zone/packed-rrsets.ts';
import type { AffinityConfig } from './affinity-config.ts';
import type { CapacityConfig } from './capacity-config.ts';
import type { ClientsConfig } from './clients-config.ts';
import type { AccessLogConfig, FlowConfig, TraceConfig, TrustConfig } from './front-config.ts';
import type { GeoConfig, RegionConfig } from './geo-config.ts';
import type { LatencyConfig } from './latency-config.ts';

/**
 * What people wrote, validated and with defaults filled in: the only shape of configuration that
 * the rest of the house sees. Stored, diffed and shown; never served (that is a Snapshot).
 * In YAML the keys are the same; durations are written `500ms`, `3s`, `2m`, `1h`, `14d` and are
 * milliseconds here (names end in Ms in code that uses them); TTLs are whole seconds.
 */
export type Config = {
  readonly node: NodeConfig;
  readonly regions: Readonly<Record<string, RegionConfig>>;
  readonly geo: GeoConfig;
  readonly latency: LatencyConfig;
  readonly capacity: CapacityConfig;
  readonly monitors: Readonly<Record<string, MonitorConfig>>;
  readonly monitorGroups: Readonly<Record<string, MonitorGroupConfig>>;
  readonly pools: Readonly<Record<string, PoolConfig>>;
  readonly policies: Readonly<Record<string, PolicyConfig>>;
  readonly zones: Readonly<Record<string, ZoneConfig>>;
  readonly dns: DnsConfig;
  readonly balancer: BalancerConfig;
  readonly store: { readonly kind: string; readonly options: unknown };
  readonly cluster: ClusterConfig;
  readonly admin: AdminConfig;
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' };
};

export const ROLES = ['nameserver', 'balancer', 'prober', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export type NodeConfig = {
  /** Default: the host's name. */
  readonly name: string;
  /** Default: all four. */
  readonly roles: readonly Role[];
  /** Where overrides and the last known health are kept over a restart; absent = nothing is kept. */
  readonly stateDirectory?: string;
  /** Worker threads per role; 0 = one per core. Defaults: dns 0, balancer 1. */
  readonly workers: { readonly dns: number; readonly balancer: number };
  /** The vantage points that this node's prober role runs. Default: one, named as the node. */
  readonly vantages: readonly VantageConfig[];
  /** What vantage points doubt themselves by. */
  readonly canaries: readonly CanaryConfig[];
};
export type CanaryConfig = {
  readonly monitor: string;
  readonly address: string;
  readonly port?: number | undefined;
};
/** `region` is the failure domain; `source` the local addresses to probe from (first of the family). */
export type VantageConfig = {
  readonly name: string;
  readonly region?: string;
  readonly source: readonly string[];
};

export type MonitorConfig = {
  readonly kind: string;
  /** The probe kind's own options, validated by its schema. */
  readonly options: unknown;
  /** Default: the endpoint's or server's own address. */
  readonly address?: string;
  /** Default: the endpoint's or server's own port. */
  readonly port?: number;
  /** A success slower than this counts as slow; absent = never. */
  readonly slowAboveMs?: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** A probe without an answer after this is tried a second time beside the first; absent = never. */
  readonly retryMs?: number;
  /** Consecutive successes that bring a target up; failures that take it down. Default 2 and 3. */
  readonly rise: number;
  readonly fall: number;
  /** Fraction of the interval by which probes are spread, 0..1. Default 0.1. */
  readonly jitter: number;
  /** From one probe to the next while failures count towards down; never more than the interval. */
  readonly recheckMs: number;
  /** From one probe to the next once a target has been down for `afterMs` without a success. */
  readonly idle: { readonly afterMs: number; readonly intervalMs: number };
};

/** Members are names of monitors or of other groups; `need` is the sum of weights that must not be down. */
export type MonitorGroupConfig = {
  readonly of: readonly {
    readonly monitor: string;
    readonly required: boolean;
    readonly inverted: boolean;
    readonly weight: number;
  }[];
  readonly need: number;
};

export type PoolConfig = {
  /** Name of a monitor or monitor group; absent = endpoints count as up (unless an override says otherwise). */
  readonly monitor?: string;
  readonly endpoints: readonly EndpointConfig[];
  /** Port that probes use when the monitor has none. Default 80. */
  readonly port: number;
  /** Fewest vantage groups that must agree on "down". Default 1. */
  readonly quorumMin: number;
  /** Share of the vantage groups that must agree on "down", 0.5..1. Default 0.5: more than half. */
  readonly downShare: number;
  /** Ignore health in a tier when less than this share of its weight is healthy, 0..1. Default 0. */
  readonly panicThreshold: number;
  /** Steer clients by what the vantage points near them see; absent = where the policy asks for their place. */
  readonly regionalHealth?: boolean;
  readonly ramp: { readonly from: number; readonly overMs: number };
  readonly withdrawals: {
    readonly shareMax: number;
    readonly countMax: number;
    readonly windowMs: number;
  };
  /** Addresses answered when nothing else is left, even as-if-all-up (every endpoint disabled). */
  readonly sorry: readonly string[];
};
/** `addresses` default to the region's VIPs. */
export type EndpointConfig = {
  readonly region: string;
  /** Unique in its pool; absent = the region's. */
  readonly name?: string;
  readonly weight: number;
  readonly addresses: readonly string[];
  /** Absolute name that is answered as a CNAME; `addresses` are then only where probes go. */
  readonly cname?: string;
  /** Protocols in HTTPS and SVCB; absent = those of the steered name. */
  readonly alpn?: readonly string[];
  /** Name of the monitor or monitor group that judges this one; absent = the pool's. */
  readonly monitor?: string;
};

export type PolicyConfig = { readonly chain: readonly StepConfig[] };
export type StepConfig = { readonly kind: string; readonly options: unknown };

export type ZoneConfig = {
  /** Default TTL of records. Default 300. */
  readonly ttl: number;
  readonly soa: SoaConfig;
  readonly rrsets: readonly RrsetConfig[];
  /** Those of its file, when nothing in that is out of the ordinary (plain-zone.ts); see zone-rrsets.ts. */
  readonly filed?: PackedRrsets;
  readonly steered: readonly SteeredConfig[];
  /** Where its records come from; absent = from here. `soa` is then a stand-in until there is a copy. */
  readonly primary?: PrimaryConfig;
  /** Given by the overlay of a zone with a primary, never written; absent = there is no copy yet. */
  readonly copy?: 'current' | 'expired';
  /** Who may copy the zone; absent = nobody. */
  readonly transfer?: TransferConfig;
  /** Who may change it while it is served (RFC 2136); absent = nobody. */
  readonly update?: UpdateConfig;
  /** Absent = the zone is not signed. */
  readonly dnssec?: DnssecConfig;
  /** While a node runs: the keys of the zone are known and among its records, so it can be signed. */
  readonly isKeyed?: boolean;
};
export type DnssecConfig = {
  /** One key for all, or a KSK and a ZSK. Default `csk`. */
  readonly scheme: 'csk' | 'ksk-zsk';
  /** Default `ecdsap256`. */
  readonly algorithm: 'ecdsap256' | 'ed25519';
  /** Default `compact`. */
  readonly denial: 'compact' | 'nsec';
  /** How long signatures are good, and what is left of them when they are made anew. Default 14 and 7 days. */
  readonly validitySeconds: number;
  readonly refreshSeconds: number;
  /** Where somebody else keeps the keys; absent = they are made and kept by the nodes. */
  readonly folder?: string;
};
export type UpdateConfig = { readonly allow: readonly UpdaterConfig[] };
export type UpdaterConfig = {
  /** Name in `dns.keys`. */
  readonly key: string;
  /** See name-pattern.ts. */
  readonly names: readonly string[];
  /** Mnemonics; `*` = all. */
  readonly types: readonly string[];
  /** Absent = any. */
  readonly networks?: readonly string[];
};
export type TransferConfig = {
  readonly networks: readonly string[];
  /** Names in `dns.keys`. */
  readonly keys: readonly string[];
  /** Who is told of changes. */
  readonly notify: readonly NotifyConfig[];
  /** Steered names: as somebody of whom nothing is known is answered, or left out. Default `default`. */
  readonly steered: 'default' | 'omit';
};
export type NotifyConfig = {
  readonly address: string;
  readonly port: number;
  /** Name in `dns.keys` that signs it. */
  readonly key?: string;
  /** Local address that it is sent from; absent = the system's choice. */
  readonly source?: string;
};
export type PrimaryConfig = {
  /** In the order in which they are asked. */
  readonly servers: readonly PrimaryServerConfig[];
  /** Default `servfail`. */
  readonly whenExpired: 'servfail' | 'answer';
};
export type PrimaryServerConfig = {
  readonly address: string;
  readonly port: number;
  /** Name in `dns.keys`. */
  readonly key?: string;
  /** Local address that it is asked from; absent = the system's choice. */
  readonly source?: string;
};
/** `mname`, `rname` are absolute names in text form with a final dot. */
export type SoaConfig = {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** Negative TTL (RFC 2308). Default 60. */
  readonly minimum: number;
};
/** `owner` is absolute with a final dot; `data` are rdata in master-file text, names absolute. */
export type RrsetConfig = {
  readonly owner: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: readonly string[];
};
/** An owner whose A and AAAA are decided per client. */
export type SteeredConfig = {
  readonly owner: string;
  readonly pool: string;
  readonly policy: string;
  /** Bounds of the computed TTL. Default 5 and 30. */
  readonly ttlMin: number;
  readonly ttlMax: number;
  /** The name has HTTPS, or SVCB, records too, which follow the chosen endpoint. */
  readonly https?: ServiceBindingConfig;
  readonly svcb?: ServiceBindingConfig;
};
/** RFC 9460 7. */
export type ServiceBindingConfig = {
  /** Default 1. */
  readonly priority: number;
  /** Default `h2`. */
  readonly alpn: readonly string[];
  readonly port?: number;
  /** Whether the answered addresses are in it. Default true. */
  readonly hints: boolean;
};

export type DnsConfig = {
  readonly listeners: readonly DnsListenerConfig[];
  /** Largest UDP answer ever sent, 512..4096. Default 1232. */
  readonly udpSizeMax: number;
  /** `auto`: by the batch where the machine can. */
  readonly udpEngine: 'auto' | 'portable';
  /** How long queries over UDP may gather under load, in microseconds; 0 = not at all. Default 150. */
  readonly udpGatherUs: number;
  readonly tcp: {
    readonly connectionsMax: number;
    readonly perClientMax: number;
    readonly idleTimeoutMs: number;
    /** Of one client address; 0 = no limit. Default 2000. */
    readonly queriesPerSecond: number;
    /** New ones of one client; 0 = no limit. Default 200. */
    readonly connectionsPerSecond: number;
  };
  /** TSIG keys by name: absolute, lower case. */
  readonly keys: Readonly<Record<string, KeyConfig>>;
  readonly identity: IdentityConfig;
  readonly rateLimit: RateLimitConfig;
  /** Who is answered at all; the longest network decides. Default: everybody. */
  readonly access: { readonly allow: readonly string[]; readonly deny: readonly string[] };
  /** Absent = off. */
  readonly dnstap?: DnstapConfig;
  /** Networks that may ask TXT of `_explain.NAME`; empty = nobody. Default: loopback. */
  readonly explain: { readonly allow: readonly string[] };
};

export type DnstapConfig = {
  /** A Unix socket, or TCP. */
  readonly to: { readonly path: string } | { readonly host: string; readonly port: number };
  /** Default: both. */
  readonly messages: readonly ('query' | 'response')[];
  /** Absent = not told. */
  readonly identity?: string;
  readonly version?: string;
  /** One query of so many. Default 1. */
  readonly sample: number;
  /** Of each worker; a power of two. Default 4 MiB. */
  readonly bufferBytes: number;
};

export type KeyConfig = {
  readonly algorithm: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512';
  /** Base 64. */
  readonly secret: string;
};

export type DnsListenerConfig = {
  readonly address: string;
  readonly port: number;
  /** `dns` is UDP and TCP on one port. Default `dns`. */
  readonly protocol: 'dns' | 'udp' | 'tcp' | 'tls' | 'https';
  /** Networks whose queries come with a PROXY header; absent = clients ask themselves. */
  readonly proxies?: readonly string[];
  /** Of `tls` and `https`. */
  readonly certificate?: CertificateConfig;
  /** Of `https`. Default `/dns-query`. */
  readonly path?: string;
};
/** Files with PEM. */
export type CertificateConfig = { readonly file: string; readonly keyFile: string };

/** Responses over UDP; 0 = no limit. */
export type RateLimitConfig = {
  /** Of the same answer to one network. Default 5000. */
  readonly answersPerSecond: number;
  /** Of negatives of one zone, or one referral, to one network. Default 1000. */
  readonly negativesPerSecond: number;
  /** To one network. Default 500. */
  readonly errorsPerSecond: number;
  readonly responsesPerSecond: number;
  /** Default 2. */
  readonly slip: number;
  /** Default 24 and 56. */
  readonly ipv4Bits: number;
  readonly ipv6Bits: number;
  readonly exempt: readonly string[];
};

/** Absent = not told. */
export type IdentityConfig = {
  /** For NSID, `id.server.` and `hostname.bind.`. Default: the node's name. */
  readonly id?: string;
  /** For `version.bind.`. Default `Meridian`. */
  readonly version?: string;
  /** Absolute name of the agent that resolvers report errors to (RFC 9567). */
  readonly reportChannel?: string;
};

export type BalancerConfig = {
  /** `auto`: io_uring where the machine can. */
  readonly engine: 'auto' | 'portable';
  /** Absent = off. */
  readonly accessLog?: AccessLogConfig;
  /** Absent = `all`. */
  readonly metrics?: 'all' | 'basic';
  /** How long a worker runs requests of its own before it serves; absent = it does not. */
  readonly warmUpMs?: number;
  /** Absent = the defaults. */
  readonly clients?: ClientsConfig;
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>;
  readonly listeners: readonly BalancerListenerConfig[];
};
export type UpstreamConfig = ResilienceSettings & {
  readonly algorithm: { readonly kind: string; readonly options: unknown };
  readonly servers: readonly ServerConfig[];
  readonly discovery?: { readonly dns: DnsDiscoveryConfig };
  readonly monitor?: string;
  /** Name of the monitor that says whether a server takes anybody new. */
  readonly readiness?: string;
  readonly keepalive: { readonly idleMax: number; readonly idleTimeoutMs: number };
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  /** What connections of layer 4, and datagrams, begin with; absent = nothing. */
  readonly proxyProtocol?: 'v1' | 'v2';
  readonly proxyOptions?: readonly ProxyOptionKind[];
  /** What keeps a client on its server; absent = nothing but the algorithm. */
  readonly affinity?: AffinityConfig;
};
export type ServerConfig = {
  /** Default `address:port`. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** Takes requests while no server of a lower number can. Absent = 0. */
  readonly priority?: number;
  /** Who said that it is there. Absent = the file. */
  readonly origin?: 'dns' | 'api';
  /** `drain` = takes nobody new and keeps whom it has; `maintenance` = takes nobody. Absent = neither. */
  readonly mode?: 'drain' | 'maintenance';
};
/** Whom to ask for an upstream's servers, and how often. */
export type DnsDiscoveryConfig = {
  /** With its last dot. */
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV';
  /** Of A and AAAA. */
  readonly port?: number;
  /** Absent = those of the system. */
  readonly resolvers?: readonly { readonly address: string; readonly port: number }[];
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
};
export type BalancerListenerConfig = {
  readonly name: string;
  /** The region whose VIP this listener serves. */
  readonly region: string;
  readonly address: string;
  readonly port: number;
  /** Of TCP the routes by server name and, for any host, the default; of UDP that alone. */
  readonly routes: readonly RouteConfig[];
  /** Absent = HTTP. */
  readonly layer4?: FlowConfig;
  /** Of HTTP: whether a client that finishes its side has left; absent = yes. */
  readonly abortOnClose?: boolean;
  /** Of HTTP: ids that requests are given; absent = none. */
  readonly trace?: TraceConfig;
  /** Of HTTP: whose word about the client counts, and what servers are told; absent = nobody's. */
  readonly trust?: TrustConfig;
  /** Networks whose connections come with a PROXY header; absent = clients come themselves. */
  readonly proxies?: readonly string[];
};
export type RouteConfig = RouteConditions & {
  /** Empty = any host; `*.example.com` matches one or more labels. */
  readonly hosts: readonly string[];
  /** `/` where one of the other two is given. */
  readonly pathPrefix: string;
  readonly path?: string;
  /** A pattern of http/pattern.ts. */
  readonly pathRegex?: string;
  readonly filters: readonly { readonly kind: string; readonly options: unknown }[];
  /** Absent with `split`, or where a filter answers. */
  readonly upstream?: string;
  readonly split?: SplitConfig;
  readonly mirror?: MirrorConfig;
};
/** So many of a hundred requests are copied to the upstream. */
export type MirrorConfig = { readonly upstream: string; readonly percent: number };
/** What else must hold; absent = anything. */
export type RouteConditions = {
  readonly methods?: readonly string[];
  readonly headers?: Readonly<Record<string, ValueTest>>;
  readonly cookies?: Readonly<Record<string, ValueTest>>;
  readonly query?: Readonly<Record<string, ValueTest>>;
  /** Networks. */
  readonly sources?: readonly string[];
  /** `json` by paths with dots between names. */
  readonly body?: {
    readonly json?: Readonly<Record<string, ValueTest>> | undefined;
    readonly form?: Readonly<Record<string, ValueTest>> | undefined;
  };
};
export type ValueTest =
  | { readonly exact: string }
  | { readonly present: boolean }
  | { readonly prefix: string }
  | { readonly regex: string };
export type SplitConfig = {
  /** `random`, or what the key is made of. */
  readonly by: string;
  readonly arms: readonly { readonly upstream: string; readonly weight: number }[];
};

/** `keys` and the contents of `keyFiles` are secrets; the first seals, all open. */
export type ClusterConfig = {
  readonly keys: readonly string[];
  readonly keyFiles: readonly string[];
  /** Where direct exchange listens (UDP); empty = there is none. */
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  /** `host:port` as others reach it. */
  readonly advertise?: string;
  /** `host:port`. */
  readonly peers: readonly string[];
  /** Follow the configuration that the nodes share; see own-sections.ts. */
  readonly sharedConfig: boolean;
};

export type AdminConfig = {
  readonly address: string;
  readonly port: number;
  /** Bearer tokens, plain or `sha256:<hex>`; required when the address is not loopback. */
  readonly tokens: readonly string[];
};
