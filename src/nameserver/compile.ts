/**
 * Configuration and geo data -> a snapshot. Runs in the compile worker: it takes seconds where
 * a query may take microseconds. The prefix tables, which are the dear part, are built once per
 * distinct chain and pool, whatever the number of names that use them.
 */
import type { LatencyLayer } from '../clients/latency-layer.ts';
import type { Config, PoolConfig, SteeredConfig, ZoneConfig } from '../config/config.ts';
import { TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_HTTPS, TYPE_SVCB } from '../dns/constants.ts';
import { formatName, parseName } from '../dns/name.ts';
import type { TsigKey } from '../dns/tsig.ts';
import type { GeoDatabase } from '../geo/database.ts';
import { parseAddress } from '../ip/address.ts';
import { parsePrefix } from '../ip/prefix.ts';
import { compilePolicy, readsPlace } from '../steering/policy.ts';
import { inlineChain } from '../steering/policy-chains.ts';
import type { Candidate } from '../steering/step.ts';
import { createZoneCompiler, type ZoneCompiler } from '../zone/compile.ts';
import {
  ANSWERS_ADDRESSES,
  ANSWERS_ALIAS,
  ANSWERS_HTTPS,
  ANSWERS_SVCB,
} from '../zone/compiled-zones.ts';
import type { ZoneSource } from '../zone/zone-source.ts';
import { buildAccess } from './access.ts';
import { candidateOf } from './answer.ts';
import { type ClassMaps, createClassMaps } from './class-maps.ts';
import { packMaps } from './map-table.ts';
import { packServices, type Service } from './services.ts';
import type { ServerIdentity, Snapshot, SnapshotEndpoint, SteeringMap } from './snapshot.ts';
import type { ZoneTransfer } from './transfer-out.ts';
import { createContents, nextContents } from './zone-contents.ts';
import { primariesOf, STANDING_GOOD, standingOf, standingsOf } from './zone-standing.ts';

/** `path` as in the configuration. */
export type CompileIssue = { readonly path: string; readonly message: string };

export type SnapshotCompilation =
  | { readonly ok: true; readonly snapshot: Snapshot }
  | { readonly ok: false; readonly issues: readonly CompileIssue[] };

/** An earlier compilation, whose class maps are taken over where nothing that they are made of changed. */
export type Compiled = { readonly snapshot: Snapshot; readonly geo: GeoDatabase };

/**
 * Compiles all that a DNS worker serves, or tells everything that stands against it. With the same geo
 * data (the same object) as `before`, maps whose chain and candidates are as before are not built again:
 * a changed record costs milliseconds and no memory, and the tables that workers hold stay the same.
 *
 * @param zoneCompiler keeps the zones, so that single ones can be replaced (replace-zones.ts)
 * @param progress told now and then what it is at, and which share of that is done
 * @param latency what was measured of clients; undefined = nothing
 */
export function compileSnapshot(
  config: Config,
  geo: GeoDatabase,
  generation: number,
  revision: number,
  before?: Compiled,
  zoneCompiler: ZoneCompiler = createZoneCompiler(),
  progress: (what: string, share: number) => void = () => {},
  latency?: LatencyLayer,
): SnapshotCompilation {
  const work: Work = {
    config,
    geo,
    issues: [],
    endpoints: [],
    pools: new Map(),
    maps: [],
    mapIndex: new Map(),
    inlinedChains: new Map(),
    classMaps: createClassMaps(geo, latency, before?.geo === geo ? before.snapshot : undefined),
    clientRegions: Object.values(config.regions).map(({ location }) => location),
    services: [],
    progress,
    names: Object.values(config.zones).reduce((sum, { steered }) => sum + steered.length, 0),
  };
  for (const [name, pool] of Object.entries(config.pools)) addPool(work, name, pool);
  const sources = Object.entries(needsAnswers(config) ? config.zones : {}).map(
    ([name, zone]): ZoneSource => ({
      name,
      ttl: zone.ttl,
      soa: zone.soa,
      rrsets: zone.rrsets,
      ...(zone.filed === undefined ? {} : { filed: zone.filed }),
      steered: zone.steered.map((steered, index) => ({
        owner: steered.owner,
        service: addService(work, name, steered, `zones.${name}.steered.${index}`),
        answers: answersOf(steered, work.pools.get(steered.pool)),
        types: typesOf(steered, work.pools.get(steered.pool)),
      })),
      ...denialOf(zone),
    }),
  );
  const zones = zoneCompiler.compile(sources);
  const issues = zones.ok ? work.issues : [...work.issues, ...zones.issues];
  if (!zones.ok || issues.length > 0) return { ok: false, issues };
  const { services, maps, endpoints } = work;
  const { access, explain, rateLimit, udpSizeMax } = config.dns;
  const zoneTable = zones.table;
  const snapshot: Snapshot = {
    generation,
    revision,
    zones: zoneTable,
    services: packServices(services),
    maps: packMaps(maps),
    endpoints,
    regions: Object.keys(config.regions),
    udpSizeMax,
    identity: identityOf(config),
    rateLimits: { ...rateLimit, exempt: prefixesOf(rateLimit.exempt) },
    access: buildAccess(prefixesOf(access.allow), prefixesOf(access.deny)),
    explainAllow: prefixesOf(explain.allow),
    transfers: [],
    signatures: undefined,
    prepared: [],
    tsigKeys: tsigKeysOf(config),
    standings: standingsOf(config),
    primaries: primariesOf(config),
    takesUpdates: Object.values(config.zones).some(({ update }) => update !== undefined),
  };
  const transfers = transfersOf(config, snapshot, before?.snapshot.transfers ?? []);
  return { ok: true, snapshot: { ...snapshot, transfers } };
}

