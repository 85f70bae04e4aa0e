import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type OutgoingHttpHeaders,
  type Settings,
} from 'node:http2';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TRANSFERS_MAX, TRANSFERS_PER_CLIENT_MAX } from '../../src/dns-transport/transfer-pump.ts';
import { DNS_MESSAGE, DOH_QUERY_BYTES_MAX } from '../../src/nameserver/doh.ts';
import { STREAM_QUERY_BYTES_MAX } from '../../src/nameserver/stream-framing.ts';
import {
  CA,
  type Door,
  frame,
  LONG,
  type Peer,
  PROXY,
  type Rig,
  startRig,
} from '../dns-transport/stream-rig.ts';
import { queryBytes } from '../nameserver/fixture.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { until } from '../node/until.ts';

/**
 * Peers that mean no good, on real sockets: each way to hold something of the server's is tried at once from as
 * many connections as it has. Others are answered meanwhile, a limit ends it, and the memory comes back.
 */
const DEADLINE_MS = 20_000;
const LIMITS = {
  connectionsMax: 12,
  perClientMax: 4,
  idleTimeoutMs: 10_000,
  queriesPerSecond: 400,
  connectionsPerSecond: 0,
};
/** More than there are places. */
const PEERS = LIMITS.connectionsMax + 4;
const IDLE = 'dns_connections_closed_total idle';
const GARBAGE = 'dns_connections_closed_total garbage';
const ROOM = 'dns_connections_closed_total room';
const REFUSED = 'dns_connections_total refused';
/**
 * What one connection may hold while it is served: a read of the engine's (64 KiB) that waits, answers that the
 * peer does not take (64 KiB and one answer more; over HTTP/2 256 KiB), and TLS with its records; and the client's
 * end of it all, which is in this thread too.
 */
const HELD_PER_CONNECTION_MAX = 1_000_000;
/** What three attacks may leave behind: some 5 kB a connection would be seen. */
const LEFT_MAX = 250_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Octets in use in this thread, where client and server are. */
async function inUse(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    await new Promise(setImmediate);
    collect();
  }
  const { external, heapUsed } = process.memoryUsage();
  return heapUsed + external;
}

/** Connections from so many addresses that no client has too many. */
function crowd(rig: Rig, door: Door, count = PEERS): Promise<Peer[]> {
  return Promise.all(Array.from({ length: count }, () => rig.open(door, loopbackAddress())));
}

const HEADER_V2 = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12];
const LONG_QUERY = frame(queryBytes(LONG, 'TXT'));
const SHORT_QUERY = frame(queryBytes('static.gslb.example', 'A'));
const COPY_QUERY = frame(queryBytes('large.test', 'AXFR'));
const many = (query: Buffer, count: number): Buffer => Buffer.concat(Array(count).fill(query));

type Attack = (rig: Rig) => Promise<readonly Peer[]>;

function writing(door: Door, bytes: () => Uint8Array, how: { ends?: boolean } = {}): Attack {
  return async (rig) => {
    const peers = await crowd(rig, door);
    for (const { socket } of peers) {
      socket.pause();
      socket.write(bytes());
      if (how.ends) socket.end();
    }
    return peers;
  };
}

/** A peer whose stream is inside TLS. */
async function secured(rig: Rig, door: Door, protocols: string[] = []): Promise<Peer> {
  const peer = await rig.open(door, loopbackAddress());
  const names = { servername: 'ns1.example', ALPNProtocols: protocols };
  const tls = connectTls({ socket: peer.socket, ca: CA, ...names });
  tls.on('error', () => {});
  await once(tls, 'secureConnect');
  return { socket: tls, isClosed: peer.isClosed };
}

/** Those for whom there was room. */
async function securedCrowd(rig: Rig, door: Door, protocols?: string[]): Promise<Peer[]> {
  const one = (): Promise<Peer | undefined> => secured(rig, door, protocols).catch(() => undefined);
  const peers = await Promise.all(Array.from({ length: PEERS }, one));
  return peers.filter((peer) => peer !== undefined);
}

function writingOverTls(door: Door, bytes: () => Uint8Array): Attack {
  return async (rig) => {
    const peers = await securedCrowd(rig, door);
    for (const { socket } of peers) {
      socket.pause();
      socket.write(bytes());
    }
    return peers;
  };
}

