import { randomBytes } from 'node:crypto';
import type { ServerState } from '../balancer/messages.ts';
import type { PageReport } from '../balancer/session.ts';
import { type Facts, openFacts } from '../cluster/facts.ts';
import type { NodeInfo } from '../cluster/node-table.ts';
import { createRegistry, type Registry } from '../cluster/registry.ts';
import type { Reach } from '../cluster/store-sync.ts';
import type { Config } from '../config/config.ts';
import { systemClock, wallClockMs } from '../control/clock.ts';
import { createEvents, type Events } from '../control/events.ts';
import { createOverrides, type Overrides, type OverridesChange } from '../control/overrides.ts';
import { createReportedLoads, type ReportedLoads } from '../control/reported-loads.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { Override } from '../health/override.ts';
import type { SocketProblem } from '../io/sockets.ts';
import { createMapKeeper, type MapKeeper } from '../latency/map-keeper.ts';
import { createHealthDesk, type HealthDesk, isAlarm } from '../monitoring/health-desk.ts';
import { createPlanKeeper, type PlanKeeper } from '../planning/plan-keeper.ts';
import { probeKinds } from '../probe/registry.ts';
import { storeKinds } from '../store/registry.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type Compiler, createCompiler } from '../workers/compiler.ts';
import { createSigner, type Signer } from '../workers/signer.ts';
import { withSigning } from '../workers/signing-compiler.ts';
import { type ClusterLink, clusterKeys, openClusterLink } from './cluster.ts';
import { type Copier, createCopier } from './copier.ts';
import { withLatency } from './latency-desk.ts';
import { type LiveServers, openLiveServers } from './live-servers.ts';
import { openSecondaries } from './open-secondaries.ts';
import type { Secondaries } from './secondaries.ts';
import { readState } from './state-file.ts';
import { createZoneOverlays, withZoneOverlays, type ZoneOverlays } from './zone-overlays.ts';

/** What every node has, whatever its roles: health, durable facts, the other nodes, the event log. */
export type Parts = {
  readonly log: Log;
  readonly config: Config;
  readonly compiler: Compiler;
  readonly signer: Signer;
  /** What zones have besides what is written; followed by what is served. */
  readonly overlays: ZoneOverlays;
  /** What is copied from primaries. */
  readonly secondaries: Secondaries;
  readonly copier: Pick<Copier, 'threads'>;
  /** The latency map in force. */
  readonly latencyMaps: MapKeeper;
  /** The capacity plan in force. */
  readonly plans: PlanKeeper;
  readonly events: Events;
  readonly store: Store;
  readonly facts: Facts;
  readonly overrides: Overrides;
  readonly reportedLoads: ReportedLoads;
  /** Of the balancer's upstreams. */
  readonly servers: LiveServers;
  readonly desk: HealthDesk;
  readonly link: ClusterLink;
  readonly registry: Registry;
  /** Nodes share secrets: there is a cluster key. */
  readonly isKeyed: boolean;
  /** Who hears of health and people's words: nobody until there are workers. */
  readonly told: Told;
  /** Judges by this configuration from now on, once its servers are looked up; the first answers may be given. */
  begin(config: Config): Promise<void>;
  close(): Promise<void>;
};

export type Told = {
  words: (words: HealthWords) => void;
  servers: (states: readonly ServerState[]) => void;
  overrides: (current: readonly Override[]) => void;
  /** What this node says of what it serves. */
  serving: () => {
    readonly generation: number;
    readonly revision: number;
    readonly configSha: string;
  };
  /** What this node says of the added records that it serves. */
  records: () => string;
  /** A configuration begins to be served. */
  config: (config: Config) => void;
  /** How far clients are from a region (balancer/messages.ts). */
  roundTrips: (region: string, samples: Float64Array) => void;
  /** What pages of clients say of ways. */
  pageReports: (reports: readonly PageReport[]) => void;
  /** Who asks (nameserver/source-sampler.ts). */
  sources: (sources: Uint8Array) => void;
};

export type PartsResult =
  | { readonly ok: true; readonly parts: Parts }
  | { readonly ok: false; readonly problem: SocketProblem };

/** Peers found in the registry are looked for this often. */
const SEEDS_INTERVAL_MS = 2000;
/** The cluster's clock may drift by 50 ms from what it was when overrides were told, before it says so. */
const LAPSE_SLACK_MS = 150;

type PartsOf = { readonly config: Config; readonly log: Log; readonly version: string };
/** Threads. */
type PartFiles = { readonly compile: URL; readonly copy: URL; readonly signer: URL };

