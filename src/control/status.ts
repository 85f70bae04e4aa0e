import { placeKey } from '../balancer/counters.ts';
import type { BalancerCounts, CountedPart } from '../balancer/counts.ts';
import type { SlotsTable } from '../capacity/slots-table.ts';
import type { UpstreamConfig, ZoneConfig } from '../config/config.ts';
import { rrsetCount } from '../config/zone-rrsets.ts';
import { formatName } from '../dns/name.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { AgentReport } from '../health/statement.ts';
import { formatAddress } from '../ip/address.ts';
import type { EndpointHealthStatus } from '../monitoring/health-table.ts';
import type { ServerStatus } from '../monitoring/servers.ts';
import { stateOfWord } from '../nameserver/explain-candidates.ts';
import { mapAt } from '../nameserver/map-table.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import { servicesOf } from '../nameserver/services.ts';
import type { SnapshotEndpoint } from '../nameserver/snapshot.ts';
import { classCount } from '../steering/class-list.ts';
import type { ServerOutlier } from '../workers/outlier-board.ts';
import type { Thread } from '../workers/thread.ts';
import type { CapacityStatus } from './capacity-status.ts';
import type {
  CopyStatus,
  EndpointStatus,
  HealthState,
  OutlierStatus,
  PoolStatus,
  RegionStatus,
  ReloadResult,
  UpstreamStatus,
  ZoneStatus,
} from './control-plane.ts';
import type { LatencyStatus } from './latency-status.ts';
import type { NodeStatus } from './node-status.ts';
import { reportedOf } from './report-load.ts';
import type { ReportedLoad } from './reported-loads.ts';
import { addressShares, type Serving } from './serving.ts';

/** What the node knows, shaped for people: regions, pools, zones and balancers as they stand now. */
export type Facts = {
  readonly serving: Serving;
  readonly words: HealthWords;
  /** What the capacity plan makes of them. */
  readonly plan?: Omit<ServedHealth, keyof HealthWords>;
  /** And what it would make of them without a region. */
  slotsWithout?(region: string): SlotsTable | undefined;
  /** Undefined on a node that judges nothing. */
  health(endpoint: string): EndpointHealthStatus | undefined;
  server(upstream: string, name: string): ServerStatus | undefined;
  /** Answers given so far, by endpoint name. */
  readonly answers: ReadonlyMap<string, number>;
  /** Of this node's balancers. */
  counts(kinds?: readonly CountedPart['kind'][]): BalancerCounts;
  /** The table of sessions of an upstream. */
  readonly sessionMemory: (upstream: string) => SharedArrayBuffer | undefined;
  /** What requests hold against servers. */
  readonly serverOutliers: readonly ServerOutlier[];
  /** What balancers of all regions report. */
  readonly reports: readonly AgentReport[];
  /** What somebody else reports of regions. Absent = nobody does. */
  readonly reportedLoads?: ReadonlyMap<string, ReportedLoad>;
  /** With the servers that they have now. Absent = the configuration's. */
  readonly upstreams?: Readonly<Record<string, UpstreamConfig>>;
  /** Of a zone that is copied from a primary; absent = this node copies none. */
  copy?(zone: string): CopyStatus | undefined;
  /** Of a zone with all that came to it; absent = the configuration's. */
  readonly servedSerial?: (zone: string) => number;
};

/** What nothing foreseeable changes is shown with this TTL. */
const TTL_SHOWN_MAX_SECONDS = 86_400;

export function regionStatuses(facts: Facts): readonly RegionStatus[] {
  const shares = addressShares(facts.serving, facts.words);
  const { config, snapshot } = facts.serving;
  return Object.entries(config.regions).map(([name, region]) => {
    const indexes = [...snapshot.endpoints.keys()].filter(
      (index) => snapshot.endpoints[index]!.region === name,
    );
    const endpoints = indexes.map((index) => endpointStatus(facts, index));
    return {
      name,
      location: region.location,
      vips: region.vips,
      capacity: region.capacity,
      ...reportedOf(facts.reportedLoads?.get(name)),
      state: worstState(endpoints.map(({ state }) => state)),
      endpoints,
      addressShare: indexes.reduce((sum, index) => sum + (shares.get(index) ?? 0), 0),
      answersTotal: endpoints.reduce((sum, { answersTotal }) => sum + answersTotal, 0),
      agents: facts.reports
        .filter(({ region: at }) => at === name)
        .map(({ leaseMs: _, region: _region, ...report }) => report),
    };
  });
}

export function poolStatuses(facts: Facts): readonly PoolStatus[] {
  const { config, snapshot } = facts.serving;
  const services = [...servicesOf(snapshot.services)];
  return Object.entries(config.pools).map(([name, pool]) => ({
    name,
    monitor: pool.monitor,
    names: services.filter((service) => service.pool === name).map(({ owner }) => owner),
    endpoints: [...snapshot.endpoints.keys()]
      .filter((index) => snapshot.endpoints[index]!.pool === name)
      .map((index) => endpointStatus(facts, index)),
  }));
}

export function zoneStatuses(facts: Facts): readonly ZoneStatus[] {
  const { config, snapshot } = facts.serving;
  const services = [...servicesOf(snapshot.services)];
  return Object.entries(config.zones).map(([name, zone]) => ({
    name,
    ...zoneSize(zone, facts.servedSerial?.(name) ?? zone.soa.serial, facts.copy?.(name)),
    steered: services
      .filter((service) => sameZone(service.zone, name))
      .map((service) => ({
        name: service.owner,
        pool: service.pool,
        policy: service.policy,
        classes: classCount(mapAt(snapshot.maps, service.map).classes.classes),
      })),
  }));
}