/** Requests of HTTP/2, more than may be under way, whose responses have no window. */
async function closedWindows(rig: Rig): Promise<readonly Peer[]> {
  const peers = await securedCrowd(rig, 'https', ['h2']);
  for (const { socket } of peers) {
    const spoken = http2(socket, { initialWindowSize: 0 });
    for (let asked = 0; asked < 200; asked += 1) request(spoken);
  }
  return peers;
}

/** Requests that are taken back at once (CVE-2023-44487). */
async function resets(rig: Rig): Promise<readonly Peer[]> {
  const peers = await securedCrowd(rig, 'https', ['h2']);
  for (const { socket } of peers) {
    const spoken = http2(socket, {});
    for (let asked = 0; asked < 400; asked += 1) request(spoken).close(constants.NGHTTP2_CANCEL);
  }
  return peers;
}

function http2(socket: Socket, settings: Settings): ClientHttp2Session {
  const spoken = connectHttp2('https://ns1.example', { createConnection: () => socket, settings });
  spoken.on('error', () => {});
  return spoken;
}

function request(spoken: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const query = Buffer.from(queryBytes(LONG, 'TXT')).toString('base64url');
  const stream = spoken.request({ ':path': `/dns-query?dns=${query}`, ...headers });
  stream.on('error', () => {});
  return stream;
}

const get = (query: Uint8Array): string =>
  `GET /dns-query?dns=${Buffer.from(query).toString('base64url')} HTTP/1.1\r\nHost: a\r\n\r\n`;

const ATTACKS: Readonly<Record<string, Attack>> = {
  'nothing is said': writing('tcp', () => new Uint8Array()),
  'half a length': writing('tcp', () => Uint8Array.of(0)),
  'half a query, as long as may be': writing('tcp', () =>
    frame(new Uint8Array(STREAM_QUERY_BYTES_MAX)).subarray(0, STREAM_QUERY_BYTES_MAX),
  ),
  'answers that nobody takes': writing('tcp', () => many(LONG_QUERY, 400)),
  'answers that nobody takes, and an end': writing('tcp', () => many(LONG_QUERY, 400), {
    ends: true,
  }),
  'more queries than a client may ask': writing('tcp', () => many(SHORT_QUERY, 1500)),
  'copies that nobody takes': writing('tcp', () => many(COPY_QUERY, 3)),
  'handshakes that do not begin': writing('tls', () => new Uint8Array()),
  'handshakes that stop': writing('tls', () => Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3)),
  'answers over TLS that nobody takes': writingOverTls('tls', () => many(LONG_QUERY, 400)),
  'queries over TLS': writingOverTls('tls', () => many(SHORT_QUERY, 1500)),
  'half a header of a request': writingOverTls('https', () =>
    Buffer.from('GET /dns-query HTTP/1.1\r\nX: '),
  ),
  'a body that does not come': writingOverTls('https', () =>
    Buffer.from(
      `POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: ${DNS_MESSAGE}\r\nContent-Length: 40\r\n\r\n`,
    ),
  ),
  'responses that nobody takes': writingOverTls('https', () =>
    Buffer.from(get(queryBytes(LONG, 'TXT')).repeat(200)),
  ),
  'responses over HTTP/2 that nobody takes': closedWindows,
  'requests over HTTP/2 that are taken back': resets,
};

for (const [what, attack] of Object.entries(ATTACKS)) {
  test(`hostile peers: ${what}`, async (t) => {
    const rig = await startRig(t, LIMITS);
    await siege(t, rig, attack, () => {});
    const before = await inUse();
    let held = 0;
    for (let round = 0; round < 3; round += 1) {
      await siege(t, rig, attack, async () => {
        held = Math.max(held, (await inUse()) - before);
      });
    }
    const left = (await inUse()) - before;
    t.diagnostic(`${Math.round(held / 1000)} kB held, ${Math.round(left / 1000)} kB left`);
    assert.ok(held < LIMITS.connectionsMax * HELD_PER_CONNECTION_MAX, `${held} octets held`);
    assert.ok(left < LEFT_MAX, `${left} octets left`);
  });
}

