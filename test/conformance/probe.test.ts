import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { REASON_LENGTH_MAX } from '../../src/probe/failure.ts';
import type { ProbeKind, ProbeResult } from '../../src/probe/probe.ts';
import { probeKinds } from '../../src/probe/registry.ts';
import { closedPort } from '../closed-port.ts';
import { a, answeringDns, serveUdp } from '../probe/dns-server.ts';
import { answering, type Fixture, HTTP_OK, serve } from '../probe/fixture-server.ts';
import { answerGrpc, healthFrame, speakingHttp2 } from '../probe/grpc-server.ts';
import { authority, caFile, overTls } from '../probe/tls-server.ts';

/**
 * What every probe kind promises, against real servers. A kind needs options that make it wait for an
 * answer, and a server that gives the right one: `healthy` is what it does on a connection, inside
 * TLS when `tls` says so.
 */
type Subject = {
  readonly kind: string;
  readonly what: string;
  readonly options: object;
  readonly healthy: (socket: Duplex) => void;
  /** Which of the options holds what is asked of certificates; '' = they are the options themselves. */
  readonly tls?: string;
};

const HTTP = answering(HTTP_OK) as (socket: Duplex) => void;
const GRPC = speakingHttp2((stream) => answerGrpc(stream, healthFrame(1)));
const DNS = answeringDns({ records: [a('192.0.2.1')] });
const OVER_CONNECTIONS: readonly Subject[] = [
  { kind: 'http', what: 'http', options: {}, healthy: HTTP },
  { kind: 'http', what: 'http, body', options: { body: 'fit' }, healthy: HTTP },
  { kind: 'http', what: 'http over TLS', options: {}, healthy: HTTP, tls: 'tls' },
  { kind: 'https', what: 'https', options: {}, healthy: HTTP, tls: 'tls' },
  {
    kind: 'https',
    what: 'https, HTTP/2',
    options: { http2: true },
    healthy: speakingHttp2((stream) => {
      stream.respond({ ':status': 200 });
      stream.end('fit');
    }),
    tls: 'tls',
  },
  {
    kind: 'tcp',
    what: 'tcp',
    options: { send: 'PING\r\n', expect: '+PONG' },
    healthy: answering('+PONG\r\n') as (socket: Duplex) => void,
  },
  { kind: 'tls', what: 'tls', options: {}, healthy: () => undefined, tls: '' },
  { kind: 'dns', what: 'dns', options: { name: 'x.example', transport: 'tcp' }, healthy: DNS },
  { kind: 'grpc', what: 'grpc', options: {}, healthy: GRPC },
  { kind: 'grpc', what: 'grpc over TLS', options: {}, healthy: GRPC, tls: 'tls' },
];
/** Kinds that ask in another way; their own tests have the servers. */
const OTHERS: readonly Pick<Subject, 'kind' | 'what' | 'options'>[] = [
  { kind: 'dns', what: 'dns over UDP', options: { name: 'x.example' } },
  { kind: 'icmp', what: 'icmp', options: {} },
  { kind: 'script', what: 'script', options: { path: '/bin/sleep', args: ['30'] } },
];

const HOST = '127.0.0.1';
/** An abort must settle a probe within this time; far less than an interval. */
const SETTLE_MAX_MS = 1000;
const never = new AbortController().signal;

type Run = { readonly signal?: AbortSignal; readonly address?: string; readonly source?: string };

function kindOf({ kind }: { readonly kind: string }): ProbeKind {
  return probeKinds.find((each) => each.kind === kind)!;
}

/** The subject's options, with the authority of the tests where there are certificates. */
function optionsOf(t: TestContext, subject: Pick<Subject, 'options' | 'tls'>): object {
  if (subject.tls === undefined) return subject.options;
  const trust = { ca: caFile(t), sni: 'localhost' };
  return { ...subject.options, ...(subject.tls === '' ? trust : { [subject.tls]: trust }) };
}

