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
  idleLimitMs,
  type KeepAliveRules,
  type KeepAliveState,
  observeAnnouncement,
  observeClose,
  observeRtt,
} from '../resilience/keepalive-learning.ts';
import { OUTCOME, type Outcome } from '../resilience/outlier.ts';
import type { RetryBudget } from '../resilience/retry-budget.ts';
import type { RetryRules } from '../resilience/retry-rules.ts';
import type { CookieAffinity } from './cookie-affinity.ts';
import { createCookieAffinity } from './cookie-affinity.ts';
import { COUNTER_SCRATCH, SERVER_COUNTER } from './counters.ts';
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
  type Standing,
} from './standing.ts';
import type { Wire, WireHandlers } from './wire.ts';

/**
 * Upstreams at work: which server takes the next request, and the connections to it that wait for
 * one. A connection belongs to at most one exchange; while it is idle it belongs to nobody, and a
 * byte that comes then is an answer to no question: the connection is poisoned and closed
 * (responses of HTTP/1.1 carry no number, so it would answer the next request).
 *
 *     connecting --open--> in use --release--> idle --take--> in use …
 *          \                  \                  \
 *           '---- close -------'--- discard ------'--- byte, end, close, too old ---> gone
 */
export type Upstream = {
  readonly settings: UpstreamSnapshot;
  readonly servers: readonly UpstreamServer[];
  readonly picker: Picker;
  /** What requests are kept on their server by; undefined when they are not. */
  readonly keySource: KeySource | undefined;
  readonly cookie: CookieAffinity | undefined;
  readonly standing: Standing;
  /** Of `standing`. */
  readonly usable: Uint8Array;
  readonly weights: Float64Array;
  readonly active: Uint32Array;
  readonly connections: Uint32Array;
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
  active: number;
  /** Connections that have become tunnels. */
  tunnels: number;
  counterBase: number;
  /** The one used last comes last and is taken first, so that surplus ones grow old. */
  readonly idle: UpstreamConnection[];
};

/** A class, for the same reason as in exchange.ts: a pool may hold thousands. */
export class UpstreamConnection implements WireHandlers {
  readonly server: UpstreamServer;
  wire: Wire = NO_WIRE;
  state: 'connecting' | 'open' | 'gone' = 'connecting';
  /** It has carried a request before. */
  reused = false;
  owner: WireHandlers | undefined;
  /** Of the last time that it was idle. */
  idleSinceMs = 0;
  idleUntilMs = 0;

  constructor(server: UpstreamServer, owner: WireHandlers) {
    this.server = server;
    this.owner = owner;
  }
  onOpen(nowMs: number): void {
    this.state = 'open';
    this.owner?.onOpen(nowMs);
  }
  onData(bytes: Uint8Array, nowMs: number): void {
    if (this.owner) this.owner.onData(bytes, nowMs);
    else discardConnection(this);
  }
  onEnd(nowMs: number): void {
    if (this.owner) this.owner.onEnd(nowMs);
    else {
      learnClose(this, nowMs);
      discardConnection(this);
    }
  }
  onDrain(nowMs: number): void {
    this.owner?.onDrain(nowMs);
  }
  onClose(problem: string, nowMs: number): void {
    if (this.owner === undefined && this.state === 'open') learnClose(this, nowMs);
    this.state = 'gone';
    removeIdle(this);
    this.owner?.onClose(problem, nowMs);
  }
}

export type Connect = (
  target: { readonly address: string; readonly port: number },
  handlers: WireHandlers,
) => Wire;

