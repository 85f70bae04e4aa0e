import {
  type KeySource,
  type Picker,
  type PickState,
  type RequestOutcome,
  SCRATCH,
} from '../balancing/algorithm.ts';
import { balancingAlgorithms } from '../balancing/registry.ts';
import {
  type AdmissionState,
  createAdmissionState,
  observeAdmitted,
} from '../resilience/admission.ts';
import { carryOver } from '../resilience/carry-over.ts';
import {
  createKeepAliveState,
  DEFAULT_KEEP_ALIVE,
  forgetAges,
  type KeepAliveRules,
  type KeepAliveState,
} from '../resilience/keepalive-learning.ts';
import { OUTCOME, type Outcome } from '../resilience/outlier.ts';
import type { RetryBudget } from '../resilience/retry-budget.ts';
import type { RetryRules } from '../resilience/retry-rules.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';
import type { CookieAffinity } from './cookie-affinity.ts';
import { createCookieAffinity } from './cookie-affinity.ts';
import { COUNTER_SCRATCH, type CounterPlace, NOT_MEASURED, SERVER_COUNTER } from './counters.ts';
import { createHedging, type Hedging } from './hedge-lane.ts';
import type { ServerState } from './messages.ts';
import { retryBudgetOf, retryRulesOf } from './retrying.ts';
import {
  beginInRoom,
  beginTunnelInRoom,
  createRoom,
  endInRoom,
  endTunnelInRoom,
  isFull,
  learnAnswer,
  type Room,
} from './room.ts';
import type { Session } from './session.ts';
import type { UpstreamSnapshot } from './snapshot.ts';
import {
  createStanding,
  firstLevel,
  observeProbes,
  observeRequest,
  refreshStanding,
  type Standing,
} from './standing.ts';
import { createTableAffinity, type TableAffinity } from './table-affinity.ts';
import { discardConnection, type UpstreamConnection } from './upstream-connection.ts';

/** Upstreams at work: which server takes the next request, and what is in flight on each. */
export type Upstream = {
  readonly settings: UpstreamSnapshot;
  readonly servers: readonly UpstreamServer[];
  readonly picker: Picker;
  /** What requests are kept on their server by; undefined when they are not. */
  readonly keySource: KeySource | undefined;
  readonly cookie: CookieAffinity | undefined;
  readonly sessions: TableAffinity | undefined;
  readonly standing: Standing;
  /** Of `standing`. */
  readonly usable: Uint8Array;
  readonly weights: Float64Array;
  readonly active: Uint32Array;
  readonly connections: Uint32Array;
  readonly awaited: Uint32Array;
  readonly awaitedSinceMs: Float64Array;
  readonly scratch: Float64Array;
  /** Undefined when nothing is limited. */
  readonly room: Room<Session> | undefined;
  /** How it fared of late; undefined when that makes no difference. */
  readonly admission: AdmissionState | undefined;
  /** How old idle connections to each server may become. */
  readonly keepAlive: KeepAliveState;
  readonly keepAliveRules: KeepAliveRules;
  readonly retryRules: RetryRules;
  readonly retryBudget: RetryBudget;
  /** Shared with those that had its name before. */
  readonly place: Pick<CounterPlace, 'base'>;
  /** Undefined when nothing is hedged. */
  readonly hedging: Hedging | undefined;
};

/** One server, kept over snapshots while its name and address stay; `index` is its slot in `upstream`. */
export type UpstreamServer = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  upstream: Upstream | undefined;
  index: number;
  /** Probes have nothing against it. */
  usable: boolean;
  /** It takes nobody new. */
  draining: boolean;
  /** It takes a smaller share. */
  degraded: boolean;
  active: number;
  /** As in `PickState`. Kept whatever the algorithm, so that one that takes over knows of those in flight. */
  awaited: number;
  awaitedSinceMs: number;
  /** Connections that have become tunnels. */
  tunnels: number;
  counterBase: number;
  /** Of its histograms; NOT_MEASURED when it has none. */
  latencyBase: number;
  /** The one used last comes last and is taken first, so that surplus ones grow old. */
  readonly idle: UpstreamConnection[];
};

/** Where an upstream and its servers, by index, are counted. */
export type UpstreamPlaces = {
  readonly upstream: number;
  readonly servers: readonly number[];
  readonly latencies: readonly number[];
};