/** One attack from beginning to end, with others who ask. */
async function siege(t: TestContext, rig: Rig, attack: Attack, look: () => unknown): Promise<void> {
  const peers = await attack(rig);
  assert.ok(peers.length > 0);
  const [tcp, tls] = [
    await rig.ask('tcp', 'static.gslb.example', 'A'),
    await rig.ask('tls', LONG, 'TXT'),
  ];
  assert.deepEqual([tcp.answer.length, tls.answer.length], [2, 140]);
  await look();
  rig.pass(LIMITS.idleTimeoutMs + 1);
  // Who takes nothing sees no end either.
  for (const { socket } of peers) socket.resume();
  await until(() => peers.every(({ isClosed }) => isClosed()), DEADLINE_MS, 'all are closed');
  assert.ok(rig.count(IDLE) + rig.count(ROOM) > 0);
  t.diagnostic(
    `${rig.count(IDLE)} idle, ${rig.count(ROOM)} for others, ${rig.count(GARBAGE)} garbage`,
  );
}

const closedAll = (peers: readonly Peer[], what: string): Promise<number> =>
  until(() => peers.every(({ isClosed }) => isClosed()), DEADLINE_MS, what);

test('where proxies speak, who is none of them or says nothing is bounded and counted', async (t) => {
  const rig = await startRig(t, LIMITS);
  const strangers = await crowd(rig, 'proxied', 5);
  await closedAll(strangers, 'strangers are closed');
  assert.equal(rig.count(REFUSED), 5);
  const behind = async (bytes: readonly number[]): Promise<Peer> => {
    const peer = await rig.open('proxied', PROXY);
    peer.socket.resume();
    peer.socket.write(Uint8Array.from(bytes));
    return peer;
  };
  await closedAll([await behind([...SHORT_QUERY])], 'a query without a header is closed');
  assert.equal(rig.count(REFUSED), 6);
  const silent = await Promise.all(
    Array.from({ length: PEERS }, (_, index) => behind(HEADER_V2.slice(0, index))),
  );
  const room = PEERS - LIMITS.connectionsMax;
  await until(() => rig.count(ROOM) === room, DEADLINE_MS, 'the first make room for the last');
  assert.equal((await rig.ask('tcp', LONG, 'TXT')).answer.length, 140);
  assert.equal(rig.count('dns_connections_total taken'), 1, 'none of them is anybody');
  rig.pass(LIMITS.idleTimeoutMs + 1);
  await closedAll(silent, 'no header is as idle as no query');
  const header = [...HEADER_V2, 192, 0, 2, 7, 127, 0, 0, 1, 1, 1, 0, 53];
  const named = await Promise.all(
    Array.from({ length: LIMITS.perClientMax }, () => behind([...header, ...SHORT_QUERY])),
  );
  await Promise.all(named.map(({ socket }) => once(socket, 'data')));
  await closedAll([await behind(header)], 'one more of this client is closed');
  assert.equal(rig.count(REFUSED), 7);
});

test('copies of zones are limited per client and in all, and given up with their connection', async (t) => {
  const limits = { ...LIMITS, connectionsMax: 200, perClientMax: 40 };
  const rig = await startRig(t, limits);
  const [taken, refused] = ['dns_transfers_total taken', 'dns_transfers_total refused'];
  const copy = async (from: string, count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      const { socket } = await rig.open('tcp', from);
      socket.pause();
      socket.write(COPY_QUERY);
    }
  };
  for (let round = 1; round <= 2; round += 1) {
    const before = rig.count(taken);
    await copy(loopbackAddress(), TRANSFERS_PER_CLIENT_MAX + 3);
    await until(() => rig.count(refused) === round * 4 - 1, DEADLINE_MS, 'three are refused');
    assert.equal(rig.count(taken) - before, TRANSFERS_PER_CLIENT_MAX);
    const others = TRANSFERS_MAX / TRANSFERS_PER_CLIENT_MAX - 1;
    for (let each = 0; each < others; each += 1) {
      await copy(loopbackAddress(), TRANSFERS_PER_CLIENT_MAX);
    }
    await until(() => rig.count(taken) - before === TRANSFERS_MAX, DEADLINE_MS, 'all are taken');
    const { edns, rcode } = await rig.ask('tcp', 'large.test', 'AXFR', { edns: true });
    assert.deepEqual([rcode, edns?.extendedErrors], [5, [{ code: 14, text: '' }]]);
    assert.equal((await rig.ask('tcp', 'large.test', 'SOA')).answer.length, 1);
    rig.pass(LIMITS.idleTimeoutMs + 1);
  }
  assert.equal((await rig.ask('tcp', 'large.test', 'AXFR')).rcode, 0);
});