function run(
  t: TestContext,
  subject: Pick<Subject, 'kind' | 'options' | 'tls'>,
  port: number,
  { address = HOST, signal = never, source }: Run = {},
): Promise<ProbeResult> {
  const kind = kindOf(subject);
  const target = { address, port, ...(source === undefined ? {} : { sourceAddress: source }) };
  return kind.run(target, kind.options.parse(optionsOf(t, subject)), signal);
}

/** A server that behaves so where the kind's own talk takes place: inside TLS, if it has that. */
function serveInside(
  t: TestContext,
  { tls }: Subject,
  onConnection: (socket: Duplex) => void,
  host = HOST,
): Promise<Fixture> {
  const isInside = tls !== undefined;
  return serve(t, isInside ? overTls(onConnection) : (onConnection as (s: Socket) => void), host);
}

function aborting(afterMs: number, reason?: string): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), afterMs);
  return controller.signal;
}

function assertFailed({ local, ok, reason }: ProbeResult, about: string): void {
  assert.equal(ok, false, about);
  assert.notEqual(local, true, about);
  assert.ok(reason.length > 0 && reason.length <= REASON_LENGTH_MAX, `${about}: ${reason}`);
}

test('every kind has a subject here, a summary and options', () => {
  const subjects = new Set([...OVER_CONNECTIONS, ...OTHERS].map(({ kind }) => kind));
  for (const { kind, options, summary } of probeKinds) {
    assert.ok(subjects.has(kind), `add ${kind} to the subjects`);
    assert.notEqual(summary, '');
    const { success } = options.safeParse({ nosuchoption: 1 });
    assert.equal(success, false, `${kind}: unknown keys are errors`);
  }
});

for (const subject of [...OVER_CONNECTIONS, ...OTHERS]) {
  const { what } = subject;
  test(`${what}: run() does not even begin when the signal has aborted`, async (t) => {
    const result = await run(t, subject, 1, { signal: AbortSignal.abort() });
    assert.deepEqual(result, { ok: false, rttMs: 0, reason: 'timeout' });
  });

  test(`${what}: run() never throws, whatever the target`, async (t) => {
    for (const address of ['not an address', '', '999.1.1.1', '::1%nosuchinterface']) {
      const result = await run(t, subject, 1, { address, signal: aborting(200) });
      assert.equal(result.ok, false, address);
      assert.ok(result.reason.length > 0 && result.reason.length <= REASON_LENGTH_MAX, address);
    }
  });
}

