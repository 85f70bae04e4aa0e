import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeResult } from '../../src/probe/probe.ts';
import { ANSWER_BYTES_MAX, tcp } from '../../src/probe/tcp.ts';
import { answering, serve } from './fixture-server.ts';

const never = new AbortController().signal;

function run(port: number, options: unknown): Promise<ProbeResult> {
  return tcp.run({ address: '127.0.0.1', port }, tcp.options.parse(options), never);
}

test('run() is content with a connection when nothing is expected', async (t) => {
  const server = await serve(t, () => undefined);
  assert.deepEqual((await run(server.port, {})).reason, 'connected');
  await server.idle();
});

test('run() delivers the text even when nothing is expected', async (t) => {
  const server = await serve(t, (socket) => socket.once('data', () => socket.end()));
  const result = await run(server.port, { send: 'QUIT\r\n' });
  assert.deepEqual([result.ok, result.reason], [true, 'connected and sent']);
  await server.idle();
  assert.equal(server.received(), 'QUIT\r\n');
});

test('run() finds the expected text across chunks', async (t) => {
  const server = await serve(t, (socket) => {
    socket.setNoDelay(true);
    socket.write('+PO');
    socket.once('data', () => socket.write('NG\r\n'));
  });
  assert.equal((await run(server.port, { send: 'PING\r\n', expect: '+PONG' })).ok, true);
});

test('run() fails when the answer is another one, or none', async (t) => {
  const wrong = await serve(t, answering('-ERR\r\n'));
  const result = await run(wrong.port, { send: 'PING\r\n', expect: '+PONG' });
  assert.deepEqual([result.ok, result.reason], [false, 'answer does not contain "+PONG"']);
  const mute = await serve(t, (socket) => socket.end());
  assert.equal((await run(mute.port, { expect: '220' })).reason, 'closed without an answer');
});

test('run() looks no further than ANSWER_BYTES_MAX', async (t) => {
  const server = await serve(t, answering(`${'x'.repeat(ANSWER_BYTES_MAX)}needle`));
  const result = await run(server.port, { send: '?', expect: 'needle' });
  assert.equal(result.reason, 'answer does not contain "needle"');
});
