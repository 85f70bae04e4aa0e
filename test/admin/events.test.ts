import assert from 'node:assert/strict';
import { get, type IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { SSE_CLIENTS_MAX } from '../../src/admin/events.ts';
import type { EventRecord } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';
import { createFixturePlane, type FixturePlane } from './fixture-plane.ts';

/** An open stream: `until` resolves when the text received so far matches. */
async function openStream(
  t: TestContext,
  port: number,
  {
    path = '',
    headers = {},
  }: { readonly path?: string; readonly headers?: Record<string, string> } = {},
) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const url = `http://127.0.0.1:${port}/api/v1/events/stream${path}`;
    const request = get(url, { agent: false, headers }, resolve).on('error', reject);
    t.after(() => request.destroy());
  });
  let text = '';
  let notify = (): void => {};
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    notify();
  });
  response.on('error', () => {});
  const ended = new Promise<void>((resolve) => response.on('close', resolve));
  const until = async (pattern: RegExp): Promise<string> => {
    while (!pattern.test(text)) {
      await new Promise<void>((resolve) => {
        notify = resolve;
      });
    }
    return text;
  };
  return { response, until, ended, text: () => text };
}

const idsIn = (text: string): string[] => [...text.matchAll(/^id: (\S+)$/gm)].map(([, id]) => id!);

/** Resolves when the number of subscribers is `count`; both sides of a socket take a moment. */
async function subscribers(plane: FixturePlane, count: number): Promise<void> {
  while (plane.subscribers() !== count) await new Promise((resolve) => setImmediate(resolve));
}

test('GET /events gives the newest ones, or a page after an id', async (t) => {
  const { call, plane } = await openAdmin(t);
  for (let number = 3; number <= 9; number++) plane.emit('test.event', 'x', `event ${number}`);
  const ids = async (query: string) =>
    (await call('GET', `/api/v1/events${query}`)).json<EventRecord[]>().map(({ id }) => id);
  assert.deepEqual(await ids('?count=2'), ['000008', '000009']);
  assert.deepEqual(await ids('?after=000003&count=2'), ['000004', '000005']);
  assert.deepEqual(await ids('?after=&count=2'), ['000001', '000002']);
  assert.equal((await ids('')).length, 9);
});

test('the stream sends events as they happen', async (t) => {
  const { admin, plane } = await openAdmin(t);
  const { response, until } = await openStream(t, admin.port);
  assert.match(String(response.headers['content-type']), /^text\/event-stream/);
  assert.equal(response.headers['cache-control'], 'no-store');
  await until(/retry:/);
  const event = plane.emit('region.drain', 'frankfurt', 'Drained\nby "alice".');
  const text = await until(/\ndata: .*\n\n/);
  const data = /^data: (.*)$/m.exec(text)?.[1];
  assert.deepEqual(JSON.parse(data!), event);
  assert.deepEqual(idsIn(text), [event.id]);
});

test('a client that comes back with Last-Event-ID gets what it missed, once', async (t) => {
  const plane = createFixturePlane();
  const racing: FixturePlane = {
    ...plane,
    async events(afterId, count) {
      const page = await plane.events(afterId, count);
      const late = plane.emit('test.late', 'x', 'while the history was read');
      return [...page, late];
    },
  };
  const { admin } = await openAdmin(t, { plane: racing });
  plane.emit('test.missed', 'x', 'missed');
  const { until } = await openStream(t, admin.port, { headers: { 'last-event-id': '000002' } });
  await until(/000004/);
  plane.emit('test.live', 'x', 'live');
  assert.deepEqual(idsIn(await until(/000005/)), ['000003', '000004', '000005']);
});

test('an idle stream is kept open by comment lines', async (t) => {
  const { admin } = await openAdmin(t, { heartbeatMs: 5 });
  const { until } = await openStream(t, admin.port);
  await until(/: alive\n\n: alive\n\n/);
});

test('a client that leaves is unsubscribed', async (t) => {
  const { admin, plane } = await openAdmin(t);
  const { response, until } = await openStream(t, admin.port);
  await until(/retry:/);
  assert.equal(plane.subscribers(), 1);
  response.destroy();
  await subscribers(plane, 0);
});

test('a client that does not read is cut before it costs memory', async (t) => {
  const { admin, plane } = await openAdmin(t);
  const { response, until } = await openStream(t, admin.port);
  await until(/retry:/);
  response.pause();
  for (let number = 0; number < 400 && plane.subscribers() > 0; number++) {
    plane.emit('test.flood', 'x', 'y'.repeat(64 * 1024));
  }
  await subscribers(plane, 0);
});

test('only so many streams are open at a time', async (t) => {
  const { admin, plane, call } = await openAdmin(t);
  const streams = await Promise.all(
    Array.from({ length: SSE_CLIENTS_MAX }, () => openStream(t, admin.port)),
  );
  const refused = await call('GET', '/api/v1/events/stream');
  assertProblem(refused, 503, 'too-many-streams');
  assert.equal(refused.headers['retry-after'], '10');
  streams[0]!.response.destroy();
  await subscribers(plane, SSE_CLIENTS_MAX - 1);
  await openStream(t, admin.port);
});

test('close() ends open streams', async (t) => {
  const { admin, plane } = await openAdmin(t);
  const { until, ended } = await openStream(t, admin.port);
  await until(/retry:/);
  await admin.close();
  await ended;
  await subscribers(plane, 0);
});

test('a history that cannot be read ends the stream, and the client comes back', async (t) => {
  const plane = createFixturePlane();
  const { admin } = await openAdmin(t, {
    plane: { ...plane, events: async () => Promise.reject(new Error('the store is away')) },
  });
  const { ended } = await openStream(t, admin.port, { path: '?after=000001' });
  await ended;
  await subscribers(plane, 0);
});

test('GET /events of all nodes says whose they are, or that the store is away', async (t) => {
  const { call, plane } = await openAdmin(t);
  const events = (await call('GET', '/api/v1/events?all=true')).json<readonly EventRecord[]>();
  assert.equal(events[0]?.node, 'node-2');
  const own = (await call('GET', '/api/v1/events?all=false')).json<readonly EventRecord[]>();
  assert.ok(own.every(({ node }) => node === 'node-1'));
  plane.allEvents = async () => ({
    problem: 'unavailable',
    code: 'events.store-away',
    message: 'Away.',
  });
  assertProblem(await call('GET', '/api/v1/events?all=true'), 503, 'events.store-away');
});
