import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createAdmin } from '../admin/api.ts';
import { balancerCounts } from '../balancer/counts.ts';
import type { Config } from '../config/config.ts';
import type { ConfigIssue } from '../config/issue.ts';
import { systemClock } from '../control/clock.ts';
import { createConfigRevisions } from '../control/config-revisions.ts';
import type { ControlPlane } from '../control/control-plane.ts';
import { explainDeferred } from '../control/explain-now.ts';
import { createControlPlane } from '../control/plane.ts';
import { createServerWriter } from '../control/server-writer.ts';
import type { Serving } from '../control/serving.ts';
import { describeNode, type Facts } from '../control/status.ts';
import type { DrillPhases } from '../drill/plan.ts';
import type { SocketProblem } from '../io/sockets.ts';
import { giveBackMemory, openSyscalls } from '../io/syscall.ts';
import { queriesTotal } from '../nameserver/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { type BalancerWorkers, openBalancerWorkers } from '../workers/balancer-workers.ts';
import { compileBeforeExit } from '../workers/compiling.ts';
import { type DnsWorkers, openDnsWorkers } from '../workers/dns-workers.ts';
import type { Thread } from '../workers/thread.ts';
import type { Agent } from './agent.ts';
import { canBatch } from './can-batch.ts';
import { openCapacityDesk } from './capacity-desk.ts';
import { type CertificateKeeper, openCertificates } from './certificate-keeper.ts';
import { type ConfigSource, checkShared, type LoadedConfig, loadConfig } from './config-file.ts';
import { keepCookies } from './cookies.ts';
import { describeCluster } from './describe-cluster.ts';
import { findRing } from './find-ring.ts';
import { openLatencyDesk } from './latency-desk.ts';
import { openParts, type Parts } from './parts.ts';
import type { RecordKeeper } from './record-keeper.ts';
import { chooseServing, startRevisions } from './revision.ts';
import { createServed, type Served, type ServedFrom } from './served.ts';
import { openShelf } from './shelf.ts';
import { openZoneKeys } from './signing.ts';
import { keepState } from './state-keeper.ts';
import { openRecordKeeper, startWriters } from './writers.ts';
import { servedSerial } from './zone-overlays.ts';

/**
 * One node, from a configuration file to everything that its roles say, and back down again. The
 * order is the point: nothing is announced before it is served, and nothing is closed while
 * something still leans on it.
 */
export type NodeOptions = ConfigSource & {
  /** What `file` says, when it was read already. */
  readonly loaded?: LoadedConfig;
  readonly log: Log;
  readonly version: string;
  /** The built page; undefined = the API only. */
  readonly dashboardDirectory?: string | undefined;
  /** Default: those of drill/plan.ts. */
  readonly drillPhases?: DrillPhases;
};

export type StartResult =
  | { readonly ok: true; readonly node: RunningNode }
  | { readonly ok: false; readonly problem: StartProblem };

export type StartProblem =
  | { readonly kind: 'config'; readonly issues: readonly ConfigIssue[] }
  | {
      readonly kind: 'sockets';
      readonly problems: readonly { readonly message: string; readonly hint: string }[];
    }
  | { readonly kind: 'compile'; readonly reasons: readonly string[] };

export type RunningNode = {
  readonly config: Config;
  readonly warnings: readonly ConfigIssue[];
  readonly plane: ControlPlane;
  /** Where DNS is served (UDP and TCP). */
  readonly dns: readonly { readonly address: string; readonly port: number }[];
  readonly adminUrl: string | undefined;
  threads(): readonly Thread[];
  /** The access log goes on in new files of the same names. */
  reopenLogs(): void;
  /** Silences a vantage point of this node, or wakes it again. */
  setVantage(name: string, awake: boolean): void;
  /** Finishes what is in flight for at most `graceMs`, then ends. */
  stop(graceMs?: number): Promise<void>;
};

const STOP_GRACE_MS = 2000;
/** Workers take a snapshot of a million records in seconds. */
const START_TIMEOUT_MS = 30_000;
const root = (name: string): URL => new URL(`../${name}.ts`, import.meta.url);