/** Builds the upstream; servers that `former` had already come along with their connections. */
export function createUpstream(
  settings: UpstreamSnapshot,
  former: Upstream | undefined,
  counterBaseOf: (server: number) => number,
  voice: Pick<Standing, 'draw' | 'report'>,
  nowMs: number,
): Upstream {
  const algorithm = balancingAlgorithms.find(({ kind }) => kind === settings.algorithm.kind);
  // Validation has checked the kind; a miss is a bug.
  if (algorithm === undefined) throw new Error(`unknown algorithm: ${settings.algorithm.kind}`);
  const servers = settings.servers.map(
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
        active: 0,
        tunnels: 0,
        counterBase: COUNTER_SCRATCH,
        idle: [],
      },
  );
  const options = algorithm.options.parse(settings.algorithm.options);
  const load = {
    active: Uint32Array.from(servers, ({ active }) => active),
    connections: Uint32Array.from(servers, ({ active, tunnels }) => active + tunnels),
    scratch: learntBefore(settings, servers, former),
  };
  const formerIndexes = servers.map(({ index, upstream }) =>
    upstream !== undefined && upstream === former ? index : -1,
  );
  const said = {
    healthy: Uint8Array.from(servers, ({ usable }) => (usable ? 1 : 0)),
    draining: Uint8Array.from(servers, ({ draining }) => (draining ? 1 : 0)),
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
    standing,
    room: createRoom(settings.limits, standing, load, former?.room, formerIndexes, nowMs),
    admission: settings.shedding && (former?.admission ?? createAdmissionState()),
    keepAlive,
    keepAliveRules,
    usable: standing.usable,
    weights: standing.weights,
    ...load,
    retryRules: retryRulesOf(settings.retries),
    retryBudget: retryBudgetOf(settings.retries, former),
  };
  for (const [index, server] of servers.entries()) {
    server.upstream = upstream;
    server.index = index;
    server.counterBase = counterBaseOf(index);
  }
  return upstream;
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
  for (const connection of [...server.idle]) discardConnection(connection);
}

export function setUsable(
  server: UpstreamServer,
  usable: boolean,
  draining: boolean,
  nowMs: number,
): void {
  const { index, upstream } = server;
  const isBack = usable && !server.usable;
  server.usable = usable;
  server.draining = draining;
  if (upstream === undefined) return;
  upstream.standing.draining[index] = draining ? 1 : 0;
  // It may have been restarted with other settings.
  if (isBack) forgetAges(upstream.keepAlive, upstream.keepAliveRules, index);
  observeProbes(upstream.standing, index, usable, nowMs);
}

/** The server for the next request, none of those tried before; undefined when no other is usable. */
export function pickServer(
  upstream: Upstream,
  tried: readonly UpstreamServer[],
  key: number,
  draw: number,
  nowMs: number,
): UpstreamServer | undefined {
  const { levels } = upstream.standing;
  const first = firstLevel(upstream.standing, key);
  for (let step = 0; step < levels.length; step++) {
    const level = levels[(first + step) % levels.length]!;
    const picked = pickOfLevel(upstream, level, tried, key, draw, nowMs);
    if (picked >= 0) return upstream.servers[picked];
  }
  return undefined;
}

