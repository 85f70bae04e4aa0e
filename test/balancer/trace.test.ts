import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteSnapshot, TraceSnapshot } from '../../src/balancer/snapshot.ts';
import { startRawOrigin, startRig, talk } from './rig.ts';

/** Trace Context and X-Request-ID in the bytes that arrive at the server. */

const ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = `00-${ID}-00f067aa0ba902b7-01`;

async function sent(
  fields: readonly string[],
  trace?: TraceSnapshot,
  filters: RouteSnapshot['filters'] = [],
): Promise<readonly string[]> {
  const origin = await startRawOrigin((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  });
  const routes = [{ hosts: [], pathPrefix: '/', filters, upstream: 0 }];
  const rig = await startRig({ servers: [origin.port], routes, ...(trace ? { trace } : {}) });
  const head = ['GET / HTTP/1.1', 'Host: a', 'Connection: close', ...fields];
  await talk(rig.port, `${head.join('\r\n')}\r\n\r\n`);
  await rig.close();
  origin.close();
  const names = /^(traceparent|tracestate|x-request-id): /i;
  return (origin.received[0] ?? '').split('\r\n').filter((line) => names.test(line));
}

test('a trace goes on as it came', async () => {
  const fields = [`TraceParent: ${PARENT}`, 'tracestate: a=1,b@c=2', 'tracestate: d=3'];
  assert.deepEqual(await sent(fields), fields);
  assert.deepEqual(await sent(fields, { start: 100, requestId: 'pass' }), fields);
  const future = [`traceparent: 01-${ID}-00f067aa0ba902b7-01-more`];
  assert.deepEqual(await sent(future), future);
});

const MALFORMED = [
  `00-${ID}-00f067aa0ba902b7-01-more`,
  `00-${ID.toUpperCase()}-00f067aa0ba902b7-01`,
  `ff-${ID}-00f067aa0ba902b7-01`,
  `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
  `00-${ID}-${'0'.repeat(16)}-01`,
  `00-${ID}-00f067aa0ba902b7`,
  '',
];
for (const parent of MALFORMED) {
  test(`a traceparent "${parent}" is dropped with its state`, async () => {
    assert.deepEqual(await sent([`traceparent: ${parent}`, 'tracestate: a=1']), []);
  });
}

test('two traces are none, and state alone is none', async () => {
  assert.deepEqual(await sent([`traceparent: ${PARENT}`, `traceparent: ${PARENT}`]), []);
  assert.deepEqual(await sent(['tracestate: a=1']), []);
});

test('a malformed state is dropped, the trace goes on', async () => {
  const many = Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(',');
  for (const state of ['a', 'A=1', 'a=1,a=2', 'a= ', 'a=b=c', many, `a=${'x'.repeat(257)}`, '']) {
    const fields = [`traceparent: ${PARENT}`, `tracestate: ${state}`];
    assert.deepEqual(await sent(fields), fields.slice(0, 1), state);
  }
});

test('a trace is started where that is asked for', async () => {
  const [started, ...rest] = await sent(['traceparent: 00-nothing'], {
    start: 100,
    requestId: 'pass',
  });
  assert.match(started ?? '', /^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.deepEqual(rest, []);
  // The rig draws 0.5 always.
  assert.equal((await sent([], { start: 51, requestId: 'pass' })).length, 1);
  assert.equal((await sent([], { start: 50, requestId: 'pass' })).length, 0);
});

test('X-Request-ID is kept, made or replaced', async () => {
  const [mine, bad] = ['X-Request-ID: abc-1', 'X-Request-ID: "a b"'];
  assert.deepEqual(await sent([mine]), [mine]);
  assert.deepEqual(await sent([bad]), [bad]);
  assert.deepEqual(await sent([]), []);
  assert.deepEqual(await sent([mine], { start: 0, requestId: 'make' }), [mine]);
  for (const fields of [[], [bad], [mine, mine]]) {
    const [made, ...rest] = await sent(fields, { start: 0, requestId: 'make' });
    assert.match(made ?? '', /^X-Request-ID: [0-9a-f]{32}$/);
    assert.deepEqual(rest, []);
  }
  const [replaced] = await sent([mine], { start: 0, requestId: 'replace' });
  assert.match(replaced ?? '', /^X-Request-ID: [0-9a-f]{32}$/);
});

test('what a filter says stands', async () => {
  const set = { 'X-Request-ID': 'of-filter', traceparent: PARENT };
  const filters = [{ kind: 'headers', options: { request: { set } } }];
  const lines = await sent([], { start: 100, requestId: 'make' }, filters);
  assert.deepEqual(lines, ['X-Request-ID: of-filter', `traceparent: ${PARENT}`]);
});