/** Builds the upstream; servers that `former` had already come along with their connections. */
export function createUpstream(
  settings: UpstreamSnapshot,
  former: Upstream | undefined,
  places: UpstreamPlaces,
  voice: Pick<Standing, 'draw' | 'report'>,
  nowMs: number,
  directory?: SessionDirectory,
): Upstream {
  const algorithm = balancingAlgorithms.find(({ kind }) => kind === settings.algorithm.kind);
  // Validation has checked the kind; a miss is a bug.
  if (algorithm === undefined) throw new Error(`unknown algorithm: ${settings.algorithm.kind}`);
  const servers = serversOf(settings, former);
  const options = algorithm.options.parse(settings.algorithm.options);
  const load = {
    active: Uint32Array.from(servers, ({ active }) => active),
    connections: Uint32Array.from(servers, ({ active, tunnels }) => active + tunnels),
    awaited: Uint32Array.from(servers, ({ awaited }) => awaited),
    awaitedSinceMs: Float64Array.from(servers, ({ awaitedSinceMs }) => awaitedSinceMs),
    scratch: learntBefore(settings, servers, former),
  };
  const formerIndexes = servers.map(({ index, upstream }) =>
    upstream !== undefined && upstream === former ? index : -1,
  );
  const said = {
    healthy: Uint8Array.from(servers, ({ usable }) => (usable ? 1 : 0)),
    draining: Uint8Array.from(servers, ({ draining }) => (draining ? 1 : 0)),
    degraded: Uint8Array.from(servers, ({ degraded }) => (degraded ? 1 : 0)),
  };
  const standing = createStanding(
    settings,
    load,
    said,
    former?.standing,
    formerIndexes,
    voice,
    nowMs,
  );
  const keepAliveRules = { ...DEFAULT_KEEP_ALIVE, idleMaxMs: settings.idleTimeoutMs };
  const keepAlive = createKeepAliveState(servers.length, keepAliveRules);
  if (former) carryOver(former.keepAlive, keepAlive, formerIndexes);
  const upstream: Upstream = {
    settings,
    servers,
    picker: algorithm.build(
      settings.servers.map(({ name, weight }, index) => ({ index, name, weight })),
      options,
    ),
    keySource: algorithm.keySource?.(options),
    cookie: createCookieAffinity(settings),
    sessions: createTableAffinity(settings, former, directory),
    standing,
    room: createRoom(settings.limits, standing, load, former?.room, formerIndexes, nowMs),
    admission: settings.shedding && (former?.admission ?? createAdmissionState(settings.shedding)),
    keepAlive,
    keepAliveRules,
    usable: standing.usable,
    weights: standing.weights,
    ...load,
    retryRules: retryRulesOf(settings.retries),
    retryBudget: retryBudgetOf(settings.retries, former),
    place: former?.place ?? { base: COUNTER_SCRATCH },
    hedging: createHedging(settings.hedging, former?.hedging),
  };
  upstream.place.base = places.upstream;
  for (const [index, server] of servers.entries()) {
    server.upstream = upstream;
    server.index = index;
    server.counterBase = places.servers[index] ?? COUNTER_SCRATCH;
    server.latencyBase = places.latencies[index] ?? NOT_MEASURED;
  }
  return upstream;
}

/** Those that `former` had are the same ones still. */
function serversOf(
  settings: UpstreamSnapshot,
  former: Upstream | undefined,
): readonly UpstreamServer[] {
  return settings.servers.map(
    ({ name, address, port }, index): UpstreamServer =>
      former?.servers.find(
        (server) => server.name === name && server.address === address && server.port === port,
      ) ?? {
        name,
        address,
        port,
        upstream: undefined,
        index,
        usable: true,
        draining: false,
        degraded: false,
        active: 0,
        awaited: 0,
        awaitedSinceMs: 0,
        tunnels: 0,
        counterBase: COUNTER_SCRATCH,
        latencyBase: NOT_MEASURED,
        idle: [],
      },
  );
}

