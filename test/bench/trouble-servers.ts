/**
 * Servers whose behaviour is switched while they serve, for benches of proxies: `node trouble-servers.ts COUNT [PORT]`,
 * with PORT for the first of them. It prints one line of JSON (ServersStarted). At `controlPort` it takes `POST /behave` (Switch[]), `POST /reset` and
 * `GET /counts` (ServerCounts).
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { echoWebSocket } from '../balancer/websocket-server.ts';
import { closedPort } from '../closed-port.ts';

export type Behaviour =
  /** Answers at once; or, with `serviceMs`, one request after the other. */
  | {
      readonly kind: 'well';
      readonly serviceMs?: number;
      /** Just after this word everything takes so many times as long, and less and less until `coldMs` are over. */
      readonly coldFactor?: number;
      readonly coldMs?: number;
    }
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** 503 at once; with `isSeen` to probes, too. */
  | { readonly kind: 'fail'; readonly isSeen: boolean }
  /** Its port is closed, and its connections are cut. */
  | { readonly kind: 'refuse' }
  /** Accepts, never answers. */
  | { readonly kind: 'hang' };

export type Switch = { readonly server: number; readonly behaviour: Behaviour };
export type ServersStarted = { readonly controlPort: number; readonly ports: readonly number[] };
export type ServerCounts = {
  /** By `Date.now()`, when counting began. */
  readonly sinceMs: number;
  /** Of each server, its requests in each BIN_MS; probes do not count. */
  readonly bins: readonly (readonly number[])[];
};

export const BIN_MS = 100;
export const PROBE_PATH = '/healthz';
/** `?octets=N`: a body of so many octets, with its length or, with `&chunked`, without. */
export const BODY_PATH = '/body';
/** Server-sent events, `?count=N` of them, one each EVENT_MS. */
export const EVENTS_PATH = '/events';
export const EVENT_MS = 50;
const BLOCK_OCTETS = 16 * 1024;

/** The octets of bodies are the same again after so many. */
const PERIOD = 64 * 1024;
/** Made once: servers that made each body anew would be what is measured. */
const TWICE = Buffer.from(
  Array.from({ length: 2 * PERIOD }, (_, at) => ((at % PERIOD) * 31 + ((at % PERIOD) >> 8)) & 0xff),
);

/** Of what bodies are made: the octet at each place, so that a shift or a gap shows. Not to be written to. */
export function patternAt(from: number, length: number): Buffer {
  const start = from % PERIOD;
  if (start + length <= TWICE.length) return TWICE.subarray(start, start + length);
  return Buffer.concat([TWICE.subarray(start, PERIOD), patternAt(0, length - (PERIOD - start))]);
}

if (import.meta.main) await main(Number(process.argv[2]), Number(process.argv[3] ?? 0));

async function main(count: number, firstPort: number): Promise<void> {
  const counts = createCounts(count);
  const servers: SwitchedServer[] = [];
  for (let index = 0; index < count; index += 1) {
    servers.push(await startServer(index, index === 0 ? firstPort : 0, counts));
  }
  const control = http.createServer((request, response) => {
    void obey(request, servers, counts).then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: Error) => response.writeHead(400).end(error.message),
    );
  });
  const started: ServersStarted = {
    controlPort: await listen(control, 0),
    ports: servers.map(({ port }) => port),
  };
  process.stdout.write(`${JSON.stringify(started)}\n`);
}

async function obey(
  request: IncomingMessage,
  servers: readonly SwitchedServer[],
  counts: Counts,
): Promise<unknown> {
  if (request.url === '/counts') return counts.all();
  if (request.url === '/reset') counts.reset();
  if (request.url !== '/behave') return {};
  const text = Buffer.concat(await request.toArray()).toString();
  for (const { behaviour, server } of JSON.parse(text) as readonly Switch[]) {
    await servers[server]!.behave(behaviour);
  }
  return {};
}

type Counts = ReturnType<typeof createCounts>;

