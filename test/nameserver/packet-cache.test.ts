import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packetMemory } from '../../src/dns/packet-memory.ts';
import { answerFast } from '../../src/nameserver/fast-path.ts';
import {
  createPacketCache,
  PACKET_CACHE_BYTES,
  PACKET_CACHE_ENTRIES,
} from '../../src/nameserver/packet-cache.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { WorkerState } from '../../src/nameserver/worker-state.ts';
import { clientAt, NOW_MS, queryBytes, startWorker } from './fixture.ts';

const TO = 4096;
const memory = new ArrayBuffer(2 * 4096);
const packets = packetMemory(memory);
const client = clientAt('192.0.2.200');
client.port = 40_000;

function startCached(): WorkerState {
  const worker = startWorker();
  worker.cache = createPacketCache();
  return worker;
}

/** Whether the fast path answered; what it said is fuzz/fast-path's business. */
function isFast(worker: WorkerState, name: string, type: string): boolean {
  const query = queryBytes(name, type);
  packets.bytes.set(query);
  const length = answerFast(worker, client, packets, 0, query.length, NOW_MS, TO);
  if (length > 0) return true;
  assert.ok(
    respond(worker, client, query, query.length, NOW_MS, packets.bytes.subarray(TO)) > 0,
    name,
  );
  return false;
}

test('what is asked for the third time is there', () => {
  const worker = startCached();
  const asked = [1, 2, 3, 4].map(() => isFast(worker, 'static.gslb.example', 'A'));
  assert.deepEqual(asked, [false, false, true, true]);
});

test('a flood of names that are asked for once takes nothing', () => {
  const worker = startCached();
  for (let index = 0; index < 20_000; index += 1) {
    isFast(worker, `x${index}.wild.gslb.example`, 'MX');
  }
  const { used } = worker.cache!;
  assert.ok(used < PACKET_CACHE_BYTES / 4 / 100, `${used} words are taken`);
});

test('with more names than there is room for, those of late are there', () => {
  const worker = startCached();
  const count = 2 * PACKET_CACHE_ENTRIES;
  let fast = 0;
  for (let index = 0; index < count; index += 1) {
    const name = `${'long'.repeat(12)}.${index}.wild.gslb.example`;
    for (const _ of [1, 2, 3]) if (isFast(worker, name, 'MX')) fast += 1;
    assert.ok(worker.cache!.used <= PACKET_CACHE_BYTES / 4);
  }
  assert.ok(fast > count * 0.99, `${fast} of ${count}`);
});

test('a thousand names have room', () => {
  const worker = startCached();
  const names = Array.from({ length: 1000 }, (_, index) => `n${index}.wild.gslb.example`);
  for (const _ of [1, 2, 3, 4]) for (const name of names) isFast(worker, name, 'MX');
  const missing = names.filter((name) => !isFast(worker, name, 'MX'));
  assert.ok(missing.length < 10, missing.join(' '));
});
