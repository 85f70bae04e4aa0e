import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Desk } from '../../src/dns-transport/desk.ts';
import { serveDnsStream } from '../../src/dns-transport/dns-stream.ts';
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

function open() {
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
    write: (bytes) => writes.push(bytes.slice()) > 0,
    end: () => void said.push('end'),
    destroy: () => void said.push('destroy'),
    reset: () => void said.push('reset'),
    pause: () => {},
    resume: () => {},
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
const idOf = (written: Uint8Array): number => written[3]!;

test('a reply is one write with its length before it (RFC 7766 8)', () => {
  const { handlers, writes } = open();
  const big = query(2, 'big.gslb.example', 'TXT');
  handlers.onData(framed(query(1), big, query(3, 'nothing.gslb.example')));
  assert.deepEqual(writes.map(idOf), [1, 2, 3]);
  for (const bytes of writes) assert.equal((bytes[0]! << 8) | bytes[1]!, bytes.length - 2);
  assert.ok(writes[1]!.length > 1232);
});

test('what takes longer does not hold up what came after it (RFC 7766 7)', () => {
  const { handlers, later, said, writes } = open();
  handlers.onData(framed(query(1, ...EXPLAIN), query(2), query(3, ...EXPLAIN), query(4)));
  assert.deepEqual(writes.map(idOf), [2, 4]);
  // The client has said all that it has to say, and still waits for two.
  handlers.onEnd();
  assert.deepEqual(said, []);
  for (const index of [1, 0]) later[index]!(query(index === 0 ? 1 : 3));
  assert.deepEqual(writes.map(idOf), [2, 4, 3, 1]);
  assert.deepEqual(said, ['end']);
});

test('who sends what is no query is told nothing more', () => {
  const { counters, handlers, said, writes } = open();
  const response = query(2);
  response[2]! |= 0x80;
  handlers.onData(framed(query(1), response, query(3)));
  assert.deepEqual([writes.map(idOf), said], [[1], ['destroy']]);
  assert.equal(counters[COUNT_CLOSED_GARBAGE], 1);
});