export async function openParts(
  { config, log, version }: PartsOf,
  files: PartFiles,
): Promise<PartsResult> {
  const found = clusterKeys(config.cluster);
  if (!found.ok) return { ok: false, problem: found };
  const store = await openStore(config);
  const told = toldNobody();
  let link: ClusterLink | undefined;
  const hasPeers = (): boolean =>
    link?.exchange.peers().some(({ state }) => state === 'connected') ?? false;
  const facts = openFacts({ ...factsOptions(config, found.keys), store, hasPeers, log });
  const events = createEvents({ node: config.node.name, nowMs: facts.clock.nowMs, store, log });
  const overlays = createZoneOverlays();
  const directory = config.node.stateDirectory;
  const steering = openSteering({ store, events, directory });
  const { latencyMaps } = steering;
  const { compiler, signer, unsigned } = openCompilers(files, {
    overlays,
    latencyMaps,
    events,
    log,
  });
  const copier = createCopier(files.copy, directory, { log, record: events.record });
  // What is only checked needs no signatures.
  const secondaries = openSecondaries(copier, unsigned, { overlays, events, log });
  const desk = openDesk(events, told, () => link);
  const registry = openRegistry({ config, version, store, facts, log, told, link: () => link });
  const opened = await openClusterLink({
    ...{ config, log, store, keys: found.keys },
    ...{ wallMs: wallClockMs, clock: systemClock },
    ...{ ears: desk.ears, heldJudgements: desk.heldJudgements },
    ...{ facts: facts.gossip, describe: registry.describe },
    onNode(name, text) {
      const info = registry.heard(name, text);
      if (info) facts.clock.heardPeer(name, info.wallMs - wallClockMs());
    },
  });
  const closeAll = async (): Promise<void> => {
    for (const each of Object.values(steering)) each.close();
    await secondaries.close();
    await copier.close();
    await registry.close();
    await link?.close();
    for (const each of [desk, compiler, signer, facts, store]) await each.close();
  };
  if (!opened.ok) {
    await closeAll();
    return { ok: false, problem: opened };
  }
  link = opened.link;
  const stopTalking = talkOfFacts(link, facts, registry, config);
  const overrides = followOverrides(facts, desk, events, told);
  adoptState(config, { log, desk, overrides });
  // What the store holds is known before anything is answered, unless it is away.
  await facts.ready;
  const servers = openLiveServers({ config, facts, events, log });
  const { exchange } = link;
  const begin = async (first: Config): Promise<void> => {
    exchange.setVantages(ownVantages(first));
    await servers.follow(first);
    desk.start(servers.live(first), deskOverrides(overrides.current(), facts));
  };
  const close = async (): Promise<void> => {
    stopTalking();
    servers.close();
    overrides.close();
    await closeAll();
  };
  const isKeyed = found.keys.length > 0;
  const made = { log, config, compiler, overlays, events, store, facts, overrides, desk, link };
  const others = {
    reportedLoads: createReportedLoads(facts),
    ...steering,
    ...{ signer, copier, secondaries, registry, isKeyed, servers, told },
    ...{ begin, close },
  };
  return { ok: true, parts: { ...made, ...others } };
}

/** What one node makes for all. */
function openSteering(
  parts: Parameters<typeof createPlanKeeper>[0],
): Pick<Parts, 'latencyMaps' | 'plans'> {
  return { latencyMaps: createMapKeeper(parts), plans: createPlanKeeper(parts) };
}

/** Who compiles what is written, with signatures and without. */
function openCompilers(
  files: PartFiles,
  {
    events,
    latencyMaps,
    log,
    overlays,
  }: Pick<Parts, 'events' | 'latencyMaps' | 'log' | 'overlays'>,
) {
  const voice = { log, record: events.record };
  const signer = createSigner(files.signer, voice);
  const unsigned = withZoneOverlays(createCompiler(files.compile, voice), overlays);
  const compiler = withSigning(withLatency(unsigned, latencyMaps), signer, log);
  return { compiler, signer, unsigned };
}

/** What durable facts need that does not come from other parts. */
function factsOptions({ cluster, node, store }: Config, keyTexts: readonly string[]) {
  return {
    node: node.name,
    directory: node.stateDirectory,
    keyTexts,
    clock: systemClock,
    wallMs: wallClockMs,
    draw: Math.random,
    drawBytes: randomBytes,
    reach: reachOf({ cluster, store }),
  };
}

function toldNobody(): Told {
  return {
    words: () => {},
    servers: () => {},
    overrides: () => {},
    serving: () => ({ generation: 0, revision: 0, configSha: '' }),
    records: () => '',
    config: () => {},
    roundTrips: () => {},
    pageReports: () => {},
    sources: () => {},
  };
}

/** Names of the vantage points that this node speaks for. */
export function ownVantages({ node }: Config): readonly string[] {
  return node.roles.includes('prober') ? node.vantages.map(({ name }) => name) : [];
}

export function reachOf({ cluster, store }: Pick<Config, 'cluster' | 'store'>): Reach {
  if (store.kind !== 'memory') return 'store';
  return cluster.listen.length > 0 ? 'peers' : 'alone';
}