/** @param level what the picker is shown of the priority to pick from */
export function pickOfLevel(
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

export function beginRequest(server: UpstreamServer, counters: Float64Array, nowMs: number): void {
  server.active++;
  tellLoad(server, counters);
  const { upstream } = server;
  if (upstream?.room) beginInRoom(upstream.room, server.index);
  upstream?.picker.begin?.(upstream, server.index, nowMs);
  counters[server.counterBase + SERVER_COUNTER.requests]!++;
}

/**
 * @param outcome undefined when the end says nothing about the server (the client left)
 * @param answerMs from the start until the response began
 */
export function endRequest(
  server: UpstreamServer,
  counters: Float64Array,
  outcome: Outcome | undefined,
  startedMs: number,
  nowMs: number,
  answerMs: number = nowMs - startedMs,
): void {
  server.active--;
  tellLoad(server, counters);
  const { upstream } = server;
  const ok = outcome === undefined ? undefined : outcome === OUTCOME.ok;
  if (upstream?.picker.observe) {
    learnt.ok = ok;
    learnt.elapsedMs = nowMs - startedMs;
    learnt.retryAfterMs = 0;
    upstream.picker.observe(upstream, server.index, learnt, nowMs);
  }
  if (upstream?.room) {
    endInRoom(upstream.room, server.index);
    // What fails at once would look like a fast server.
    if (ok) learnAnswer(upstream.room, server.index, answerMs, server.active + 1, nowMs);
  }
  if (upstream && outcome !== undefined) {
    const { admission, settings } = upstream;
    if (admission && settings.shedding) {
      observeAdmitted(admission, settings.shedding, outcome === OUTCOME.ok, nowMs);
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

const learnt: RequestOutcome = { ok: undefined, elapsedMs: 0, retryAfterMs: 0 };

/** An idle connection to the server, or undefined. */
export function takeIdle(server: UpstreamServer, nowMs: number): UpstreamConnection | undefined {
  for (;;) {
    const connection = server.idle.pop();
    if (connection === undefined) return undefined;
    if (connection.idleUntilMs > nowMs) {
      connection.reused = true;
      return connection;
    }
    discardConnection(connection);
  }
}

/** Begins a connection; its owner hears `onOpen` or `onClose`. */
export function openConnection(
  server: UpstreamServer,
  connect: Connect,
  owner: WireHandlers,
): UpstreamConnection {
  const connection = new UpstreamConnection(server, owner);
  connection.wire = connect(server, connection);
  return connection;
}

/** Puts a connection whose exchange is complete back, or closes it when enough are idle. */
export function releaseConnection(connection: UpstreamConnection, nowMs: number): void {
  const { server } = connection;
  connection.owner = undefined;
  if (server.upstream === undefined || connection.state !== 'open') {
    discardConnection(connection);
    return;
  }
  const { keepAlive, settings } = server.upstream;
  const { idleMax, idleTimeoutMs } = settings;
  // The server's own clock began to run earlier: leave before it does, or lose a request to it.
  const keptMs = Math.min(idleTimeoutMs, idleLimitMs(keepAlive, server.index));
  if (idleMax <= server.idle.length || keptMs <= 0) {
    discardConnection(connection);
    return;
  }
  connection.idleSinceMs = nowMs;
  connection.idleUntilMs = nowMs + keptMs;
  // It may have been paused for a slow client; a paused connection would never speak again.
  connection.wire.resume();
  server.idle.push(connection);
}

export function discardConnection(connection: UpstreamConnection): void {
  removeIdle(connection);
  connection.owner = undefined;
  if (connection.state === 'gone') return;
  connection.state = 'gone';
  connection.wire.destroy();
}

/** Closes connections that have been idle for too long. */
export function expireIdle(server: UpstreamServer, nowMs: number): void {
  for (const connection of [...server.idle]) {
    if (connection.idleUntilMs <= nowMs) discardConnection(connection);
  }
}

function removeIdle(connection: UpstreamConnection): void {
  const at = connection.server.idle.indexOf(connection);
  if (at >= 0) connection.server.idle.splice(at, 1);
}

/**
 * The server closed an idle connection, or one died under what was sent on it: so old idle connections
 * to this server are not to become.
 */
export function learnClose({ idleSinceMs, server }: UpstreamConnection, nowMs: number): void {
  const { index, upstream } = server;
  if (upstream === undefined) return;
  observeClose(upstream.keepAlive, upstream.keepAliveRules, index, nowMs - idleSinceMs);
}

/** @param timeoutMs what the server says in Keep-Alive */
export function learnAnnouncement({ index, upstream }: UpstreamServer, timeoutMs: number): void {
  if (upstream === undefined) return;
  observeAnnouncement(upstream.keepAlive, upstream.keepAliveRules, index, timeoutMs);
}

/** @param rttMs how long connecting took */
export function learnRtt({ index, upstream }: UpstreamServer, rttMs: number): void {
  if (upstream) observeRtt(upstream.keepAlive, upstream.keepAliveRules, index, rttMs);
}

const NO_WIRE: Wire = {
  remoteAddress: '',
  remotePort: 0,
  write: () => true,
  end() {},
  destroy() {},
  reset() {},
  pause() {},
  resume() {},
};