/** What the algorithm has learnt of servers that stay, if it is still the same one. */
function learntBefore(
  { algorithm }: UpstreamSnapshot,
  servers: readonly UpstreamServer[],
  former: Upstream | undefined,
): Float64Array {
  const scratch = new Float64Array(SCRATCH * servers.length);
  if (former?.settings.algorithm.kind !== algorithm.kind) return scratch;
  for (const [index, { index: before, upstream }] of servers.entries()) {
    if (upstream !== former) continue;
    scratch.set(former.scratch.subarray(SCRATCH * before, SCRATCH * (before + 1)), SCRATCH * index);
  }
  return scratch;
}

/** Takes a server that no snapshot holds any more out of use; what is in flight on it goes on. */
export function retireServer(server: UpstreamServer): void {
  server.upstream = undefined;
  server.counterBase = COUNTER_SCRATCH;
  server.latencyBase = NOT_MEASURED;
  for (const connection of [...server.idle]) discardConnection(connection);
}

/**
 * What probes, or people, say of servers of this upstream; those it does not have are passed over, and with each change all
 * servers are told of again, so what stays as it was costs next to nothing.
 */
export function setUsable(
  { keepAlive, keepAliveRules, servers, standing }: Upstream,
  states: readonly Omit<ServerState, 'upstream'>[],
  nowMs: number,
): void {
  let hasChanged = false;
  const byName = new Map(servers.map((server) => [server.name, server]));
  for (const { degraded = false, draining = false, server: name, usable } of states) {
    const server = byName.get(name);
    if (server === undefined) continue;
    const isSame = server.usable === usable && server.draining === draining;
    if (isSame && server.degraded === degraded) continue;
    hasChanged = true;
    const isBack = usable && !server.usable;
    server.usable = usable;
    server.draining = draining;
    server.degraded = degraded;
    standing.draining[server.index] = draining ? 1 : 0;
    standing.degraded[server.index] = degraded ? 1 : 0;
    // It may have been restarted with other settings.
    if (isBack) forgetAges(keepAlive, keepAliveRules, server.index);
    observeProbes(standing, server.index, usable, nowMs);
  }
  if (hasChanged) refreshStanding(standing, nowMs);
}

/** What the picker of an upstream is shown of one of its priorities. */
export type Show = (upstream: Upstream, level: PickState) => PickState;
const asItIs: Show = (_, level) => level;

/** The server for the next request, none of those tried before; undefined when no other is usable. */
export function pickServer(
  upstream: Upstream,
  tried: readonly UpstreamServer[],
  key: number,
  draw: number,
  nowMs: number,
  show: Show = asItIs,
): UpstreamServer | undefined {
  const { levels } = upstream.standing;
  const first = firstLevel(upstream.standing, key);
  for (let step = 0; step < levels.length; step++) {
    const level = show(upstream, levels[(first + step) % levels.length]!);
    const picked = pickOfLevel(upstream, level, tried, key, draw, nowMs);
    if (picked >= 0) return upstream.servers[picked];
  }
  return undefined;
}

/** @param level what the picker is shown of the priority to pick from */
function pickOfLevel(
  upstream: Upstream,
  level: PickState,
  tried: readonly UpstreamServer[],
  key: number,
  draw: number,
  nowMs: number,
): number {
  if (upstream.room && isFull(upstream.room)) return -1;
  if (tried.length === 0) return upstream.picker.pick(level, key, draw, nowMs);
  const { usable } = level;
  const skipped = tried.filter(
    (server) => server.upstream === upstream && usable[server.index] === 1,
  );
  for (const { index } of skipped) usable[index] = 0;
  const picked = upstream.picker.pick(level, key, draw, nowMs);
  for (const { index } of skipped) usable[index] = 1;
  return picked;
}

/** Whether a server is usable that is neither `present` nor among those tried before. */
export function hasUntried(
  { servers, usable }: Upstream,
  tried: readonly UpstreamServer[],
  present: UpstreamServer | undefined,
): boolean {
  for (const server of servers) {
    if (usable[server.index] === 1 && server !== present && !tried.includes(server)) return true;
  }
  return false;
}

/** @param isWhole false while the client is still sending it: then `awaitAnswer` follows */
export function beginRequest(
  server: UpstreamServer,
  counters: Float64Array,
  nowMs: number,
  isWhole = true,
): void {
  server.active++;
  tellLoad(server, counters);
  const { upstream } = server;
  if (upstream?.room) beginInRoom(upstream.room, server.index);
  if (isWhole) awaitAnswer(server, nowMs);
  counters[server.counterBase + SERVER_COUNTER.requests]!++;
}