export async function startNode(options: NodeOptions): Promise<StartResult> {
  const loaded = options.loaded ?? loadConfig(options);
  if (!loaded.ok) return { ok: false, problem: { kind: 'config', issues: loaded.issues } };
  const { config } = loaded;
  giveBackMemory();
  const opened = await openParts(
    { ...options, config },
    { compile: root('compile-worker'), copy: root('copy-worker'), signer: root('signer-worker') },
  );
  if (!opened.ok) return { ok: false, problem: { kind: 'sockets', problems: [opened.problem] } };
  const { parts } = opened;
  const keeper = openRecordKeeper(parts);
  const shelf = openShelf(config.node.stateDirectory);
  const revisions = await startRevisions(parts, shelf);
  const choose = () => chooseServing(options, loaded, revisions, parts.compiler);
  if (config.node.roles.includes('nameserver')) await parts.secondaries.adopt(config);
  const zoneKeys = await openZoneKeys(parts, config);
  let chosen = await choose();
  // A copy that does not fit what is configured now is one that has to be fetched again.
  if (!chosen.ok && parts.secondaries.disown()) chosen = await choose();
  if (!chosen.ok) {
    keeper.close();
    zoneKeys?.close();
    await parts.close();
    return { ok: false, problem: { kind: 'compile', reasons: chosen.reasons } };
  }
  const { serving } = chosen;
  for (const warning of chosen.geoWarnings) parts.log.warn('geo.unreadable', warning);
  await parts.begin(serving.config);
  const roles = await openRoles(parts, serving);
  const from = { ...chosen, revisions, shelf, zoneKeys };
  const life = bringToLife(options, parts, from, roles, keeper);
  const admin = await openAdmin(options, config, life.plane);
  const problems = [...roles.problems, ...(admin && !admin.ok ? [admin] : [])];
  let stopSaving = (): void => {};
  const stop = async (graceMs = STOP_GRACE_MS): Promise<void> => {
    life.agent.leave();
    // First, so that a reload that waits for it ends as well.
    await parts.compiler.close();
    await life.close();
    // Before anything closes: what a node saw of its own end is not to be believed after a restart.
    stopSaving();
    await parts.desk.close();
    if (admin?.ok) await admin.close();
    await Promise.all([roles.dns?.stop(), roles.balancer?.stop(graceMs)]);
    await parts.close();
  };
  if (problems.length > 0) {
    await stop(0);
    return { ok: false, problem: { kind: 'sockets', problems } };
  }
  // Only now: a probe before the balancer listens would find a region down that is just starting.
  parts.desk.probe();
  life.setReady();
  stopSaving = keepState(config.node.stateDirectory, parts);
  const adminUrl = admin?.ok ? admin.url : undefined;
  const dns = roles.dns?.listeners ?? [];
  const { plane, threads } = life;
  const setVantage = (name: string, awake: boolean): void => {
    parts.desk.setVantage(name, awake);
    parts.link.exchange.setSilent(name, !awake);
  };
  return {
    ok: true,
    node: {
      config: serving.config,
      warnings: chosen.configIssues,
      plane,
      dns,
      adminUrl,
      threads,
      reopenLogs: () => roles.balancer?.reopenLogs(),
      setVantage,
      stop,
    },
  };
}

type Roles = {
  readonly dns: DnsWorkers | undefined;
  readonly balancer: BalancerWorkers | undefined;
  readonly certificates: CertificateKeeper | undefined;
  readonly problems: readonly SocketProblem[];
};

