import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { CA, LONG, type Rig, startRig } from '../dns-transport/stream-rig.ts';
import { queryBytes } from '../nameserver/fixture.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Frames of HTTP/2 and requests of HTTP/1.1 in any order, cancelled, doubled, broken and left alone, over TLS on real
 * sockets. Node's servers read them, in this thread: whatever they throw ends the test as it would end the worker.
 */
const LIMITS = {
  connectionsMax: 32,
  perClientMax: 8,
  idleTimeoutMs: 10_000,
  queriesPerSecond: 0,
  connectionsPerSecond: 0,
};
const QUERY = Buffer.from(queryBytes('static.gslb.example', 'A'));
const DNS = QUERY.toString('base64url');
const AT_ONCE = 8;

type Draw = (below: number) => number;

/** The same numbers for the same seed. */
function draws(seed: number): Draw {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.floor((((state ^ (state >>> 13)) >>> 0) / 2 ** 32) * below);
  };
}

const [DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, AWAY, WINDOW, CONTINUATION] = [
  0, 1, 2, 3, 4, 6, 7, 8, 9,
];

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A field that no table knows. */
function field(name: string, value: string): Buffer {
  const text = value.slice(0, 126);
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([text.length]),
    Buffer.from(text),
  ]);
}

const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(SETTINGS!, 0, 0, Buffer.alloc(0)),
]);

/** GET or POST in HPACK's static table, over https. */
const METHODS = [0x82, 0x83];

function heading(draw: Draw): Buffer {
  const path = [`/dns-query?dns=${DNS}`, '/dns-query', '/else', '*'][draw(4)]!;
  return Buffer.concat([
    Buffer.from([METHODS[draw(2)]!, 0x87]),
    field(':path', path),
    field(':authority', 'a'),
    ...(draw(2) === 0 ? [field('content-type', 'application/dns-message')] : []),
    ...(draw(3) === 0 ? [field('expect', draw(4) === 0 ? 'else' : '100-continue')] : []),
    ...(draw(8) === 0 ? [field('content-length', String(draw(5000)))] : []),
    ...(draw(12) === 0 ? [field(':method', 'CONNECT')] : []),
  ]);
}

/** A frame; `next` is the stream that a request would open. */
function anyFrame(draw: Draw, next: number): Buffer {
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => draw(256)));
  const last = Math.max(1, next - 2);
  const stream = draw(6) === 0 ? draw(2 * next) : last;
  switch (draw(12)) {
    case 0:
    case 1:
      return frame(DATA!, draw(2), stream, draw(2) === 0 ? QUERY : noise(draw(300)));
    case 2:
    case 3:
    case 4:
      return frame(RESET!, 0, last, Buffer.from([0, 0, 0, draw(14)]));
    case 5:
      return frame(SETTINGS!, draw(2), 0, Buffer.from([0, draw(9), 0, draw(2), draw(256), 0]));
    case 6:
      return frame(PING!, draw(2), 0, noise(8));
    case 7:
      return frame(WINDOW!, 0, draw(2) * stream, noise(4));
    case 8:
      return frame(PRIORITY!, 0, stream, noise(5));
    case 9:
      return draw(8) === 0 ? frame(CONTINUATION!, 4, stream, noise(9)) : Buffer.alloc(0);
    case 10:
      return draw(8) === 0 ? frame(AWAY!, 0, 0, noise(8)) : Buffer.alloc(0);
    default:
      return draw(8) === 0
        ? frame(draw(256), draw(256), stream, noise(draw(40)))
        : QUERY.subarray(0, 0);
  }
}

function talk2(draw: Draw): Buffer {
  const parts: Uint8Array[] = [PREFACE];
  let next = 1;
  for (let count = 1 + draw(40); count > 0; count -= 1) {
    if (draw(3) === 0) {
      parts.push(frame(HEADERS!, [4, 5, 4, 0][draw(4)]!, next, heading(draw)));
      next += 2;
    } else parts.push(anyFrame(draw, next));
  }
  return Buffer.concat(parts);
}

function talk1(draw: Draw): Buffer {
  const post = 'POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n';
  const requests = [
    `GET /dns-query?dns=${DNS} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET /dns-query?dns=${DNS} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n`,
    `${post}Content-Length: ${draw(300)}\r\n\r\n${'x'.repeat(draw(200))}`,
    `${post}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n${draw(2) === 0 ? '0\r\n\r\n' : 'zz'}`,
    'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\0'.repeat(draw(50)),
  ];
  const parts = Array.from({ length: 1 + draw(8) }, () => requests[draw(requests.length)]!);
  return Buffer.from(parts.join(''), 'latin1');
}

async function spoken(rig: Rig, protocol: string): Promise<TLSSocket> {
  const { socket } = await rig.open('https', loopbackAddress());
  const names = { servername: 'ns1.example', ALPNProtocols: [protocol] };
  const tls = connectTls({ socket, ca: CA, ...names });
  tls.on('error', () => {});
  tls.resume();
  await once(tls, 'secureConnect');
  return tls;
}

/** Says all of it, in one piece or several, and goes in one of several ways. */
async function attack(rig: Rig, draw: Draw): Promise<void> {
  const isTwo = draw(4) > 0;
  const tls = await spoken(rig, isTwo ? 'h2' : 'http/1.1');
  const said = isTwo ? talk2(draw) : talk1(draw);
  const cut = draw(2) === 0 ? said.length : draw(said.length);
  tls.write(said.subarray(0, cut));
  await new Promise(setImmediate);
  if (cut < said.length && !tls.destroyed) tls.write(said.subarray(cut));
  for (let turns = draw(6); turns > 0; turns -= 1) await new Promise(setImmediate);
  if (draw(2) === 0) tls.end();
  else tls.destroy();
}

async function siege(t: TestContext, seed: number, runs: number): Promise<void> {
  const rig = await startRig(t, LIMITS);
  for (let run = 0; run < runs; run += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) => attack(rig, draws(seed + run + index))),
    );
  }
  assert.equal((await rig.ask('tls', LONG, 'TXT')).answer.length, 140);
}

test('whatever is said over HTTPS, others are answered', { timeout: 3_600_000 }, async (t) => {
  const seed = fuzzSeed(26);
  t.diagnostic(`FUZZ_SEED=${seed}`);
  await siege(t, seed, fuzzRuns(160));
});

test('a request that waits to be told to go on, and is cancelled at once, ends nobody', async (t) => {
  const rig = await startRig(t, LIMITS);
  const tls = await spoken(rig, 'h2');
  const waiting = Buffer.concat([
    Buffer.from([0x83, 0x87]),
    field(':path', '/dns-query'),
    field(':authority', 'a'),
    field('expect', '100-continue'),
  ]);
  const cancelled = (stream: number): Buffer[] => [
    frame(HEADERS!, 4, stream, waiting),
    frame(RESET!, 0, stream, Buffer.from([0, 0, 0, 8])),
  ];
  tls.write(Buffer.concat([PREFACE, ...cancelled(1), ...cancelled(3)]));
  assert.equal((await rig.ask('tls', LONG, 'TXT')).answer.length, 140);
  tls.destroy();
});