/** The server has all of a request: now it is its time that runs. */
export function awaitAnswer(server: UpstreamServer, nowMs: number): void {
  server.awaited++;
  server.awaitedSinceMs += nowMs;
  tellAwaited(server);
}

/** The answer has begun, or nobody waits for it any more. @param awaitedMs since when it was awaited */
export function endAwaiting(server: UpstreamServer, awaitedMs: number): void {
  server.awaited--;
  // What rounding leaves of such large numbers goes when none is left.
  server.awaitedSinceMs = server.awaited === 0 ? 0 : server.awaitedSinceMs - awaitedMs;
  tellAwaited(server);
}

/** The answer to a request is not awaited: it has begun, or the client has not sent all of the request. */
export const NOT_AWAITED = -1;

/** How a request ended that was not waited for any longer, as its server is slow. */
export const LATE = -1;

/**
 * @param outcome undefined when the end says nothing about the server (the client left)
 * @param awaitedMs since when the answer is awaited, or NOT_AWAITED
 * @param answerMs from when the server had all of the request until the response began, or it failed
 * @param retryAfterMs what a failure, or a 429, asks to be spared for; -1 = nothing was asked
 */
export function endRequest(
  server: UpstreamServer,
  counters: Float64Array,
  outcome: Outcome | typeof LATE | undefined,
  awaitedMs: number,
  nowMs: number,
  answerMs: number = awaitedMs === NOT_AWAITED ? 0 : nowMs - awaitedMs,
  retryAfterMs = -1,
): void {
  server.active--;
  tellLoad(server, counters);
  if (awaitedMs !== NOT_AWAITED) endAwaiting(server, awaitedMs);
  const { upstream } = server;
  const isLate = outcome === LATE;
  const ok = outcome === undefined || isLate ? undefined : outcome === OUTCOME.ok;
  if (upstream?.picker.observe) {
    learnt.ok = isLate || (ok && retryAfterMs < 0);
    learnt.elapsedMs = answerMs;
    learnt.retryAfterMs = Math.max(0, retryAfterMs);
    upstream.picker.observe(upstream, server.index, learnt, nowMs);
  }
  if (upstream?.room) {
    endInRoom(upstream.room, server.index);
    const isAnswer = ok === true && retryAfterMs < 0;
    if (outcome !== undefined)
      learnAnswer(upstream.room, server.index, answerMs, isAnswer, server.active + 1, nowMs);
  }
  if (upstream && outcome !== undefined && !isLate) {
    const { admission, settings } = upstream;
    if (admission && settings.shedding) {
      observeAdmitted(admission, outcome === OUTCOME.ok, nowMs);
    }
    observeRequest(upstream.standing, server.index, outcome, answerMs, nowMs);
  }
  if (ok === false) counters[server.counterBase + SERVER_COUNTER.failures]!++;
}

/** A request has become a tunnel: it is no load any more, but a connection still. */
export function startTunnel(server: UpstreamServer, counters: Float64Array): void {
  server.tunnels++;
  tellLoad(server, counters);
  const { index, upstream } = server;
  if (upstream?.room) beginTunnelInRoom(upstream.room, index);
}

export function endTunnel(server: UpstreamServer, counters: Float64Array): void {
  server.tunnels--;
  tellLoad(server, counters);
  const { index, upstream } = server;
  if (upstream?.room) endTunnelInRoom(upstream.room, index);
}

function tellLoad(server: UpstreamServer, counters: Float64Array): void {
  const { active, index, tunnels, upstream } = server;
  counters[server.counterBase + SERVER_COUNTER.active] = active + tunnels;
  if (upstream === undefined) return;
  upstream.active[index] = active;
  upstream.connections[index] = active + tunnels;
}

function tellAwaited({ awaited, awaitedSinceMs, index, upstream }: UpstreamServer): void {
  if (upstream === undefined) return;
  upstream.awaited[index] = awaited;
  upstream.awaitedSinceMs[index] = awaitedSinceMs;
}

const learnt: RequestOutcome = { ok: undefined, elapsedMs: 0, retryAfterMs: 0 };