test('requests over HTTP/2 have limits: streams at once, headers, a body, a query, a wrong method', async (t) => {
  const rig = await startRig(t, LIMITS);
  const { socket } = await secured(rig, 'https', ['h2']);
  const spoken = http2(socket, {});
  const statusOf = async (headers: OutgoingHttpHeaders, body?: Buffer): Promise<unknown> => {
    const stream = spoken.request(headers, { endStream: body === undefined });
    const ended = new Promise((resolve) => {
      stream.on('response', ({ ':status': status }) => resolve(status));
      stream.on('error', ({ message }) => resolve(message));
      stream.on('close', () => resolve('closed'));
    });
    if (body !== undefined) stream.end(body);
    const status = await ended;
    stream.resume();
    return status;
  };
  const post = { ':method': 'POST', ':path': '/dns-query', 'content-type': DNS_MESSAGE };
  const query = queryBytes('static.gslb.example', 'A');
  const dns = Buffer.from(query).toString('base64url');
  const rows: readonly (readonly [OutgoingHttpHeaders, Buffer | undefined, unknown])[] = [
    [{ ':path': `/dns-query?dns=${dns}` }, undefined, 200],
    [post, Buffer.from(query), 200],
    [post, Buffer.alloc(DOH_QUERY_BYTES_MAX + 1), 413],
    [post, Buffer.alloc(11), 400],
    [{ ...post, 'content-type': 'text/plain' }, Buffer.from(query), 415],
    [{ ':path': `/dns-query?dns=${'A'.repeat(5600)}` }, undefined, 414],
    [{ ':path': '/else' }, undefined, 404],
    [{ ':path': '/dns-query', ':method': 'DELETE' }, undefined, 405],
  ];
  for (const [headers, body, expected] of rows) {
    assert.equal(await statusOf(headers, body), expected, JSON.stringify(headers).slice(0, 80));
  }
  const long = await statusOf({ ':path': '/dns-query', 'x-long': 'x'.repeat(9000) });
  assert.notEqual(long, 200);
  assert.equal(spoken.remoteSettings.maxConcurrentStreams, 64);
  assert.equal((await rig.ask('tls', LONG, 'TXT')).answer.length, 140);
  spoken.destroy();
});

test('what is no query counts like one over HTTPS, and who asks too much is not read on', async (t) => {
  const limits = { ...LIMITS, queriesPerSecond: 20 };
  const rig = await startRig(t, limits);
  const { socket } = await secured(rig, 'https', ['h2']);
  const spoken = http2(socket, {});
  const answered = new Map<unknown, number>();
  const sendSome = (count: number): void => {
    for (let index = 0; index < count; index += 1) {
      const stream = spoken.request({ ':path': '/else' });
      stream.on('error', () => {});
      stream.on('response', ({ ':status': status }) => {
        answered.set(status, (answered.get(status) ?? 0) + 1);
      });
      stream.resume();
    }
  };
  const total = (): number => [...answered.values()].reduce((sum, count) => sum + count, 0);
  const first = limits.queriesPerSecond + 3;
  sendSome(first);
  await until(() => total() === first, DEADLINE_MS, 'all that came at once are answered');
  assert.deepEqual([answered.get(404), answered.get(429)], [20, 3]);
  assert.equal(rig.count('dns_http_refused_total'), first);
  assert.equal(rig.count('dns_stream_limited_total'), 3);
  sendSome(3);
  // Another's question and answer take longer than these would.
  assert.equal((await rig.ask('tls', LONG, 'TXT')).answer.length, 140);
  assert.equal(total(), first, 'nobody reads them');
  rig.pass(1000);
  await until(() => total() === first + 3, DEADLINE_MS, 'later they are read');
  assert.equal(answered.get(404), 23);
  spoken.destroy();
});