function createCounts(servers: number) {
  let sinceMs = Date.now();
  let bins: number[][] = [];
  const counts = {
    add(server: number): void {
      const bin = Math.floor((Date.now() - sinceMs) / BIN_MS);
      const row = bins[server]!;
      while (row.length <= bin) row.push(0);
      row[bin]! += 1;
    },
    reset(): void {
      sinceMs = Date.now();
      bins = Array.from({ length: servers }, () => []);
    },
    all: (): ServerCounts => ({ sinceMs, bins }),
  };
  counts.reset();
  return counts;
}

type SwitchedServer = {
  readonly port: number;
  behave(behaviour: Behaviour): Promise<void>;
};

async function startServer(
  index: number,
  wantedPort: number,
  counts: Counts,
): Promise<SwitchedServer> {
  let behaviour: Behaviour = { kind: 'well' };
  let sinceMs = 0;
  let freeAtMs = 0;
  /** Milliseconds until a request is answered that comes now. */
  const waitMs = (): number => {
    if (behaviour.kind === 'slow') return behaviour.delayMs;
    if (behaviour.kind !== 'well' || behaviour.serviceMs === undefined) return 0;
    const { coldFactor = 1, coldMs = 0, serviceMs } = behaviour;
    const nowMs = performance.now();
    const left = coldMs === 0 ? 0 : Math.max(0, 1 - (nowMs - sinceMs) / coldMs);
    freeAtMs = Math.max(nowMs, freeAtMs) + serviceMs * (1 + (coldFactor - 1) * left);
    return freeAtMs - nowMs;
  };
  const server = http.createServer((request, response) => {
    const isProbe = request.url === PROBE_PATH;
    if (!isProbe) counts.add(index);
    if (behaviour.kind === 'hang') return;
    const isFailing = behaviour.kind === 'fail' && (!isProbe || behaviour.isSeen);
    if (isFailing) return void response.writeHead(503, { 'Content-Length': 0 }).end();
    const ms = isProbe ? 0 : waitMs();
    if (ms === 0) answer(request, response, index);
    else setTimeout(() => answer(request, response, index), ms);
  });
  server.on('upgrade', (request, socket, head) => {
    counts.add(index);
    echoWebSocket(request, socket, head);
  });
  // What it does to connections that wait is not what is measured.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  // It may be gone for a while, and come back at its port: nobody must get that meanwhile.
  const port = await listen(server, wantedPort === 0 ? await closedPort() : wantedPort);
  return {
    port,
    async behave(next) {
      behaviour = next;
      sinceMs = performance.now();
      freeAtMs = sinceMs;
      if (next.kind === 'refuse' && server.listening) {
        server.close();
        server.closeAllConnections();
      } else if (next.kind !== 'refuse' && !server.listening) await listen(server, port);
    },
  };
}

async function listen(server: http.Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1', 4096);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function answer(request: IncomingMessage, response: ServerResponse, index: number): void {
  const { pathname, searchParams } = new URL(request.url!, 'http://server');
  if (request.method === 'POST' || request.method === 'PUT') return void digest(request, response);
  if (pathname === BODY_PATH) {
    const octets = Number(searchParams.get('octets'));
    if (!searchParams.has('chunked')) response.setHeader('Content-Length', octets);
    void pour(response, octets);
  } else if (pathname === EVENTS_PATH) void tell(response, Number(searchParams.get('count')));
  else {
    const text = `hello from ${index}\n`;
    response.writeHead(200, { 'Content-Length': text.length }).end(text);
  }
}

/** Answers with the length and the SHA-256 of what came. */
async function digest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = createHash('sha256');
  let octets = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      hash.update(chunk);
      octets += chunk.length;
    }
    response.end(`${octets} ${hash.digest('hex')}`);
  } catch {
    // The client has left in the middle.
    response.destroy();
  }
}

async function pour(response: ServerResponse, octets: number): Promise<void> {
  for (let at = 0; at < octets && !response.destroyed; at += BLOCK_OCTETS) {
    const isWanted = response.write(patternAt(at, Math.min(BLOCK_OCTETS, octets - at)));
    if (isWanted) continue;
    await new Promise((done) => {
      response.once('drain', done);
      response.once('close', done);
    });
  }
  response.end();
}

async function tell(response: ServerResponse, count: number): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  for (let event = 0; event < count && !response.destroyed; event += 1) {
    response.write(`data: ${event}\n\n`);
    await delay(EVENT_MS);
  }
  response.end();
}