for (const subject of OVER_CONNECTIONS) {
  const { healthy, what } = subject;
  test(`${what}: run() reports ok, where the time went, and lets the connection go`, async (t) => {
    for (const address of [HOST, '::1']) {
      const server = await serveInside(t, subject, healthy, address);
      const result = await run(t, subject, server.port, { address });
      assert.equal(result.ok, true, result.reason);
      assert.notEqual(result.reason, '');
      assert.ok(result.rttMs > 0 && result.rttMs < SETTLE_MAX_MS);
      const { connectMs = 0, firstByteMs = 0, tlsMs = 0 } = result.timings!;
      assert.ok(connectMs > 0 && connectMs + tlsMs + firstByteMs <= result.rttMs);
      assert.equal(tlsMs > 0, subject.tls !== undefined);
      await server.idle();
    }
  });

  test(`${what}: run() says "connection refused" when nothing listens`, async (t) => {
    const result = await run(t, subject, await closedPort());
    assertFailed(result, what);
    assert.equal(result.reason, 'connection refused');
  });

  test(`${what}: run() settles with the signal's text when the server hangs or drips`, async (t) => {
    const drip = (socket: Duplex): void => {
      if (subject.kind.startsWith('http')) socket.write('HTTP/1.1 200 OK\r\nx: ');
      const timer = setInterval(() => socket.write('y'), 5);
      socket.on('close', () => clearInterval(timer));
    };
    const servers = [await serve(t, () => undefined)];
    // HTTP/2 says at its first byte that this is no HTTP/2.
    if (!/2|grpc|^tls$/.test(what)) servers.push(await serveInside(t, subject, drip));
    for (const server of servers) {
      const signal = aborting(40, 'timeout after 40 ms');
      const startMs = performance.now();
      const result = await run(t, subject, server.port, { signal });
      assert.ok(performance.now() - startMs < SETTLE_MAX_MS);
      assertFailed(result, what);
      assert.equal(result.reason, 'timeout after 40 ms');
      await server.idle();
    }
  });

  test(`${what}: run() fails when the server hangs up or resets`, async (t) => {
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      for (const when of ['data', 'connection'] as const) {
        const server = await serve(t, (socket) => {
          if (when === 'connection') socket[leave]();
          else socket.once('data', () => socket[leave]());
        });
        const result = await run(t, subject, server.port);
        assertFailed(result, `${leave} on ${when}`);
        assert.match(result.reason, /closed|reset/, `${leave} on ${when}`);
        await server.idle();
      }
    }
  });

  test(`${what}: run() fails when the answer is garbage, cut or endless`, async (t) => {
    const garbage = (socket: Duplex): void => void socket.resume().end(Buffer.alloc(300, 0xa5));
    const cut = (socket: Duplex): void => void socket.once('data', () => socket.end('HT'));
    const pour = (socket: Duplex): void => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 'x')));
      };
      socket.on('drain', more);
      more();
    };
    // A handshake is all that "tls" asks for: what comes then is not its business.
    const inside = subject.kind === 'tls' ? serve : serveInside;
    for (const answer of [garbage, cut, pour]) {
      const server =
        inside === serve ? await serve(t, answer) : await serveInside(t, subject, answer);
      assertFailed(await run(t, subject, server.port), answer.name);
      await server.idle();
    }
  });

  test(`${what}: run() probes from the source address`, async (t) => {
    const server = await serveInside(t, subject, healthy);
    const result = await run(t, subject, server.port, { source: '127.0.0.9' });
    assert.equal(result.ok, true, result.reason);
    assert.deepEqual(server.sources, ['127.0.0.9']);
    // TEST-NET-2 (RFC 5737) is nobody's address.
    const elsewhere = await run(t, subject, server.port, { source: '198.51.100.7' });
    assert.deepEqual([elsewhere.ok, elsewhere.local], [false, true]);
    assert.match(elsewhere.reason, /source address/);
  });

  test(`${what}: run() leaves nothing open`, async (t) => {
    const sockets = (): number =>
      process
        .getActiveResourcesInfo()
        .filter((name) => /TCPSocketWrap|ConnectWrap|TLSWrap|HTTP2/.test(name)).length;
    const server = await serveInside(t, subject, healthy);
    const before = sockets();
    await Promise.all(Array.from({ length: 10 }, () => run(t, subject, server.port)));
    await Promise.all(Array.from({ length: 10 }, async () => run(t, subject, await closedPort())));
    await server.idle();
    // TLS says goodbye before it lets go.
    while (sockets() > before) await new Promise(setImmediate);
  });

  if (subject.tls === undefined) continue;
  test(`${what}: run() believes no wrong or expired certificate, and sends nothing`, async (t) => {
    const cases = [
      [authority.issue(['elsewhere.example']), /^certificate is not for localhost$/],
      [authority.issue(['localhost'], { toDays: -2 }), /^certificate expired on 20/],
    ] as const;
    for (const [certificate, reason] of cases) {
      let received = 0;
      const listen = (socket: Duplex): void =>
        void socket.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
      const server = await serve(t, overTls(listen, certificate));
      const result = await run(t, subject, server.port);
      assertFailed(result, what);
      assert.match(result.reason, reason);
      assert.ok(result.expiresAtMs !== undefined);
      await server.idle();
      assert.equal(received, 0);
    }
  });
}

test('dns over UDP: run() settles at the abort, however much it is sent', async (t) => {
  let flood: NodeJS.Timeout | undefined;
  const server = await serveUdp(t, (query, reply) => {
    const wrong = Buffer.alloc(1200, 0xff);
    wrong.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
    flood = setInterval(() => reply(wrong), 1);
  });
  const subject = { kind: 'dns', options: { name: 'x.example' } };
  const result = await run(t, subject, server.port, { signal: aborting(40, 'enough') });
  clearInterval(flood);
  assertFailed(result, 'flood');
  assert.equal(result.reason, 'enough');
});