export function tsigKeysOf({ dns: { keys } }: Config): readonly TsigKey[] {
  return Object.entries(keys).flatMap(([text, { algorithm, secret }]) => {
    const name = parseName(text);
    return name ? { name, algorithm, secret: new Uint8Array(Buffer.from(secret, 'base64')) } : [];
  });
}

/** With the contents of before, where they are of the same zone. */
function transfersOf(
  config: Config,
  snapshot: Snapshot,
  before: readonly ZoneTransfer[],
): readonly ZoneTransfer[] {
  const all = Object.entries(config.zones);
  if (!needsAnswers(config) || !all.some(([, { transfer }]) => transfer)) return [];
  const contents = createContents(config.zones, snapshot);
  const known = new Map(before.map((each) => [apexKey(each.contents.at(-1)!.apex), each]));
  return all.flatMap(([name, zone]) => {
    if (zone.transfer === undefined) return [];
    // Secondaries of a secondary stop when it does: told nothing newer, theirs expires as well.
    const isGood = standingOf(zone) === STANDING_GOOD;
    const content = isGood ? contents.of(name) : undefined;
    if (content === undefined) return [];
    const earlier = known.get(apexKey(content.apex))?.contents ?? [];
    return {
      contents: nextContents(earlier, content),
      networks: prefixesOf(zone.transfer.networks),
      keys: zone.transfer.keys.flatMap((key) => parseName(key) ?? []),
    };
  });
}

const apexKey = (apex: Uint8Array): string => formatName(apex).toLowerCase();

const prefixesOf = (networks: readonly string[]) =>
  networks.flatMap((network) => parsePrefix(network) ?? []);

function identityOf({ dns: { identity, tcp } }: Config): ServerIdentity {
  const octets = (text: string | undefined) =>
    text === undefined ? undefined : new TextEncoder().encode(text);
  const { id, reportChannel, version } = identity;
  return {
    id: octets(id),
    version: octets(version),
    reportChannel: reportChannel === undefined ? undefined : parseName(reportChannel),
    idleTimeoutMs: tcp.idleTimeoutMs,
  };
}

/** A node that neither answers nor explains, as a prober, has no use for what answers are made of. */
function needsAnswers({ node: { roles } }: Config): boolean {
  return roles.includes('nameserver') || roles.includes('admin');
}

type Work = {
  readonly config: Config;
  readonly geo: GeoDatabase;
  readonly issues: CompileIssue[];
  readonly endpoints: SnapshotEndpoint[];
  readonly pools: Map<string, CompiledPool>;
  readonly maps: SteeringMap[];
  readonly mapIndex: Map<string, number>;
  /** By the chain as it is written. */
  readonly inlinedChains: Map<SteeringMap['chain'], SteeringMap['chain']>;
  readonly classMaps: ClassMaps;
  /** Where the regions are that clients can be told apart by. */
  readonly clientRegions: SteeringMap['clientRegions'];
  readonly services: Service[];
  readonly progress: (what: string, share: number) => void;
  /** Steered ones in the configuration. */
  readonly names: number;
};

type CompiledPool = {
  readonly regionalHealth: boolean | undefined;
  readonly candidates: readonly Candidate[];
  readonly panicThreshold: number;
  readonly sorry4: readonly Uint8Array[];
  readonly sorry6: readonly Uint8Array[];
  readonly has4: boolean;
  readonly has6: boolean;
  readonly isAlias: boolean;
};

