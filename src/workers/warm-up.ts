import { createBalancer } from '../balancer/balancer.ts';
import { counterBytes } from '../balancer/counters.ts';
import { type BalancerSnapshot, DEFAULT_LIMITS } from '../balancer/snapshot.ts';
import { bytesOf } from '../http/ascii.ts';
import { steadyNow } from '../io/clock.ts';
import { type Connection, SILENT_HANDLERS, type StreamEngine } from '../io/stream.ts';

/**
 * Runs requests through balancers of its own, over the worker's engine on loopback, before the worker listens: what
 * serves is compiled by then, and the first clients do not share the processor with the compiler. Whatever goes wrong
 * ends it and nothing else: a worker that is not warm serves as well.
 *
 * @param ms so long, and hardly longer
 * @returns how many requests were answered; 0 at once where nothing is HTTP
 */
export async function warmUp(
  engine: StreamEngine,
  snapshot: BalancerSnapshot,
  ms: number,
): Promise<number> {
  if (ms <= 0 || snapshot.listeners.every(({ layer4 }) => layer4 !== undefined)) return 0;
  let answered = 0;
  const untilMs = steadyNow() + ms;
  for (let round = 1; round <= ROUNDS; round++) {
    // Code made for the objects of one balancer would be thrown away at the first request of the next.
    const leftMs = untilMs - steadyNow();
    answered += await runRound(engine, snapshot, leftMs / (ROUNDS - round + 1)).catch(() => 0);
  }
  return answered;
}

const ROUNDS = 3;
const CLIENTS = 16;
/** Of a connection; then another one is opened. */
const REQUESTS_EACH = 100;
const ANYWHERE = { address: '127.0.0.1', port: 0 };
const NAME = 'warm-up';

async function runRound(
  engine: StreamEngine,
  snapshot: BalancerSnapshot,
  ms: number,
): Promise<number> {
  const connections = new Set<Connection>();
  const origin = await engine.listen(ANYWHERE, (connection) => answer(connection, connections));
  try {
    return await askThrough(engine, snapshot, origin, connections, ms);
  } finally {
    for (const connection of connections) connection.destroy();
    await origin.close();
  }
}

/** @returns how many requests were answered */
async function askThrough(
  engine: StreamEngine,
  snapshot: BalancerSnapshot,
  origin: Place,
  connections: Set<Connection>,
  ms: number,
): Promise<number> {
  const warm = snapshotOf(snapshot, origin);
  const row = new SharedArrayBuffer(counterBytes(warm));
  const balancer = createBalancer(
    (target, handlers) => engine.connect(target, handlers),
    Math.random,
    warm,
    row,
    { outboxes: engine.outboxes },
  );
  const front = await engine.listen(ANYWHERE, (connection) => {
    const handlers = balancer.accept(NAME, connection, steadyNow());
    if (handlers) return handlers;
    connection.destroy();
    return SILENT_HANDLERS;
  });
  const crowd = createCrowd(engine, front, connections);
  try {
    for (let client = 0; client < CLIENTS; client++) crowd.join();
    await new Promise((passed) => setTimeout(passed, ms));
    return crowd.answered;
  } finally {
    crowd.isOver = true;
    const nowMs = steadyNow();
    balancer.stop(nowMs, 0);
    balancer.tick(nowMs);
    await front.close();
  }
}

type Place = { readonly address: string; readonly port: number };

/** Clients that ask one request after the other. */
function createCrowd(engine: StreamEngine, { address, port }: Place, connections: Set<Connection>) {
  const requests = requestsTo(`${address}:${port}`);
  const crowd = { answered: 0, isOver: false, join };
  function join(): void {
    let left = REQUESTS_EACH;
    const next = (): void => {
      left--;
      connection.write(left === 0 ? LAST_REQUEST : requests[left % requests.length]!);
    };
    const connection = engine.connect(
      { address, port },
      {
        ...SILENT_HANDLERS,
        onOpen: next,
        onData() {
          crowd.answered++;
          if (left > 0) next();
        },
        onEnd: () => connection.end(),
        onClose() {
          connections.delete(connection);
          // One that was cut short, or never opened, would be so again.
          if (!crowd.isOver && left === 0) join();
        },
      },
    );
    connections.add(connection);
  }
  return crowd;
}

/** Requests are small, and come whole. */
function answer(connection: Connection, connections: Set<Connection>) {
  let turn = 0;
  connections.add(connection);
  return {
    ...SILENT_HANDLERS,
    onData: () => void connection.write(RESPONSES[turn++ % RESPONSES.length]!),
    onEnd: () => connection.end(),
    onClose: () => void connections.delete(connection),
  };
}

/** The settings of what will serve, of one listener and one upstream, whose only server is ours. */
function snapshotOf(snapshot: BalancerSnapshot, { address, port }: Place): BalancerSnapshot {
  const { accessLog, sessionStore, ...rest } = snapshot;
  const servers = [{ name: NAME, address, port, weight: 1 }];
  const routes = [{ hosts: [], pathPrefix: '/', filters: [], upstream: 0 }];
  return {
    ...rest,
    limits: DEFAULT_LIMITS,
    upstreams: snapshot.upstreams
      .slice(0, 1)
      .map(({ affinity, sessionMemory, ...upstream }) => ({ ...upstream, servers })),
    listeners: snapshot.listeners
      .filter(({ layer4 }) => layer4 === undefined)
      .slice(0, 1)
      .map((listener) => ({ ...listener, name: NAME, routes })),
  };
}

/** As browsers, programs and probes ask. */
const requestsTo = (address: string): readonly Uint8Array[] =>
  [BROWSER_FIELDS, 'User-Agent: curl/8.16.0\r\nAccept: */*\r\n', ''].flatMap((fields) =>
    [address, 'www.example.com'].map((host) =>
      bytesOf(`GET /some/path?of=this HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`),
    ),
  );
const BROWSER_FIELDS =
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n' +
  'Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, br\r\n' +
  'Accept-Language: en-GB,en;q=0.9\r\nCookie: session=4f2a9c1e7b3d5f608192a3b4c5d6e7f8\r\n';
const LAST_REQUEST = bytesOf('GET / HTTP/1.1\r\nHost: warm-up\r\nConnection: close\r\n\r\n');

/** As servers that say much, and such that say little. */
const RESPONSES: readonly Uint8Array[] = [
  'Server: nginx\r\nDate: Sun, 22 Nov 2026 19:00:00 GMT\r\nContent-Type: text/html\r\nETag: "68f0"\r\n' +
    'Last-Modified: Sun, 22 Nov 2026 19:00:00 GMT\r\nConnection: keep-alive\r\n',
  'Content-Type: text/plain\r\n',
].map((fields) => bytesOf(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 13\r\n\r\nhello, world\n`));