function openStore(config: Config): Promise<Store> {
  const kind = storeKinds.find((each) => each.kind === config.store.kind);
  if (!kind) throw new Error(`There is no store kind "${config.store.kind}".`);
  return kind.open(config.store.options, systemClock);
}

function openDesk(events: Events, told: Told, link: () => ClusterLink | undefined): HealthDesk {
  return createHealthDesk({
    clock: systemClock,
    draw: Math.random,
    probes: probeKinds,
    onWords: (words) => told.words(words),
    onServers: (states) => told.servers(states),
    onEvents(happened) {
      for (const event of happened) {
        events.record(event.kind, event.subject, event.message, isAlarm(event) ? 'warn' : 'info');
      }
    },
    onStatement: (statement) => link()?.exchange.put(statement),
    onWithdrawn: (vantage, key) => link()?.exchange.withdraw(vantage, key),
    onVantage: (word) => link()?.exchange.setVantage(word),
    onTargets: () => link()?.exchange.retell(),
  });
}

type RegistryDeps = {
  readonly config: Config;
  readonly version: string;
  readonly store: Store;
  readonly facts: Facts;
  readonly log: Log;
  readonly told: Told;
  readonly link: () => ClusterLink | undefined;
};

function openRegistry({ config, facts, link, log, store, told, version }: RegistryDeps): Registry {
  const startedAtMs = facts.clock.nowMs();
  const incarnation = Math.floor(wallClockMs());
  const { admin, node } = config;
  return createRegistry({
    name: node.name,
    store,
    clock: facts.clock,
    log,
    self: (): NodeInfo => ({
      version,
      roles: node.roles,
      region: node.vantages.find(({ region }) => region !== undefined)?.region,
      peerAddress: link()?.address,
      adminUrl: node.roles.includes('admin') ? `http://${admin.address}:${admin.port}` : undefined,
      ...told.serving(),
      records: told.records(),
      startedAtMs,
      incarnation,
      wallMs: wallClockMs(),
    }),
    introduce: () => link()?.exchange.introduce(),
  });
}

/** New facts go to the others at once; others are looked for where the registry knows them. */
function talkOfFacts(
  { exchange, address }: ClusterLink,
  { gossip, replica }: Facts,
  registry: Registry,
  { cluster }: Config,
): () => void {
  const stopTelling = replica.onChange(({ fact, origin }) => {
    // Those that came from another node have reached the others from there.
    if (origin !== 'peer') exchange.tellFacts(gossip.records(fact));
  });
  const lookAround = (): void => {
    const registered = registry.list().flatMap(({ isSelf, peerAddress }) => {
      return isSelf || peerAddress === undefined ? [] : [peerAddress];
    });
    const seeds = new Set([...cluster.peers, ...registered]);
    if (address !== undefined) seeds.delete(address);
    exchange.setSeeds([...seeds]);
  };
  const timer = setInterval(lookAround, SEEDS_INTERVAL_MS);
  timer.unref();
  lookAround();
  return () => {
    stopTelling();
    clearInterval(timer);
  };
}

function followOverrides(facts: Facts, desk: HealthDesk, events: Events, told: Told): Overrides {
  const tell = (current: readonly Override[]): void => {
    desk.setOverrides(deskOverrides(current, facts));
    told.overrides(current);
  };
  const overrides = createOverrides({
    ...facts,
    onChange({ current, lapsed }: OverridesChange) {
      tell(current);
      for (const { action, target } of lapsed) {
        const message = `The ${action} of ${target.kind} ${target.name} has run out.`;
        events.record(`${target.kind}.override-lapsed`, target.name, message);
      }
    },
  });
  facts.clock.onStep(() => tell(overrides.current()));
  return overrides;
}

/**
 * Overrides end by the cluster's clock, health runs by the machine's steady one. Their own end comes
 * first, so that nobody sees the answers back while the override is still listed.
 */
function deskOverrides(current: readonly Override[], { clock }: Facts): readonly Override[] {
  const aheadMs = clock.nowMs() - systemClock.nowMs();
  return current.map((override) => {
    const { expiresAtMs } = override;
    return expiresAtMs === undefined
      ? override
      : { ...override, expiresAtMs: expiresAtMs - aheadMs + LAPSE_SLACK_MS };
  });
}

/** What was known before a restart. */
function adoptState(
  { node: { stateDirectory } }: Config,
  { desk, log, overrides }: Pick<Parts, 'log' | 'desk' | 'overrides'>,
): void {
  if (stateDirectory === undefined) return;
  const { problem, state } = readState(stateDirectory);
  if (problem !== undefined) {
    log.warn('state.unreadable', `${problem}: nothing is known of before.`);
  }
  if (!state) return;
  desk.importState(state);
  overrides.adopt(state.overrides);
}