function addPool(work: Work, name: string, pool: PoolConfig): void {
  const path = `pools.${name}`;
  const first = work.endpoints.length;
  for (const [index, endpoint] of pool.endpoints.entries()) {
    const region = work.config.regions[endpoint.region];
    const endpointPath = `${path}.endpoints.${index}`;
    if (region === undefined) {
      const message = `there is no region "${endpoint.region}"`;
      work.issues.push({ path: `${endpointPath}.region`, message });
    }
    const { alpn, cname } = endpoint;
    const own = cname === undefined ? (region?.vips ?? []) : [];
    const texts = endpoint.addresses.length > 0 ? endpoint.addresses : own;
    work.endpoints.push({
      name: `${name}/${endpoint.name ?? endpoint.region}`,
      pool: name,
      region: endpoint.region,
      location: region?.location,
      weight: endpoint.weight,
      ...readAddresses(work, texts, `${endpointPath}.addresses`),
      cname: cname === undefined ? undefined : parseName(cname),
      alpn,
    });
  }
  const endpoints = work.endpoints.slice(first);
  const sorry = readAddresses(work, pool.sorry, `${path}.sorry`);
  const isAlias = endpoints.length > 0 && endpoints.every(({ cname }) => cname !== undefined);
  const has4 = !isAlias && offersFamily(endpoints, 'v4');
  const has6 = !isAlias && offersFamily(endpoints, 'v6');
  if (isAlias) checkAliases(work, pool, path);
  else checkPool(work, pool, path, has4, has6, sorry);
  work.pools.set(name, {
    regionalHealth: pool.regionalHealth,
    candidates: endpoints.map((_, index) => candidateOf(work, first + index)),
    panicThreshold: pool.panicThreshold,
    sorry4: sorry.v4,
    sorry6: sorry.v6,
    has4,
    has6,
    isAlias,
  });
}

/** Addresses instead of a CNAME would have other types answered in one state than in another. */
function checkAliases(work: Work, pool: PoolConfig, path: string): void {
  if (pool.sorry.length === 0) return;
  const message = 'a pool that answers with CNAMEs has no sorry addresses';
  work.issues.push({ path: `${path}.sorry`, message });
}

/**
 * A family is offered by a name when every endpoint has it, and otherwise to nobody: a cache would
 * show one client's "no such data" to others (RFC 7871 7.4), and A and AAAA would part regions.
 */
function offersFamily(endpoints: readonly SnapshotEndpoint[], family: 'v4' | 'v6'): boolean {
  return endpoints.length > 0 && endpoints.every((endpoint) => endpoint[family].length > 0);
}

type Addresses = { readonly v4: readonly Uint8Array[]; readonly v6: readonly Uint8Array[] };

/** What would make a name of the pool answer nothing, in some state or always. */
function checkPool(
  work: Work,
  pool: PoolConfig,
  path: string,
  has4: boolean,
  has6: boolean,
  sorry: Addresses,
): void {
  if (pool.endpoints.length === 0) {
    work.issues.push({ path: `${path}.endpoints`, message: 'a pool needs an endpoint' });
    return;
  }
  if (!has4 && !has6) {
    const message = 'its endpoints have no address family in common';
    work.issues.push({ path: `${path}.endpoints`, message });
  }
  if (pool.endpoints.some(({ cname }) => cname !== undefined)) {
    const message = 'some of its endpoints are answered with a CNAME, others with addresses';
    work.issues.push({ path: `${path}.endpoints`, message });
  }
  if (pool.sorry.length === 0) return;
  if (has4 && sorry.v4.length === 0) {
    const message = 'needs an IPv4 address, for the endpoints have one';
    work.issues.push({ path: `${path}.sorry`, message });
  }
  if (has6 && sorry.v6.length === 0) {
    const message = 'needs an IPv6 address, for the endpoints have one';
    work.issues.push({ path: `${path}.sorry`, message });
  }
}

function readAddresses(work: Work, texts: readonly string[], path: string): Addresses {
  const v4: Uint8Array[] = [];
  const v6: Uint8Array[] = [];
  for (const [index, text] of texts.entries()) {
    const address = parseAddress(text);
    if (address === undefined) {
      work.issues.push({ path: `${path}.${index}`, message: `"${text}" is not an IP address` });
    } else {
      (address.family === 4 ? v4 : v6).push(address.bytes);
    }
  }
  return { v4, v6 };
}

/** Adds a steered owner; returns its index. A broken reference is an issue, and an index anyway. */
function addService(work: Work, zone: string, steered: SteeredConfig, path: string): number {
  const pool = work.pools.get(steered.pool);
  const policy = work.config.policies[steered.policy];
  if (pool === undefined) {
    work.issues.push({ path: `${path}.pool`, message: `there is no pool "${steered.pool}"` });
  }
  if (policy === undefined) {
    const message = `there is no policy "${steered.policy}"`;
    work.issues.push({ path: `${path}.policy`, message });
  }
  if (!(steered.ttlMin >= 0 && steered.ttlMin <= steered.ttlMax)) {
    const message = `${steered.ttlMin} to ${steered.ttlMax} is not a range of TTLs`;
    work.issues.push({ path: `${path}.ttlMin`, message });
  }
  const isSound = pool !== undefined && policy !== undefined && pool.candidates.length > 0;
  const map = isSound ? mapOf(work, steered, pool, policy.chain, `policies.${steered.policy}`) : -1;
  work.services.push({
    owner: steered.owner,
    zone,
    pool: steered.pool,
    policy: steered.policy,
    map,
    has4: pool?.has4 ?? false,
    has6: pool?.has6 ?? false,
    isAlias: pool?.isAlias ?? false,
  });
  return work.services.length - 1;
}

