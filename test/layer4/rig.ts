import type { TestContext } from 'node:test';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import { readCounters } from '../../src/balancer/counts.ts';
import type {
  BalancerLimits,
  BalancerSnapshot,
  FlowSettings,
  ListenerSnapshot,
  UpstreamSnapshot,
} from '../../src/balancer/snapshot.ts';
import { DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
import { connectRelay, openRelay } from '../../src/io/datagram-relay.ts';
import type { OnConnection } from '../../src/io/stream.ts';
import { SILENT_HANDLERS } from '../../src/io/stream.ts';
import { createEntrance } from '../../src/layer4/entrance.ts';
import { createLayer4 } from '../../src/layer4/layer4.ts';
import type { ConnectDatagrams } from '../../src/layer4/udp-sessions.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { createEngine } from '../balancer/engine.ts';
import { startServer } from '../balancer/raw-server.ts';
import { connectRaw, startRawOrigin } from '../balancer/rig.ts';
import { startClock } from '../balancer/timed.ts';

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
    ...DEFAULT_RESILIENCE,
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

/** The same of HTTP. */
export function httpListenerOf(...about: Parameters<typeof listenerOf>): ListenerSnapshot {
  const { layer4: _, ...http } = listenerOf(...about);
  return http;
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
  const { clock, timed } = startClock();
  const connect: Parameters<typeof createBalancer>[0] = (target, handlers) =>
    engine.connect({ address: target.address, port: target.port }, timed(handlers));
  const balancer = createBalancer(connect, () => 0.5, snapshot, row);
  const connectDatagrams: ConnectDatagrams = (server, { onDatagram, onProblem }) =>
    connectRelay(server, (bytes) => onDatagram(bytes, clock.ms), onProblem);
  const layer4 = createLayer4(balancer.accounts, connect, connectDatagrams, () => 0.5, snapshot);
  const entrance = createEntrance(snapshot);
  let accepted = 0;
  const admit =
    (name: string): OnConnection =>
    (connection) => {
      const { accept } = layer4.serves(name) ? layer4 : balancer;
      const handlers = accept(name, connection, clock.ms);
      if (handlers) return timed(handlers);
      connection.destroy();
      return SILENT_HANDLERS;
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
        : engine.listen({ address, port }, (connection) => {
            accepted += 1;
            return entrance.pass(name, connection, clock.ms, admit(name));
          }),
    ),
  );
  const tick = (): void => {
    balancer.tick(clock.ms);
    layer4.tick(clock.ms);
    entrance.tick(clock.ms);
  };
  return {
    /** Connections that have come to any listener. */
    accepted: () => accepted,
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

/** Whom a proxy in front of the listener speaks for. */
export const ENDS = {
  remoteAddress: '203.0.113.7',
  remotePort: 1234,
  localAddress: '192.0.2.1',
  localPort: 80,
};
export const GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
/** One character an octet. */
export const textOf = (bytes: Uint8Array | undefined): string =>
  Buffer.from(bytes ?? []).toString('latin1');

/** A rig in front of one echo server, and a client that has been connected through. */
export async function startEchoed(
  t: TestContext,
  serving: (ports: readonly number[]) => BalancerSnapshot,
) {
  const echo = await startEcho('a');
  const rig = await startRig(serving([echo.port]));
  closeAfter(t, rig, echo);
  const client = connectRaw(rig.ports[0]!);
  await client.until((text) => text === 'a:');
  return { client, echo, rig };
}

type Closable = { close(): unknown };

/** Closes all of them when the test is over. */
export function closeAfter(t: TestContext, ...things: readonly Closable[]): void {
  t.after(() => Promise.all(things.map((each) => each.close())));
}

/** Waits for what becomes true by events alone. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const untilMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > untilMs) throw new Error(`not within 10 s: ${what}`);
    await new Promise((done) => setImmediate(done));
  }
}
