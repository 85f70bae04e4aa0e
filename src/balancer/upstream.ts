import type { Picker } from '../balancing/algorithm.ts';
import { balancingAlgorithms } from '../balancing/registry.ts';
import { COUNTER_SCRATCH, SERVER_COUNTER } from './counters.ts';
import type { UpstreamSnapshot } from './snapshot.ts';
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
  readonly usable: Uint8Array;
  readonly active: Uint32Array;
  readonly scratch: Float64Array;
};

/** One server, kept over snapshots while its name and address stay; `index` is its slot in `upstream`. */
export type UpstreamServer = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  upstream: Upstream | undefined;
  index: number;
  usable: boolean;
  active: number;
  counterBase: number;
  /** The one used last comes last and is taken first, so that surplus ones grow old. */
  readonly idle: UpstreamConnection[];
};

export type UpstreamConnection = {
  readonly server: UpstreamServer;
  wire: Wire;
  state: 'connecting' | 'open' | 'gone';
  /** It has carried a request before. */
  reused: boolean;
  owner: WireHandlers | undefined;
  idleUntilMs: number;
  /** What the server said in Keep-Alive: timeout; undefined when it said nothing. */
  serverTimeoutMs: number | undefined;
};

export type Connect = (
  target: { readonly address: string; readonly port: number },
  handlers: WireHandlers,
) => Wire;

/** Builds the upstream; servers that `former` had already come along with their connections. */
export function createUpstream(
  settings: UpstreamSnapshot,
  former: Upstream | undefined,
  counterBaseOf: (server: number) => number,
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
        active: 0,
        counterBase: COUNTER_SCRATCH,
        idle: [],
      },
  );
  const upstream: Upstream = {
    settings,
    servers,
    picker: algorithm.build(
      settings.servers.map(({ name, weight }, index) => ({ index, name, weight })),
      algorithm.options.parse(settings.algorithm.options),
    ),
    usable: Uint8Array.from(servers, ({ usable }) => (usable ? 1 : 0)),
    active: Uint32Array.from(servers, ({ active }) => active),
    scratch: new Float64Array(servers.length),
  };
  for (const [index, server] of servers.entries()) {
    server.upstream = upstream;
    server.index = index;
    server.counterBase = counterBaseOf(index);
  }
  return upstream;
}

/** Takes a server that no snapshot holds any more out of use; what is in flight on it goes on. */
export function retireServer(server: UpstreamServer): void {
  server.upstream = undefined;
  server.counterBase = COUNTER_SCRATCH;
  for (const connection of [...server.idle]) discardConnection(connection);
}

export function setUsable(server: UpstreamServer, usable: boolean): void {
  server.usable = usable;
  if (server.upstream) server.upstream.usable[server.index] = usable ? 1 : 0;
}

/** The server for the next request, never `excluded`; undefined when none is usable. */
export function pickServer(
  upstream: Upstream,
  excluded: UpstreamServer | undefined,
  draw: number,
): UpstreamServer | undefined {
  const slot = excluded?.upstream === upstream ? excluded.index : -1;
  const usable = slot < 0 ? 0 : upstream.usable[slot]!;
  if (slot >= 0) upstream.usable[slot] = 0;
  const picked = upstream.picker.pick(upstream, 0, draw);
  if (slot >= 0) upstream.usable[slot] = usable;
  return upstream.servers[picked];
}

export function beginRequest(server: UpstreamServer, counters: Float64Array): void {
  server.active++;
  if (server.upstream) server.upstream.active[server.index] = server.active;
  counters[server.counterBase + SERVER_COUNTER.requests]!++;
  counters[server.counterBase + SERVER_COUNTER.active] = server.active;
}

/** @param ok undefined when the end says nothing about the server (the client left) */
export function endRequest(
  server: UpstreamServer,
  counters: Float64Array,
  ok: boolean | undefined,
  elapsedMs: number,
): void {
  server.active--;
  const { upstream } = server;
  if (upstream) {
    upstream.active[server.index] = server.active;
    if (ok !== undefined)
      upstream.picker.observe(upstream, { server: server.index, ok, elapsedMs });
  }
  if (ok === false) counters[server.counterBase + SERVER_COUNTER.failures]!++;
  counters[server.counterBase + SERVER_COUNTER.active] = server.active;
}

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
  const connection: UpstreamConnection = {
    server,
    wire: NO_WIRE,
    state: 'connecting',
    reused: false,
    owner,
    idleUntilMs: 0,
    serverTimeoutMs: undefined,
  };
  const lost = (): void => {
    connection.state = 'gone';
    removeIdle(connection);
  };
  connection.wire = connect(server, {
    onOpen(nowMs) {
      connection.state = 'open';
      connection.owner?.onOpen(nowMs);
    },
    onData(bytes, nowMs) {
      if (connection.owner) connection.owner.onData(bytes, nowMs);
      else discardConnection(connection);
    },
    onEnd(nowMs) {
      if (connection.owner) connection.owner.onEnd(nowMs);
      else discardConnection(connection);
    },
    onDrain: (nowMs) => connection.owner?.onDrain(nowMs),
    onClose(problem, nowMs) {
      lost();
      connection.owner?.onClose(problem, nowMs);
    },
  });
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
  const { idleMax, idleTimeoutMs } = server.upstream.settings;
  const announced = connection.serverTimeoutMs ?? Number.POSITIVE_INFINITY;
  // The server's own clock began to run earlier: leave before it does, or lose a request to it.
  const keptMs = Math.min(idleTimeoutMs, announced - SERVER_TIMEOUT_MARGIN_MS);
  if (idleMax <= server.idle.length || keptMs <= 0) {
    discardConnection(connection);
    return;
  }
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

const SERVER_TIMEOUT_MARGIN_MS = 1_000;

const NO_WIRE: Wire = {
  remoteAddress: '',
  write: () => true,
  end() {},
  destroy() {},
  reset() {},
  pause() {},
  resume() {},
};
