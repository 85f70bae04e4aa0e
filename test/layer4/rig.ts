import net from 'node:net';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes, readCounters } from '../../src/balancer/counters.ts';
import type {
  BalancerLimits,
  BalancerSnapshot,
  FlowSettings,
  ListenerSnapshot,
  UpstreamSnapshot,
} from '../../src/balancer/snapshot.ts';
import { DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
import type { WireHandlers } from '../../src/balancer/wire.ts';
import { connectRelay, openRelay } from '../../src/io/datagram-relay.ts';
import type { ConnectionHandlers, OnConnection } from '../../src/io/stream.ts';
import { createEntrance } from '../../src/layer4/entrance.ts';
import { createLayer4 } from '../../src/layer4/layer4.ts';
import type { ConnectDatagrams } from '../../src/layer4/udp-sessions.ts';
import { createEngine } from '../balancer/engine.ts';
import { startRawOrigin } from '../balancer/rig.ts';

/** Layer 4 and HTTP on real sockets, with a clock that only tests move. */

export const FLOWS: FlowSettings = {
  protocol: 'tcp',
  byServerName: false,
  idleTimeoutMs: 60_000,
  drainTimeoutMs: 20_000,
  sessionsMax: 100,
  responses: 0,
};

export function upstreamOf(
  name: string,
  ports: readonly number[],
  more: Partial<UpstreamSnapshot> = {},
): UpstreamSnapshot {
  return {
    name,
    algorithm: { kind: 'round-robin', options: {} },
    servers: ports.map((port) => ({ name: `s${port}`, address: '127.0.0.1', port, weight: 1 })),
    idleMax: 8,
    idleTimeoutMs: 60_000,
    connectTimeoutMs: 1_000,
    responseTimeoutMs: 5_000,
    ...more,
  };
}

export function listenerOf(
  name: string,
  routes: readonly (readonly [hosts: readonly string[], upstream: number])[],
  more: Partial<ListenerSnapshot> = {},
): ListenerSnapshot {
  return {
    name,
    region: 'test',
    address: '127.0.0.1',
    port: 0,
    routes: routes.map(([hosts, upstream]) => ({ hosts, pathPrefix: '/', filters: [], upstream })),
    layer4: FLOWS,
    ...more,
  };
}

export function snapshotOf(
  upstreams: readonly UpstreamSnapshot[],
  listeners: readonly ListenerSnapshot[],
  limits: Partial<BalancerLimits> = {},
): BalancerSnapshot {
  const via = 'meridian-test';
  return { generation: 1, via, limits: { ...DEFAULT_LIMITS, ...limits }, upstreams, listeners };
}

export async function startRig(snapshot: BalancerSnapshot) {
  const engine = createEngine();
  let served = snapshot;
  let row = new SharedArrayBuffer(counterBytes(snapshot));
  const clock = { ms: 1_700_000_000_000 };
  const timed = (handlers: WireHandlers): ConnectionHandlers => ({
    onOpen: () => handlers.onOpen(clock.ms),
    onData: (bytes) => handlers.onData(bytes, clock.ms),
    onEnd: () => handlers.onEnd(clock.ms),
    onDrain: () => handlers.onDrain(clock.ms),
    onClose: (problem) => handlers.onClose(problem, clock.ms),
  });
  const connect: Parameters<typeof createBalancer>[0] = (target, handlers) =>
    engine.connect({ address: target.address, port: target.port }, timed(handlers));
  const balancer = createBalancer(connect, () => 0.5, snapshot, row);
  const connectDatagrams: ConnectDatagrams = (server, { onDatagram, onProblem }) =>
    connectRelay(server, (bytes) => onDatagram(bytes, clock.ms), onProblem);
  const layer4 = createLayer4(balancer.accounts, connect, connectDatagrams, () => 0.5, snapshot);
  const entrance = createEntrance(snapshot);
  const admit =
    (name: string): OnConnection =>
    (connection) => {
      const { accept } = layer4.serves(name) ? layer4 : balancer;
      const handlers = accept(name, connection, clock.ms);
      if (handlers) return timed(handlers);
      connection.destroy();
      return { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
    };
  const opened = await Promise.all(
    snapshot.listeners.map(({ name, address, layer4: flows, port }) =>
      flows?.protocol === 'udp'
        ? openRelay({ address, port }, (bytes, from, reply) => {
            const [remoteAddress, remotePort] = [from.address, from.port];
            const flow = { remoteAddress, remotePort, localAddress: address, localPort: port };
            const opened = entrance.open(name, flow, bytes);
            const peer = `${remoteAddress} ${remotePort}`;
            if (opened) layer4.receive(name, opened.flow, peer, opened.bytes, reply, clock.ms);
          })
        : engine.listen({ address, port }, (connection) =>
            entrance.pass(name, connection, admit(name)),
          ),
    ),
  );
  const tick = (): void => {
    balancer.tick(clock.ms);
    layer4.tick(clock.ms);
    entrance.tick(clock.ms);
  };
  tick();
  return {
    /** Of the listeners, in their order. */
    ports: opened.map(({ port }) => port),
    balancer,
    layer4,
    counters: () => readCounters(served, row),
    serve(next: BalancerSnapshot): void {
      served = next;
      row = new SharedArrayBuffer(counterBytes(next));
      balancer.serve(next, row);
      layer4.serve(next);
      entrance.serve(next);
    },
    /** Moves the clock and applies it. */
    pass(ms: number): void {
      clock.ms += ms;
      tick();
    },
    stop: (graceMs: number): void => layer4.stop(clock.ms, graceMs, true),
    async close(): Promise<void> {
      for (const listener of opened) await listener.close();
      balancer.stop(clock.ms, 0);
      layer4.stop(clock.ms, 0, false);
      tick();
    },
  };
}

/** A server of raw sockets that may finish one direction only; `onSocket` does the talking. */
export async function startServer(onSocket: (socket: net.Socket) => void) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as net.AddressInfo).port,
    sockets,
    close(): void {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Says its name, and then what it hears, until the client has finished. */
export const startEcho = (name: string) =>
  startServer((socket) => {
    socket.write(`${name}:`);
    socket.pipe(socket);
  });

/** An HTTP server that answers with the head it was sent. */
export const startMirror = () =>
  startRawOrigin((socket, head) => {
    if (!head.endsWith('\r\n\r\n')) return;
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${head.length}\r\n\r\n${head}`, 'latin1');
  });

/** Waits for what becomes true by events alone. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const untilMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > untilMs) throw new Error(`not within 10 s: ${what}`);
    await new Promise((done) => setImmediate(done));
  }
}
