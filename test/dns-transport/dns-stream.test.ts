import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Desk } from '../../src/dns-transport/desk.ts';
import { serveDnsStream } from '../../src/dns-transport/dns-stream.ts';
import { GATHERED_BYTES } from '../../src/dns-transport/gather.ts';
import { createSessions } from '../../src/dns-transport/sessions.ts';
import type { Connection } from '../../src/io/stream.ts';
import { COUNT_CLOSED_GARBAGE } from '../../src/nameserver/counters.ts';
import { NO_STOPWATCH, NOW_MS, queryBytes, startWorker } from '../nameserver/fixture.ts';

/** One connection of DNS over TCP on a connection that only remembers what was written to it. */
const LIMITS = {
  connectionsMax: 1,
  perClientMax: 1,
  idleTimeoutMs: 1000,
  queriesPerSecond: 0,
  connectionsPerSecond: 0,
};

type Take = (reply: Uint8Array | undefined) => void;

function open(takesMore: () => boolean = () => true) {
  const writes: Uint8Array[] = [];
  const said: string[] = [];
  /** Who waits for an explanation, in the order of their questions. */
  const later: Take[] = [];
  const connection: Connection = {
    id: 1,
    // From where explanations may be asked for.
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    localAddress: '127.0.0.1',
    localPort: 53,
    write: (bytes) => writes.push(bytes.slice()) > 0 && takesMore(),
    end: () => void said.push('end'),
    destroy: () => void said.push('destroy'),
    reset: () => void said.push('reset'),
    pause: () => {},
    resume: () => {},
    taken: () => 0,
    roundTripMs: () => 0,
  };
  const desk: Desk = {
    worker: startWorker(),
    nowMs: () => NOW_MS,
    tap: () => undefined,
    stopwatch: NO_STOPWATCH,
    defer: (_kind, _message, _client, _nowMs, take) => later.push(take) > 0,
    sign: () => false,
  };
  const handlers = serveDnsStream(desk, createSessions(LIMITS), connection);
  return { counters: desk.worker.counters, handlers, later, said, writes };
}

const framed = (...messages: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(messages.flatMap((each) => [Uint8Array.of(each.length >> 8, each.length), each]));

function query(id: number, name = 'static.gslb.example', type = 'A'): Uint8Array {
  const bytes = queryBytes(name, type);
  bytes[1] = id;
  return bytes;
}

const EXPLAIN = ['_explain.www.gslb.example', 'TXT'] as const;
const idOf = (message: Uint8Array): number => message[1]!;

/** All that was written, without the lengths. */
function messagesOf(writes: readonly Uint8Array[]): readonly Uint8Array[] {
  const messages: Uint8Array[] = [];
  let bytes = Buffer.concat(writes);
  while (bytes.length > 0) {
    const end = 2 + bytes.readUInt16BE(0);
    assert.ok(end <= bytes.length);
    messages.push(bytes.subarray(2, end));
    bytes = bytes.subarray(end);
  }
  return messages;
}

test('replies to queries that come together are one write, each with its length before it (RFC 7766 8)', () => {
  const { handlers, writes } = open();
  const big = query(2, 'big.gslb.example', 'TXT');
  handlers.onData(framed(query(1), big, query(3, 'nothing.gslb.example')), 0);
  assert.equal(writes.length, 1);
  assert.deepEqual(messagesOf(writes).map(idOf), [1, 2, 3]);
  assert.ok(messagesOf(writes)[1]!.length > 1232);
  handlers.onData(framed(query(4)), 0);
  assert.equal(writes.length, 2);
});

test('more replies than may wait are several writes, and a reader that takes none is asked no more', () => {
  const queries = Array.from({ length: 40 }, (_, id) => query(id, 'big.gslb.example', 'TXT'));
  const eager = open();
  eager.handlers.onData(framed(...queries), 0);
  assert.deepEqual(
    messagesOf(eager.writes).map(idOf),
    queries.map((_, id) => id),
  );
  assert.ok(eager.writes.length > 1);
  for (const bytes of eager.writes) assert.ok(bytes.length < 2 * GATHERED_BYTES);
  const slow = open(() => false);
  slow.handlers.onData(framed(...queries), 0);
  assert.equal(slow.writes.length, 1);
});

test('a connection that is closed for another gathers nothing of what that one is answered', () => {
  const [one, other] = [open(), open()];
  one.handlers.onData(framed(query(1)), 0);
  other.handlers.onData(framed(query(2), query(3)), 0);
  one.handlers.onClose('', 0);
  assert.deepEqual(messagesOf(one.writes).map(idOf), [1]);
  assert.deepEqual(messagesOf(other.writes).map(idOf), [2, 3]);
});

test('what takes longer does not hold up what came after it (RFC 7766 7)', () => {
  const { handlers, later, said, writes } = open();
  handlers.onData(framed(query(1, ...EXPLAIN), query(2), query(3, ...EXPLAIN), query(4)), 0);
  assert.deepEqual(messagesOf(writes).map(idOf), [2, 4]);
  // The client has said all that it has to say, and still waits for two.
  handlers.onEnd(0);
  assert.deepEqual(said, []);
  for (const index of [1, 0]) later[index]!(query(index === 0 ? 1 : 3));
  assert.deepEqual(messagesOf(writes).map(idOf), [2, 4, 3, 1]);
  assert.deepEqual(said, ['end']);
});

test('who sends what is no query is told nothing more', () => {
  const { counters, handlers, said, writes } = open();
  const response = query(2);
  response[2]! |= 0x80;
  handlers.onData(framed(query(1), response, query(3)), 0);
  assert.deepEqual([messagesOf(writes).map(idOf), said], [[1], ['destroy']]);
  assert.equal(counters[COUNT_CLOSED_GARBAGE], 1);
});
