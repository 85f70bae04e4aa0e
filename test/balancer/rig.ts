import net from 'node:net';
import type { Balancer } from '../../src/balancer/balancer.ts';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import { type BalancerCounts, readCounters } from '../../src/balancer/counts.ts';
import type {
  AccessLogSnapshot,
  BalancerLimits,
  BalancerSnapshot,
  RouteSnapshot,
  TraceSnapshot,
  TrustSnapshot,
  UpstreamSnapshot,
} from '../../src/balancer/snapshot.ts';
import { DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
import { SILENT_HANDLERS, type StreamEngine } from '../../src/io/stream.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { createEngine } from './engine.ts';
import { startServer } from './raw-server.ts';
import { shareSessions } from './session-sharing.ts';
import { startClock } from './timed.ts';

/** A real balancer on a real socket, with a clock that only tests move, and raw TCP on both sides. */

export type RigOptions = {
  readonly servers: readonly number[];
  /** Of a second upstream. */
  readonly shadows?: readonly number[];
  readonly routes?: readonly RouteSnapshot[];
  readonly limits?: Partial<BalancerLimits>;
  readonly algorithm?: string;
  readonly algorithmOptions?: Readonly<Record<string, unknown>>;
  readonly idleMax?: number;
  readonly upstream?: Partial<UpstreamSnapshot>;
  /** Random numbers in [0, 1). */
  readonly draw?: () => number;
  /** Hears when the balancer wants `wake`. */
  readonly wakeAfter?: (ms: number) => void;
  readonly affinity?: UpstreamSnapshot['affinity'];
  readonly accessLog?: Partial<AccessLogSnapshot>;
  readonly trust?: TrustSnapshot;
  readonly metrics?: BalancerSnapshot['metrics'];
  readonly trace?: TraceSnapshot;
  readonly abortOnClose?: boolean;
  /** In place of the one that rigs of this process run on. */
  readonly engine?: StreamEngine;
  /** Redis through which it shares sessions. */
  readonly sessionRedis?: string;
};

export type Rig = {
  readonly port: number;
  readonly balancer: Balancer;
  readonly snapshot: BalancerSnapshot;
  counters(): BalancerCounts;
  /** Whether it has its Redis, and that answers. */
  isSharing(): boolean;
  /** Moves the clock and applies it. */
  pass(ms: number): void;
  /** Moves the clock, and applies it to what has asked for it alone. */
  wake(ms: number): void;
  close(): Promise<void>;
};

export function snapshotOf(options: RigOptions): BalancerSnapshot {
  const serversAt = (ports: readonly number[]) =>
    ports.map((port) => ({
      name: `127.0.0.1:${port}`,
      address: '127.0.0.1',
      port,
      weight: 1,
    }));
  const connections = {
    idleMax: options.idleMax ?? 8,
    idleTimeoutMs: 60_000,
    connectTimeoutMs: 1_000,
    responseTimeoutMs: 5_000,
    ...DEFAULT_RESILIENCE,
  };
  const { shadows } = options;
  return {
    generation: 1,
    via: 'meridian-test',
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    ...(options.accessLog
      ? { accessLog: { format: 'json', file: '', percent: 100, ...options.accessLog } }
      : {}),
    ...(options.metrics ? { metrics: options.metrics } : {}),
    upstreams: [
      {
        name: 'web',
        algorithm: {
          kind: options.algorithm ?? 'round-robin',
          options: options.algorithmOptions ?? {},
        },
        servers: serversAt(options.servers),
        ...connections,
        ...options.upstream,
        ...(options.affinity === undefined ? {} : { affinity: options.affinity }),
      },
      ...(shadows === undefined
        ? []
        : [
            {
              name: 'shadow',
              algorithm: { kind: 'round-robin', options: {} },
              servers: serversAt(shadows),
              ...connections,
            },
          ]),
    ],
    listeners: [
      {
        name: 'http',
        region: 'test',
        address: '127.0.0.1',
        port: 0,
        routes: options.routes ?? [{ hosts: [], pathPrefix: '/', filters: [], upstream: 0 }],
        ...(options.abortOnClose === undefined ? {} : { abortOnClose: options.abortOnClose }),
        ...(options.trace ? { trace: options.trace } : {}),
        ...(options.trust ? { trust: options.trust } : {}),
      },
    ],
  };
}

export async function startRig(options: RigOptions): Promise<Rig> {
  const { engine = createEngine() } = options;
  const snapshot = snapshotOf(options);
  const row = new SharedArrayBuffer(counterBytes(snapshot));
  // What is in Redis ends by the time of Redis.
  const { clock, timed } = startClock(options.sessionRedis ? Date.now() : undefined);
  const sharing =
    options.sessionRedis === undefined
      ? undefined
      : shareSessions(options.sessionRedis, clock.ms, () => balancer);
  const balancer: Balancer = createBalancer(
    (target, handlers) => engine.connect(target, timed(handlers)),
    options.draw ?? (() => 0.5),
    snapshot,
    row,
    { outboxes: engine.outboxes, shared: sharing?.shared, wakeAfter: options.wakeAfter },
  );
  const listener = await engine.listen({ address: '127.0.0.1', port: 0 }, (connection) => {
    const handlers = balancer.accept('http', connection, clock.ms);
    if (handlers) return timed(handlers);
    connection.destroy();
    return SILENT_HANDLERS;
  });
  return {
    port: listener.port,
    balancer,
    snapshot,
    counters: () => readCounters(snapshot, row),
    pass(ms) {
      clock.ms += ms;
      sharing?.pass(ms);
      balancer.tick(clock.ms);
    },
    isSharing: () => sharing?.shared.directory.isWell() === true,
    wake(ms) {
      clock.ms += ms;
      sharing?.pass(ms);
      balancer.tickWaiting(clock.ms);
    },
    async close() {
      await sharing?.close();
      await listener.close();
      balancer.stop(clock.ms, 0);
      balancer.tick(clock.ms);
    },
  };
}

/** A TCP client that speaks in text, one octet a character. */
export type RawClient = {
  readonly socket: net.Socket;
  send(text: string): void;
  /** All text received so far. */
  text(): string;
  /** Settles once the received text satisfies the condition. */
  until(condition: (text: string) => boolean): Promise<string>;
  /** Settles when the peer has finished, with all text; `reset` when it broke off. */
  ended(): Promise<{ readonly text: string; readonly reset: boolean }>;
};

export function connectRaw(port: number): RawClient {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.setNoDelay(true);
  let text = '';
  let reset = false;
  let over = false;
  let changed = (): void => {};
  const step = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    changed = resolve;
    await promise;
  };
  socket.setEncoding('latin1');
  socket.on('data', (more: string) => {
    text += more;
    changed();
  });
  socket.on('error', () => {
    reset = true;
  });
  const finish = (): void => {
    over = true;
    changed();
  };
  socket.on('end', finish);
  socket.on('close', finish);
  return {
    socket,
    send: (more) => void socket.write(more, 'latin1'),
    text: () => text,
    async until(condition) {
      while (!condition(text)) {
        if (over) throw new Error(`connection ended; received: ${JSON.stringify(text)}`);
        await step();
      }
      return text;
    },
    async ended() {
      while (!over) await step();
      socket.destroy();
      return { text, reset };
    },
  };
}

/** Sends text and returns all that comes until the peer ends. */
export async function talk(
  port: number,
  text: string,
): Promise<{ readonly text: string; readonly reset: boolean }> {
  const client = connectRaw(port);
  client.send(text);
  return client.ended();
}

/** An origin of raw sockets: `onText` sees all text of a connection so far, at every arrival. */
export type RawOrigin = {
  readonly port: number;
  readonly received: string[];
  connections(): number;
  close(): void;
};

export async function startRawOrigin(
  onText: (socket: net.Socket, text: string, connection: number) => void,
): Promise<RawOrigin> {
  const received: string[] = [];
  const { close, port } = await startServer((socket) => {
    const connection = received.push('') - 1;
    socket.setEncoding('latin1');
    socket.on('end', () => socket.end());
    socket.on('data', (text: string) => {
      received[connection] += text;
      onText(socket, received[connection]!, connection);
    });
  });
  return { port, received, connections: () => received.length, close };
}