/** Types that the name's service answers. */
export function answersOf(
  { https, svcb }: Pick<SteeredConfig, 'https' | 'svcb'>,
  pool: { readonly isAlias: boolean } | undefined,
): number {
  if (pool?.isAlias === true) return ANSWERS_ALIAS;
  const binding =
    (https === undefined ? 0 : ANSWERS_HTTPS) | (svcb === undefined ? 0 : ANSWERS_SVCB);
  return ANSWERS_ADDRESSES | binding;
}

/** Types that the name has by its service, for everybody. */
function typesOf(
  { https, svcb }: SteeredConfig,
  pool: CompiledPool | undefined,
): readonly number[] {
  if (pool?.isAlias === true) return [TYPE_CNAME];
  return [
    ...(pool?.has4 === true ? [TYPE_A] : []),
    ...(pool?.has6 === true ? [TYPE_AAAA] : []),
    ...(svcb === undefined ? [] : [TYPE_SVCB]),
    ...(https === undefined ? [] : [TYPE_HTTPS]),
  ];
}

/** A zone is signed when it has keys: until they are known it is answered as if it were not. */
function denialOf({ dnssec, isKeyed }: ZoneConfig): Pick<ZoneSource, 'denial'> {
  return dnssec !== undefined && isKeyed ? { denial: dnssec.denial } : {};
}

function mapOf(
  work: Work,
  steered: SteeredConfig,
  pool: CompiledPool,
  written: SteeringMap['chain'],
  path: string,
): number {
  const { https = steered.svcb, ttlMax, ttlMin } = steered;
  const chain = inlined(work, written, path);
  if (chain === undefined) return -1;
  const mapKey = JSON.stringify([steered.pool, chain, ttlMin, ttlMax, https]);
  const known = work.mapIndex.get(mapKey);
  if (known !== undefined) return known;
  const clientRegions = clientRegionsOf(work, pool, chain, path);
  if (clientRegions === undefined) return -1;
  work.progress('maps of steered names', work.services.length / work.names);
  const classes = work.classMaps.of(chain, pool.candidates, clientRegions);
  work.maps.push({
    pool: steered.pool,
    policy: steered.policy,
    chain,
    candidates: pool.candidates.map(({ endpoint }) => endpoint),
    classes,
    clientRegions,
    panicThreshold: pool.panicThreshold,
    sorry4: pool.sorry4,
    sorry6: pool.sorry6,
    ttlMinSeconds: ttlMin,
    ttlMaxSeconds: ttlMax,
    https: https && { ...https, port: https.port },
  });
  work.mapIndex.set(mapKey, work.maps.length - 1);
  return work.maps.length - 1;
}

/** With the chains of the policies that it names; undefined = one of them is broken. */
function inlined(
  { config, inlinedChains, issues }: Work,
  chain: SteeringMap['chain'],
  path: string,
): SteeringMap['chain'] | undefined {
  const known = inlinedChains.get(chain);
  if (known !== undefined) return known;
  try {
    const whole = inlineChain(chain, (name) => config.policies[name]?.chain);
    inlinedChains.set(chain, whole);
    return whole;
  } catch (error) {
    // inlineChain throws on a policy that is not there, or that leads back to itself.
    issues.push({ path: `${path}.chain`, message: (error as Error).message });
    return undefined;
  }
}

/** Where clients are told apart by the region that they are near to; undefined = a broken chain. */
function clientRegionsOf(
  work: Work,
  { regionalHealth }: CompiledPool,
  chain: SteeringMap['chain'],
  path: string,
): SteeringMap['clientRegions'] | undefined {
  try {
    // A policy that does not ask where clients are is to stay so, unless somebody wants it.
    const apart = regionalHealth ?? readsPlace(compilePolicy(chain));
    return apart ? work.clientRegions : NO_REGIONS;
  } catch (error) {
    // compilePolicy throws on an unknown kind or options that its schema refuses.
    work.issues.push({ path: `${path}.chain`, message: (error as Error).message });
    return undefined;
  }
}

const NO_REGIONS: SteeringMap['clientRegions'] = [];