/** Opens all sockets of all roles before saying what is wrong with any. */
async function openRoles(
  { desk, events, log, servers, signer, told }: Parts,
  serving: Serving,
): Promise<Roles> {
  const config = servers.live(serving.config);
  const found = openSyscalls();
  if (!found.ok) {
    const what = 'Workers open their own sockets, and UDP is read one datagram after the other';
    log.warn('sockets.portable', `${what}, by the portable engine: ${found.reason}.`);
  }
  const syscalls = found.ok ? found.calls : undefined;
  if (syscalls) compileBeforeExit();
  const problems: SocketProblem[] = [];
  const keep = <Workers>(
    opened:
      | { readonly ok: true; readonly workers: Workers }
      | { readonly ok: false; readonly problems: readonly SocketProblem[] },
  ): Workers | undefined => {
    if (opened.ok) return opened.workers;
    problems.push(...opened.problems);
    return undefined;
  };
  const { roles, workers } = config.node;
  const voice = { log, record: events.record };
  const states = desk.serverStates();
  const file = root('balancer-worker');
  // Also without listeners: a reload may bring the first one.
  const balances = roles.includes('balancer');
  const ringCalls =
    balances && syscalls ? await findRing(syscalls, config.balancer.engine, log) : undefined;
  const balancer = balances
    ? keep(
        openBalancerWorkers({
          ...{ ...voice, config, file, syscalls, ringCalls, states },
          onRoundTrips: (region, samples) => told.roundTrips(region, samples),
          onPageReports: (reports) => told.pageReports(reports),
        }),
      )
    : undefined;
  const shown = roles.includes('nameserver')
    ? openCertificates(config.dns, systemClock, events)
    : undefined;
  if (shown && !shown.ok) problems.push(...shown.problems);
  const dns = shown?.ok
    ? keep(
        openDnsWorkers({
          ...voice,
          dns: config.dns,
          count: workers.dns,
          hasBatches: syscalls !== undefined && canBatch(syscalls, config.dns.udpEngine, log),
          udpFile: root('udp-worker'),
          streamFile: root('stream-worker'),
          tapFile: root('dnstap-worker'),
          syscalls,
          snapshot: serving.snapshot,
          health: desk.words(),
          signer,
          certificates: shown.keeper.certificates,
          onSources: (sources) => told.sources(sources),
        }),
      )
    : undefined;
  for (const each of [dns, balancer]) {
    if (each === undefined) continue;
    const late = await Promise.race([each.ready, notReady(each.threads)]);
    if (late) problems.push(late);
  }
  return { dns, balancer, certificates: shown?.ok ? shown.keeper : undefined, problems };
}

/** Workers that keep dying at the start will not do better later. */
async function notReady(threads: () => readonly Thread[]): Promise<SocketProblem> {
  await delay(START_TIMEOUT_MS, undefined, { ref: false });
  const names = threads().flatMap(({ name, state }) => (state() === 'running' ? [] : [name]));
  return {
    code: 'NOT_READY',
    message: `Workers do not start: ${names.join(', ')}.`,
    hint: 'The lines of the log above say why; descriptors (`ulimit -n`) and memory are the usual reasons.',
  };
}

type Life = {
  readonly plane: ControlPlane;
  readonly agent: Agent;
  threads(): readonly Thread[];
  setReady(): void;
  /** Settles when no reload runs any more. */
  close(): Promise<void>;
};

/** Who learns of clients and plans where they go. */
function openPlanners(parts: Parts, dns: DnsWorkers | undefined, served: Served) {
  const latency = openLatencyDesk(parts, root('planner-worker'), served.current, dns);
  const capacity = openCapacityDesk(parts, dns, served);
  return {
    status: () => ({ latency: latency.status(), capacity: capacity.status() }),
    capacity: capacity.view,
    async close(): Promise<void> {
      capacity.close();
      await latency.close();
    },
  };
}

