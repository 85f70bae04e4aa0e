import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { ProbeKind, ProbeResult } from '../../src/probe/probe.ts';
import { probeKinds } from '../../src/probe/registry.ts';
import { answering, closedPort, HTTP_OK, serve } from '../probe/fixture-server.ts';

/**
 * What every probe kind promises, against real sockets. A kind needs options that make it wait for
 * an answer, and a server that gives the right one.
 */
type Subject = { readonly options: unknown; readonly healthy: (socket: Socket) => void };
const SUBJECTS: Readonly<Record<string, Subject>> = {
  http: { options: {}, healthy: answering(HTTP_OK) },
  tcp: { options: { send: 'PING\r\n', expect: '+PONG' }, healthy: answering('+PONG\r\n') },
};

const HOST = '127.0.0.1';
/** An abort must settle a probe within this time; far less than an interval. */
const SETTLE_MAX_MS = 1000;
const never = new AbortController().signal;

function run(
  kind: ProbeKind,
  port: number,
  signal: AbortSignal = never,
  target: { address?: string; sourceAddress?: string } = {},
): Promise<ProbeResult> {
  const options = kind.options.parse(SUBJECTS[kind.kind]?.options);
  return kind.run({ address: HOST, port, ...target }, options, signal);
}

for (const kind of probeKinds) {
  const subject = SUBJECTS[kind.kind];
  test(`${kind.kind}: has a subject here, a summary and options`, () => {
    assert.ok(subject, 'add the kind to SUBJECTS');
    assert.notEqual(kind.summary, '');
    assert.equal(
      kind.options.safeParse({ nosuchoption: 1 }).success,
      false,
      'unknown keys are errors',
    );
  });
  if (subject === undefined) continue;

  test(`${kind.kind}: run() reports ok, the time it took, and lets the connection go`, async (t) => {
    const server = await serve(t, subject.healthy);
    const result = await run(kind, server.port);
    assert.equal(result.ok, true, result.reason);
    assert.notEqual(result.reason, '');
    assert.ok(result.rttMs > 0 && result.rttMs < SETTLE_MAX_MS);
    await server.idle();
  });

  test(`${kind.kind}: run() says "connection refused" when nothing listens`, async () => {
    const result = await run(kind, await closedPort());
    assert.equal(result.ok, false);
    assert.equal(result.reason, 'connection refused');
    assert.notEqual(result.local, true);
  });

  test(`${kind.kind}: run() settles when the signal aborts, with the signal's text`, async (t) => {
    const server = await serve(t, () => undefined);
    const controller = new AbortController();
    const pending = run(kind, server.port, controller.signal);
    const startMs = performance.now();
    setTimeout(() => controller.abort('timeout after 20 ms'), 20);
    const result = await pending;
    assert.ok(performance.now() - startMs < SETTLE_MAX_MS);
    assert.equal(result.ok, false);
    assert.equal(result.reason, 'timeout after 20 ms');
    await server.idle();
  });

  test(`${kind.kind}: run() does not even begin when the signal has aborted`, async (t) => {
    const server = await serve(t, subject.healthy);
    const result = await run(kind, server.port, AbortSignal.abort());
    assert.deepEqual([result.ok, result.reason], [false, 'timeout']);
    assert.equal(server.sources.length, 0);
  });

  test(`${kind.kind}: run() fails when the server hangs up or resets`, async (t) => {
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const server = await serve(t, (socket) => {
        socket.once('data', () => socket[leave]());
      });
      const result = await run(kind, server.port);
      assert.equal(result.ok, false, leave);
      assert.match(result.reason, /closed|reset/, leave);
      await server.idle();
    }
  });

  test(`${kind.kind}: run() reads a bounded amount of an endless answer`, async (t) => {
    const server = await serve(t, (socket) => {
      const pour = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 'x')));
      };
      socket.on('drain', pour);
      pour();
    });
    const result = await run(kind, server.port);
    assert.equal(result.ok, false);
    await server.idle();
  });

  test(`${kind.kind}: run() probes from the source address`, async (t) => {
    const server = await serve(t, subject.healthy);
    const result = await run(kind, server.port, never, { sourceAddress: '127.0.0.9' });
    assert.equal(result.ok, true, result.reason);
    assert.deepEqual(server.sources, ['127.0.0.9']);
  });

  test(`${kind.kind}: run() marks a failure of this host as local`, async (t) => {
    const server = await serve(t, subject.healthy);
    // TEST-NET-2 (RFC 5737) is nobody's address.
    const result = await run(kind, server.port, never, { sourceAddress: '198.51.100.7' });
    assert.equal(result.ok, false);
    assert.equal(result.local, true);
    assert.match(result.reason, /source address/);
  });

  test(`${kind.kind}: run() never throws, whatever the target`, async () => {
    for (const address of ['not an address', '', '999.1.1.1', '::1%nosuchinterface']) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 200);
      const result = await run(kind, 1, controller.signal, { address });
      assert.equal(result.ok, false, address);
      assert.ok(result.reason.length > 0 && result.reason.length <= 120, address);
    }
  });

  test(`${kind.kind}: run() leaves nothing open`, async (t) => {
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((name) => /TCPSocketWrap|ConnectWrap/.test(name))
        .length;
    const server = await serve(t, subject.healthy);
    const before = sockets();
    await Promise.all(Array.from({ length: 10 }, () => run(kind, server.port)));
    await Promise.all(Array.from({ length: 10 }, async () => run(kind, await closedPort())));
    await server.idle();
    await new Promise(setImmediate);
    assert.ok(sockets() <= before, `${sockets()} sockets are open, ${before} were before`);
  });
}
