import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GRPC_BYTES_MAX, grpc } from '../../src/probe/grpc.ts';
import type { ProbeResult } from '../../src/probe/probe.ts';
import { serve } from './fixture-server.ts';
import { answerGrpc, healthFrame, speakingHttp2 } from './grpc-server.ts';
import { authority, caFile, good, overTls } from './tls-server.ts';

const never = new AbortController().signal;

function run(port: number, options: unknown = {}): Promise<ProbeResult> {
  return grpc.run({ address: '127.0.0.1', port }, grpc.options.parse(options), never);
}

test('run() wants the status SERVING', async (t) => {
  const cases = [
    [0, false, 'UNKNOWN'],
    [1, true, 'SERVING'],
    [2, false, 'NOT_SERVING'],
    [3, false, 'SERVICE_UNKNOWN'],
    [9, false, 'status 9'],
  ] as const;
  for (const [status, ok, reason] of cases) {
    const server = await serve(
      t,
      speakingHttp2((stream) => answerGrpc(stream, healthFrame(status))),
    );
    const result = await run(server.port);
    assert.deepEqual([result.ok, result.reason], [ok, reason]);
    assert.ok(result.timings!.firstByteMs! > 0);
    await server.idle();
  }
});

test('run() takes the answer that follows a graceful end of the session, and none after another', async (t) => {
  for (const [code, ok, reason] of [
    [0, true, 'SERVING'],
    [2, false, 'the server ended the session, code 2'],
  ] as const) {
    const server = await serve(
      t,
      speakingHttp2((stream) => {
        stream.session!.goaway(code);
        setTimeout(() => {
          if (!stream.destroyed) answerGrpc(stream, healthFrame(1));
        }, 20);
      }),
    );
    const result = await run(server.port);
    assert.equal(result.ok, ok);
    assert.match(result.reason, new RegExp(reason));
    await server.idle();
  }
});

test('run() asks for the service', async (t) => {
  const asked: string[] = [];
  const server = await serve(
    t,
    speakingHttp2((stream, body) => {
      asked.push(body.toString('latin1'));
      answerGrpc(stream, healthFrame(1));
    }),
  );
  await run(server.port);
  await run(server.port, { service: 'shop.Cart' });
  await run(server.port, { service: 'x'.repeat(200) });
  assert.deepEqual(asked, [
    '\0\0\0\0\0',
    '\0\0\0\0\x0b\n\tshop.Cart',
    `\0\0\0\0\xcb\n\xc8\x01${'x'.repeat(200)}`,
  ]);
});

test('run() fails with the words of a gRPC status', async (t) => {
  const inTrailers = await serve(
    t,
    speakingHttp2((stream) => {
      answerGrpc(stream, Buffer.alloc(0), { 'grpc-status': '5', 'grpc-message': 'no such' });
    }),
  );
  assert.equal((await run(inTrailers.port)).reason, 'gRPC status NOT_FOUND: no such');
  const inHeaders = await serve(
    t,
    speakingHttp2((stream) => {
      stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true });
    }),
  );
  assert.equal((await run(inHeaders.port)).reason, 'gRPC status UNIMPLEMENTED');
  const web = await serve(
    t,
    speakingHttp2((stream) => stream.respond({ ':status': 404 }, { endStream: true })),
  );
  assert.equal((await run(web.port)).reason, 'HTTP status 404');
});

test('run() fails when the answer is too large, compressed, cut or not there', async (t) => {
  const cases = [
    [Buffer.alloc(GRPC_BYTES_MAX + 1), 'the answer is too large'],
    [Buffer.from([1, 0, 0, 0, 0]), 'the answer is compressed, which was not asked for'],
    [Buffer.from([0, 0, 0, 0, 9, 8]), 'the answer is not one message'],
    [Buffer.from([0, 0, 0, 0, 1, 8]), 'the answer is malformed'],
    [Buffer.alloc(0), 'the answer has no message'],
  ] as const;
  for (const [body, reason] of cases) {
    const server = await serve(
      t,
      speakingHttp2((stream) => answerGrpc(stream, body)),
    );
    assert.deepEqual((await run(server.port)).reason, reason);
  }
  const reset = await serve(
    t,
    speakingHttp2((stream) => stream.close(2)),
  );
  const result = await run(reset.port);
  assert.equal(result.ok, false);
  assert.notEqual(result.reason, '');
});

test('run() fails when the server does not speak HTTP/2', async (t) => {
  const server = await serve(t, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const result = await run(server.port);
  assert.equal(result.ok, false);
  assert.notEqual(result.reason, '');
  await server.idle();
});

test('run() asks over TLS, and looks at the certificate', async (t) => {
  const healthy = speakingHttp2((stream) => answerGrpc(stream, healthFrame(1)));
  const server = await serve(t, overTls(healthy));
  const tls = { ca: caFile(t), sni: 'localhost' };
  const result = await run(server.port, { tls });
  assert.deepEqual([result.ok, result.reason], [true, 'SERVING']);
  assert.ok(result.expiresAtMs! > Date.now());
  const wrong = await serve(t, overTls(healthy, authority.issue(['other'])));
  assert.equal((await run(wrong.port, { tls })).reason, 'certificate is not for localhost');
  const old = await serve(t, overTls(healthy, good, ['http/1.1']));
  assert.match((await run(old.port, { tls })).reason, /none of these protocols/);
});