/** Ties health, configuration and people to the running workers. */
function bringToLife(
  options: NodeOptions,
  parts: Parts,
  from: ServedFrom,
  roles: Roles,
  keeper: RecordKeeper,
): Life {
  const { events, overrides, store } = parts;
  const { clock } = parts.facts;
  const { balancer, certificates, dns } = roles;
  if (dns) certificates?.watch(dns.setCertificates);
  const threads = (): Thread[] =>
    [dns, parts.signer, parts.copier, balancer].flatMap((each) => each?.threads() ?? []);
  const served = createServed(options, parts, from, roles);
  const { current, record, reloader } = served;
  const planners = openPlanners(parts, dns, served);
  const writers = startWriters(parts, keeper, served, dns);
  let ready = false;
  const startedAtMs = clock.nowMs();
  const facts = (): Facts => factsOf(served, parts, roles);
  const { secrets } = parts.facts;
  const cookies = dns && keepCookies({ secrets, clock, draw: randomBytes, tell: dns.setCookies });
  dns?.onDeferred('explain', (query) => explainDeferred(facts(), query, record.replay.config()));
  dns?.onDeferred('notify', (query) => parts.secondaries.notified(query));
  const { plane, drills } = createControlPlane({
    clock,
    overrides,
    events,
    facts,
    replay: record.replay,
    zoneKeys: from.zoneKeys,
    ...{ reportedLoads: parts.reportedLoads, capacity: planners.capacity },
    clusterStatus: () => describeCluster(parts),
    nodeStatus: () =>
      describeNode({
        version: options.version,
        startedAtMs,
        ready,
        serving: current(),
        ...planners.status(),
        storeOk: store.status().state === 'ready',
        threads: threads(),
        lastReload: reloader.last(),
        queriesTotal: dns === undefined ? 0 : queriesTotal(dns.counters.total),
      }),
    reload: reloader.reload,
    refreshCopy: parts.secondaries.refresh,
    ...writers.people,
    serverWriter: openServerWriter(parts, balancer, () => current().config),
    configRevisions: createConfigRevisions({
      ...parts.facts,
      kept: served.kept,
      async compile(config) {
        const { generation, revision } = current().snapshot;
        const request = { config, generation, revision, isPast: true };
        const compiled = await parts.compiler.compile(request);
        return compiled.ok ? [] : compiled.reasons;
      },
      async served() {
        await reloader.settled();
        return current().snapshot.revision;
      },
      current: () => current().config,
      check: (text, name) => checkShared(options, { text, name }),
    }),
    drillPhases: options.drillPhases ?? {},
    ...numbersOf(dns),
  });
  return {
    plane,
    agent: served.agent,
    threads,
    setReady() {
      ready = true;
    },
    async close() {
      ready = false;
      writers.close();
      cookies?.close();
      certificates?.close();
      drills.close();
      await planners.close();
      await served.close();
    },
  };
}

function openServerWriter(
  { desk, events, facts, servers }: Parts,
  balancer: Roles['balancer'],
  config: () => Config,
) {
  return createServerWriter({
    words: servers.words,
    inForce: async () => balancer?.heard(),
    isDown: (upstream, server) =>
      ['down', 'unready'].includes(desk.serverStatus(upstream, server)?.state ?? 'unknown'),
    upstreams: () => servers.live(config()).balancer.upstreams,
    clock: facts.clock,
    events,
  });
}

function factsOf({ current, health }: Served, parts: Parts, { balancer, dns }: Roles): Facts {
  const { desk, overlays, secondaries } = parts;
  const serving = current();
  return {
    serving,
    upstreams: parts.servers.live(serving.config).balancer.upstreams,
    servedSerial: (zone) => servedSerial(serving.config, overlays, zone),
    words: desk.words(),
    plan: health.plan(),
    slotsWithout: health.without,
    health: desk.status,
    server: desk.serverStatus,
    answers: dns?.counters.answers() ?? new Map(),
    counts: (kinds) => balancer?.counts(kinds) ?? balancerCounts([]),
    sessionMemory: (upstream) => balancer?.sessionMemory(upstream),
    serverOutliers: balancer?.outliers() ?? [],
    reports: desk.reports(),
    reportedLoads: parts.reportedLoads.current(),
    copy: secondaries.status,
  };
}

function numbersOf(dns: DnsWorkers | undefined) {
  return {
    slotTotal: (slot: number) => dns?.counters.total(slot) ?? 0,
    socketQueues: () => dns?.queues() ?? [],
    hasCollector: () => dns?.dnstap.isConnected(),
  };
}

async function openAdmin(options: NodeOptions, config: Config, plane: ControlPlane) {
  if (!config.node.roles.includes('admin')) return undefined;
  const { address, port, tokens } = config.admin;
  const { dashboardDirectory, log } = options;
  return createAdmin({
    plane,
    address,
    port,
    tokens,
    logger: log.pino,
    ...(dashboardDirectory === undefined ? {} : { dashboardDirectory }),
  });
}
