import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { grpc } from '../../src/probe/grpc.ts';
import { http } from '../../src/probe/http.ts';
import type { ProbeResult, ProbeTarget } from '../../src/probe/probe.ts';
import { tcp } from '../../src/probe/tcp.ts';
import { tls } from '../../src/probe/tls.ts';
import { RECEIVERS, startReceiver } from '../layer4/receivers.ts';
import { answering, type Fixture, HTTP_OK, serve } from './fixture-server.ts';
import { answerGrpc, healthFrame, speakingHttp2 } from './grpc-server.ts';
import { caFile, overTls } from './tls-server.ts';

/** Probes of servers that serve nobody without a PROXY header. */

const VERSIONS = ['v1', 'v2'] as const;
/** Version 2, LOCAL, no family, no addresses (HAProxy's "The PROXY protocol", section 2.2). */
const LOCAL = '0d0a0d0a000d0a515549540a20000000';
const V2_LENGTH_AT = 14;

const idle = (): void => undefined;
const serving = speakingHttp2((stream) => answerGrpc(stream, healthFrame(1)));
/** Each kind, with what its server does once the header is gone. */
const KINDS = {
  tcp: { onConnection: answering('+PONG\r\n'), options: { send: 'PING', expect: 'PONG' } },
  http: { onConnection: answering(HTTP_OK), options: {} },
  https: { onConnection: overTls(answering(HTTP_OK)), options: { tls: true } },
  tls: { onConnection: overTls(idle), options: {} },
  grpc: { onConnection: serving, options: {} },
  grpcs: { onConnection: overTls(serving), options: { tls: true } },
} as const;

function probe(
  kind: keyof typeof KINDS,
  t: TestContext,
  target: ProbeTarget,
  signal = new AbortController().signal,
): Promise<ProbeResult> {
  const trust = { ca: caFile(t), sni: 'localhost' };
  switch (kind) {
    case 'tcp':
      return tcp.run(target, tcp.options.parse(KINDS.tcp.options), signal);
    case 'tls':
      return tls.run(target, tls.options.parse(trust), signal);
    case 'http':
    case 'https':
      return http.run(target, http.options.parse(kind === 'http' ? {} : { tls: trust }), signal);
    default:
      return grpc.run(target, grpc.options.parse(kind === 'grpc' ? {} : { tls: trust }), signal);
  }
}

const endOfHeader = (head: Buffer): number => {
  if (!head.toString('latin1').startsWith('PROXY')) {
    return head.length <= V2_LENGTH_AT + 1
      ? -1
      : V2_LENGTH_AT + 2 + head.readUInt16BE(V2_LENGTH_AT);
  }
  const end = head.indexOf('\r\n');
  return end < 0 ? -1 : end + 2;
};

/** A server that takes the header off, notes it, and passes the rest on. */
async function startFront(t: TestContext, behind: Fixture) {
  const headers: { readonly header: Buffer; readonly port: number }[] = [];
  const onConnection = (socket: Socket): void => {
    let head = Buffer.alloc(0);
    const take = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = endOfHeader(head);
      if (end < 0 || head.length < end) return;
      socket.off('data', take);
      headers.push({ header: head.subarray(0, end), port: socket.remotePort ?? 0 });
      const onward = connect(behind.port, '127.0.0.1');
      onward.on('error', idle);
      onward.write(head.subarray(end));
      socket.pipe(onward).pipe(socket);
      socket.on('close', () => onward.destroy());
    };
    socket.on('data', take);
  };
  return { headers, front: await serve(t, onConnection) };
}

for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
  test(`a probe by ${kind} says first for whom it speaks`, async (t) => {
    const behind = await serve(t, KINDS[kind].onConnection);
    const { front, headers } = await startFront(t, behind);
    const target = { address: '127.0.0.1', port: front.port };
    for (const proxyProtocol of VERSIONS) {
      const result = await probe(kind, t, { ...target, proxyProtocol });
      assert.equal(result.ok, true, `${proxyProtocol}: ${result.reason}`);
      assert.ok(result.timings!.connectMs! > 0);
      const { header, port } = headers.pop()!;
      if (proxyProtocol === 'v2') assert.equal(header.toString('hex'), LOCAL);
      else {
        const line = `PROXY TCP4 127.0.0.1 127.0.0.1 ${port} ${front.port}\r\n`;
        assert.equal(header.toString('latin1'), line);
      }
    }
    await front.idle();
    const plain = await probe(kind, t, { address: '127.0.0.1', port: behind.port });
    assert.equal(plain.ok, true, plain.reason);
    assert.doesNotMatch(behind.received(), /PROXY|QUIT/);
    await behind.idle();
  });

  test(`a probe by ${kind} whose header nobody answers leaves nothing open`, async (t) => {
    for (const proxyProtocol of VERSIONS) {
      const cut = await serve(t, (socket) => socket.once('data', () => socket.destroy()));
      const failed = await probe(kind, t, { address: '127.0.0.1', port: cut.port, proxyProtocol });
      assert.equal(failed.ok, false);
      assert.notEqual(failed.local, true);
      await cut.idle();
      const controller = new AbortController();
      const silent = await serve(t, (socket) =>
        socket.once('data', () => controller.abort('timeout after 100 ms')),
      );
      const target = { address: '127.0.0.1', port: silent.port, proxyProtocol };
      const late = await probe(kind, t, target, controller.signal);
      assert.deepEqual([late.ok, late.reason], [false, 'timeout after 100 ms']);
      await silent.idle();
      const gone = AbortSignal.abort('stopped');
      assert.equal((await probe(kind, t, target, gone)).reason, 'stopped');
    }
  });
}

/** Servers that break off, each at another moment. */
const BREAKING: Readonly<Record<string, (socket: Socket) => void>> = {
  'resets at once': (socket) => socket.resetAndDestroy(),
  'ends at once': (socket) => void socket.end(),
  'resets after the header': (socket) => void socket.once('data', () => socket.resetAndDestroy()),
  'ends after the header': (socket) => void socket.once('data', () => socket.end()),
};
const AT_ONCE = 20;

for (const [how, onConnection] of Object.entries(BREAKING)) {
  test(`probes of a server that ${how} fail, and nothing worse`, async (t) => {
    const server = await serve(t, onConnection);
    for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
      const target = { address: '127.0.0.1', port: server.port, proxyProtocol: 'v2' } as const;
      const results = await Promise.all(
        Array.from({ length: AT_ONCE }, () => probe(kind, t, target)),
      );
      assert.ok(results.every(({ ok, reason }) => !ok && reason !== ''));
      await server.idle();
    }
  });
}

for (const receiver of RECEIVERS) {
  const skip = existsSync(receiver.program) ? false : `needs ${receiver.program}`;
  test(`${receiver.name} that wants the header is up with it, and down without`, {
    skip,
  }, async (t) => {
    const target = { address: '127.0.0.1', port: await startReceiver(t, receiver) };
    for (const proxyProtocol of VERSIONS) {
      const result = await probe('http', t, { ...target, proxyProtocol });
      assert.equal(result.reason, '200 OK', proxyProtocol);
    }
    assert.equal((await probe('http', t, target)).ok, false);
  });
}
