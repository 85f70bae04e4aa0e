import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BODY_BYTES_MAX, HEADER_BYTES_MAX, http } from '../../src/probe/http.ts';
import type { ProbeResult } from '../../src/probe/probe.ts';
import { answering, HTTP_OK, serve } from './fixture-server.ts';

const never = new AbortController().signal;

function run(port: number, options: unknown, address = '127.0.0.1'): Promise<ProbeResult> {
  return http.run({ address, port }, http.options.parse(options), never);
}
const response = (status: string, body = ''): string =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

test('run() checks the status against numbers and ranges', async (t) => {
  const cases = [
    ['204 No Content', undefined, true, '204 No Content'],
    ['503 Service Unavailable', undefined, false, 'status 503, wanted 200-299'],
    ['503 Service Unavailable', [200, 503], true, '503 Service Unavailable'],
    ['301 Moved', '301', true, '301 Moved Permanently'],
    ['301 Moved', ['200-299', 404], false, 'status 301, wanted 200-299, 404'],
    ['299 Odd', '200-299', true, '299'],
    ['300 Odd', '200-299', false, 'status 300, wanted 200-299'],
  ] as const;
  for (const [line, status, ok, reason] of cases) {
    const server = await serve(t, answering(response(line)));
    const result = await run(server.port, status === undefined ? {} : { status });
    assert.deepEqual([result.ok, result.reason], [ok, reason], line);
  }
});

test('run() hears from a header or a status that the target is degraded', async (t) => {
  const degraded = { header: 'X-Degraded', status: [203, '512-513'] };
  const cases = [
    ['200 OK', undefined, '200 OK'],
    ['200 OK\r\nx-degraded: cache', true, '200 OK, degraded'],
    ['200 OK\r\nX-Degraded: ', true, '200 OK, degraded'],
    ['203 Odd', true, '203 Non-Authoritative Information, degraded'],
    ['513 Odd', true, '513, degraded'],
    ['503 Odd\r\nx-degraded: 1', undefined, 'status 503, wanted 200-299'],
  ] as const;
  for (const [line, expected, reason] of cases) {
    const server = await serve(t, answering(response(line)));
    const result = await run(server.port, { degraded });
    assert.deepEqual([result.degraded, result.reason], [expected, reason], line);
    assert.equal(result.ok, !line.startsWith('503'), line);
    assert.equal((await run(server.port, {})).degraded, undefined, 'nobody asked for it');
  }
});

test('run() asks with the path, method, host and headers that it was given', async (t) => {
  const server = await serve(t, answering(HTTP_OK));
  await run(server.port, {
    path: '/healthz?full=1',
    host: 'www.example.com',
    headers: { 'x-probe': 'yes', 'User-Agent': 'mine', Accept: 'text/plain' },
  });
  const lines = server.received().split('\r\n');
  assert.equal(lines[0], 'GET /healthz?full=1 HTTP/1.1');
  assert.ok(lines.includes('host: www.example.com'));
  assert.ok(lines.includes('x-probe: yes'));
  assert.deepEqual(
    lines.filter((line) => /^(user-agent|accept):/i.test(line)),
    ['user-agent: mine', 'accept: text/plain'],
  );
  assert.equal(lines.filter((line) => /^connection: close$/i.test(line)).length, 1);
});

test('run() names the target in the host header when none is given', async (t) => {
  const server = await serve(t, answering(response('200 OK')));
  await run(server.port, { method: 'HEAD' });
  assert.match(server.received(), /^HEAD \/ HTTP\/1\.1\r\n/);
  assert.match(server.received(), new RegExp(`\r\nhost: 127\\.0\\.0\\.1:${server.port}\r\n`));
});

test('run() looks for a text in the body', async (t) => {
  const server = await serve(t, answering(response('200 OK', '{"status":"ready ✓"}')));
  assert.equal((await run(server.port, { body: 'ready' })).ok, true);
  const missing = await run(server.port, { body: 'fine' });
  assert.deepEqual([missing.ok, missing.reason], [false, 'body does not contain "fine"']);
});

test('run() looks no further than BODY_BYTES_MAX', async (t) => {
  const late = await serve(t, answering(response('200 OK', `${'x'.repeat(BODY_BYTES_MAX)}needle`)));
  assert.equal((await run(late.port, { body: 'needle' })).ok, false);
  const inTime = `${'x'.repeat(BODY_BYTES_MAX - 6)}needle and more`;
  const server = await serve(t, answering(response('200 OK', inTime)));
  assert.equal((await run(server.port, { body: 'needle' })).ok, true);
});

test('run() fails when the body breaks off', async (t) => {
  const server = await serve(t, answering('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'));
  const result = await run(server.port, { body: 'other' });
  assert.deepEqual(
    [result.ok, result.reason],
    [false, 'connection closed before the response ended'],
  );
});

test('run() reads no body that nobody wants', async (t) => {
  const server = await serve(t, answering('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'));
  assert.deepEqual((await run(server.port, {})).reason, '200 OK');
  await server.idle();
});

test('run() fails with a reason when the answer is not HTTP', async (t) => {
  const garbage = [
    'SSH-2.0-OpenSSH_9\r\n',
    `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(HEADER_BYTES_MAX)}\r\n\r\n`,
  ];
  for (const text of garbage) {
    const server = await serve(t, answering(text));
    const result = await run(server.port, {});
    assert.equal(result.ok, false);
    assert.ok(result.reason.length > 0 && result.reason.length <= 120, result.reason);
  }
});

test('run() passes over an interim response', async (t) => {
  const text = `HTTP/1.1 103 Early Hints\r\n\r\n${HTTP_OK}`;
  const server = await serve(t, answering(text));
  assert.equal((await run(server.port, { body: 'fit' })).reason, '200 OK');
});

test('run() speaks to IPv6 addresses', async (t) => {
  const server = await serve(t, answering(HTTP_OK), '::1').catch(() => undefined);
  if (server === undefined) return;
  assert.equal((await run(server.port, {}, '::1')).ok, true);
  assert.match(server.received(), new RegExp(`\r\nhost: \\[::1\\]:${server.port}\r\n`));
});

test('options refuse what cannot be asked', () => {
  const bad = [
    { path: 'nopath' },
    { path: '/with space' },
    { method: 'TRACE' },
    { status: 'ok' },
    { status: 99 },
    { status: [] },
    { headers: { 'bad name': 'x' } },
    { headers: { ok: 'line\r\nbreak' } },
    { headers: { HOST: 'www.example.com' } },
    { headers: { 'Transfer-Encoding': 'chunked' } },
    { headers: { expect: '100-continue' } },
    { method: 'HEAD', body: 'ok' },
    { method: 'HEAD', bodyJson: { pointer: '/ok', equals: true } },
    { host: 'a\nb' },
    { body: '' },
  ];
  for (const options of bad) {
    assert.equal(http.options.safeParse(options).success, false, JSON.stringify(options));
  }
});