function zoneSize(zone: ZoneConfig, serial: number, copy: CopyStatus | undefined) {
  // What people wrote and the SOA that every zone has.
  if (zone.primary === undefined) return { serial, rrsets: rrsetCount(zone) + 1 };
  if (copy === undefined) return { serial: 0, rrsets: 0 };
  return { serial: copy.serial === undefined ? 0 : serial, rrsets: copy.rrsets, copy };
}

export function upstreamStatuses(facts: Facts): readonly UpstreamStatus[] {
  const upstreams = facts.upstreams ?? facts.serving.config.balancer.upstreams;
  const counted = new Map(
    facts.counts(['server']).servers.map((each) => [placeKey(each.upstream, each.server), each]),
  );
  return Object.entries(upstreams).map(([name, upstream]) => ({
    name,
    algorithm: upstream.algorithm.kind,
    servers: upstream.servers.map((server) => {
      const health = facts.server(name, server.name);
      const counts = counted.get(placeKey(name, server.name));
      const outlier = outlierOf(facts, name, server.name);
      return {
        name: server.name,
        address: server.address,
        port: server.port,
        weight: server.weight,
        priority: server.priority ?? 0,
        mode: server.mode ?? 'ready',
        origin: server.origin ?? 'file',
        state: health?.state ?? 'unknown',
        reason: health?.reason ?? 'not judged on this node',
        active: counts?.active ?? 0,
        requestsTotal: counts?.requests ?? 0,
        failuresTotal: counts?.failures ?? 0,
        ...(outlier === undefined ? {} : { outlier }),
      };
    }),
  }));
}

/** What requests hold against a server, if they do. */
export function outlierOf(
  { serverOutliers }: Pick<Facts, 'serverOutliers'>,
  upstream: string,
  server: string,
): OutlierStatus | undefined {
  const found = serverOutliers.find((each) => each.upstream === upstream && each.server === server);
  if (found === undefined) return undefined;
  const { level, untilMs, why, workers, workersTotal } = found;
  return { level, why, untilMs, workers, workersTotal };
}

function endpointStatus(facts: Facts, index: number): EndpointStatus {
  const endpoint = facts.serving.snapshot.endpoints[index]!;
  const health = facts.health(endpoint.name);
  const word = facts.words.words[index] ?? 0;
  return {
    name: endpoint.name,
    pool: endpoint.pool,
    region: endpoint.region,
    addresses: addressTexts(endpoint),
    ...(endpoint.cname === undefined ? {} : { cname: formatName(endpoint.cname) }),
    weight: endpoint.weight,
    state: health?.state ?? stateOfWord(word),
    judged: health?.judged ?? 'unknown',
    reason: health?.reason ?? 'not judged on this node',
    ttlSeconds: Math.min(TTL_SHOWN_MAX_SECONDS, health?.ttlSeconds ?? 0),
    share: health?.share ?? 1,
    near: health?.near ?? [],
    answersTotal: facts.answers.get(endpoint.name) ?? 0,
    vantages: health?.vantages ?? [],
  };
}

function addressTexts({ v4, v6 }: SnapshotEndpoint): readonly string[] {
  return [
    ...v4.map((bytes) => formatAddress({ family: 4, bytes })),
    ...v6.map((bytes) => formatAddress({ family: 6, bytes })),
  ];
}

/** True when DNS may answer it. */
export function isUsable(state: HealthState): boolean {
  return state !== 'down' && state !== 'drained' && state !== 'forced-down';
}

/** Worst first. A region without endpoints is not judged. */
const SEVERITY: readonly HealthState[] = [
  'down',
  'forced-down',
  'drained',
  'frozen',
  'degraded',
  'unknown',
  'forced-up',
  'up',
];

function worstState(states: readonly HealthState[]): HealthState {
  return SEVERITY.find((state) => states.includes(state)) ?? 'unknown';
}

/** Zone names with or without the final dot. */
function sameZone(a: string, b: string): boolean {
  return a.replace(/\.$/, '') === b.replace(/\.$/, '');
}

/** The node itself, for people. */
export function describeNode(node: {
  readonly version: string;
  readonly startedAtMs: number;
  readonly ready: boolean;
  readonly serving: Serving;
  readonly latency: LatencyStatus | undefined;
  readonly capacity: CapacityStatus | undefined;
  readonly storeOk: boolean;
  readonly threads: readonly Thread[];
  readonly lastReload: ReloadResult | undefined;
  readonly queriesTotal: number;
}): NodeStatus {
  const { config, geo, snapshot } = node.serving;
  return {
    name: config.node.name,
    version: node.version,
    roles: config.node.roles,
    startedAtMs: node.startedAtMs,
    generation: snapshot.generation,
    revision: snapshot.revision,
    ready: node.ready && isAnswering(node.threads),
    geo: {
      description: geo.description,
      builtAtMs: geo.builtAtMs,
      networks: geo.networks,
      attribution: geo.attribution,
    },
    ...(node.latency && { latency: node.latency }),
    ...(node.capacity && { capacity: node.capacity }),
    store: { kind: config.store.kind, ok: node.storeOk },
    workers: node.threads.map((thread) => ({
      name: thread.name,
      state: thread.state(),
      restarts: thread.restarts(),
      engine: thread.engine(),
    })),
    lastReload: node.lastReload,
    queriesTotal: node.queriesTotal,
  };
}

/** False when all workers of a kind keep dying: nobody is left to do their work. */
function isAnswering(threads: readonly Thread[]): boolean {
  const kinds = new Set(threads.map(kindOf));
  return [...kinds].every((kind) =>
    threads.some((thread) => kindOf(thread) === kind && !thread.isFailing()),
  );
}

/** `dns-udp-2` and `dns-udp-1` are of one kind. */
const kindOf = ({ name }: Thread): string => name.replace(/-\d+$/, '');