test('the same over HTTP/1.1', async (t) => {
  const limits = { ...LIMITS, queriesPerSecond: 5 };
  const rig = await startRig(t, limits);
  const { socket } = await secured(rig, 'https', ['http/1.1']);
  let read = '';
  socket.on('data', (bytes: Buffer) => {
    read += bytes.toString('latin1');
  });
  const heard = (status: number): number => read.split(`HTTP/1.1 ${status} `).length - 1;
  const query = get(queryBytes('static.gslb.example', 'A'));
  for (let asked = 0; asked < 7; asked += 1) socket.write(query);
  await until(() => heard(200) === 5 && heard(429) > 0, DEADLINE_MS, 'five are answered');
  const othersAreServed = async () =>
    assert.equal((await rig.ask('tls', LONG, 'TXT')).answer.length, 140);
  // What was read together with the first refused one is refused, too.
  await othersAreServed();
  const before = heard(429);
  socket.write(query);
  await othersAreServed();
  assert.equal(heard(429), before, 'nobody reads more');
  rig.pass(1000);
  await until(() => heard(200) > 5, DEADLINE_MS, 'later it is read');
  socket.destroy();
});

test('handshakes are counted where they fail, and limited per client', async (t) => {
  const rig = await startRig(t, { ...LIMITS, connectionsPerSecond: 6 });
  const from = loopbackAddress();
  for (let index = 0; index < 6; index += 1) {
    const peer = await rig.open(index % 2 === 0 ? 'tls' : 'https', from);
    peer.socket.resume();
    peer.socket.write('GET / HTTP/1.0\r\n\r\n');
    await closedAll([peer], 'what is not TLS ends');
  }
  const failed = 'dns_connections_closed_total handshake';
  await until(() => rig.count(failed) === 6, DEADLINE_MS, 'all are counted');
  const beyond = await rig.open('tls', from);
  beyond.socket.resume();
  await closedAll([beyond], 'one more is closed');
  assert.equal(rig.count(REFUSED), 1);
  assert.equal((await rig.ask('tls', LONG, 'TXT')).answer.length, 140, 'others are taken');
  rig.pass(1000);
  const { socket } = await secured(rig, 'tls');
  socket.destroy();
  assert.equal(rig.count(failed), 6);
});

/** Ways to leave a connection that TLS is spoken on, each without another word. */
const LEAVINGS: Readonly<Record<string, (rig: Rig, door: Door, from: string) => Promise<Socket>>> =
  {
    'before the handshake': async (rig, door, from) => {
      const { socket } = await rig.open(door, from);
      return socket.end();
    },
    'in its middle': async (rig, door, from) => {
      const { socket } = await rig.open(door, from);
      return socket.end(Buffer.from([22, 3, 1, 2, 0, 1]));
    },
    'after it': async (rig, door, from) => {
      const { socket } = await securedFrom(rig, door, from);
      return socket.end();
    },
    'after it, without an end of TLS': async (rig, door, from) => {
      const { raw } = await securedFrom(rig, door, from);
      return raw.end();
    },
  };

async function securedFrom(rig: Rig, door: Door, from: string) {
  const { socket: raw } = await rig.open(door, from);
  const ALPNProtocols = door === 'https' ? ['h2'] : ['dot'];
  const socket = connectTls({ socket: raw, ca: CA, servername: 'ns1.example', ALPNProtocols });
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'secureConnect');
  return { socket, raw };
}

for (const [way, leave] of Object.entries(LEAVINGS)) {
  test(`who leaves ${way} holds no place any more`, async (t) => {
    const rig = await startRig(t, LIMITS);
    for (const door of ['tls', 'https'] as const) {
      const from = loopbackAddress();
      for (let index = 0; index < LIMITS.perClientMax + 2; index += 1) {
        const socket = await leave(rig, door, from);
        socket.resume();
        if (!socket.destroyed) await once(socket, 'close', { signal: AbortSignal.timeout(5000) });
      }
      assert.equal(rig.count(REFUSED), 0, door);
    }
  });
}
