import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import {
  createRing,
  LENGTH_BYTES,
  leaveRing,
  NO_ROOM,
  openRingReader,
  openRingWriter,
  type RingWriter,
  whenLeft,
} from '../../src/dnstap/ring.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const SEED = fuzzSeed(20261122);
const CAPACITY = 1024;

test('frames come out whole, in order, and only those that there was room for', () => {
  const step = fc.oneof(
    fc.record({ write: fc.integer({ min: 1, max: CAPACITY / 2 - LENGTH_BYTES }) }),
    fc.record({ take: fc.integer({ min: CAPACITY / 2, max: 2 * CAPACITY }) }),
    fc.record({ replace: fc.constantFrom('writer', 'reader') }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const memory = createRing(CAPACITY);
      let [writer, reader] = [openRingWriter(memory), openRingReader(memory)];
      const expected: number[][] = [];
      let next = 0;
      for (const each of steps) {
        if ('write' in each) {
          const octets = Array.from({ length: each.write }, () => next++ & 0xff);
          if (put(writer, octets)) expected.push(octets);
          // With an empty ring there is room for any that is not longer than half of it.
          else assert.notEqual(expected.length, 0);
        } else if ('take' in each) {
          const to = new Uint8Array(each.take);
          const length = reader.take(to, 0);
          const frames = split(to.subarray(0, length));
          assert.equal(frames.length, reader.frames());
          for (const frame of frames) assert.deepEqual(frame, expected.shift());
        } else if (each.replace === 'writer') writer = openRingWriter(memory);
        else reader = openRingReader(memory);
      }
      const to = new Uint8Array(2 * CAPACITY);
      assert.deepEqual(split(to.subarray(0, reader.take(to, 0))), expected);
    }),
    { seed: SEED, numRuns: fuzzRuns(300) },
  );
});

test('what was reserved and not committed is not read, and its room is used again', () => {
  const memory = createRing(CAPACITY);
  const writer = openRingWriter(memory);
  writer.reserve(100);
  // A thread that died there has a successor.
  put(openRingWriter(memory), [1, 2, 3]);
  const to = new Uint8Array(CAPACITY);
  assert.deepEqual(split(to.subarray(0, openRingReader(memory).take(to, 0))), [[1, 2, 3]]);
});

test('who leaves last is told of what nobody has taken, and the other is waited for', async () => {
  const memory = createRing(CAPACITY);
  const [writer, reader] = [openRingWriter(memory), openRingReader(memory)];
  assert.ok(put(writer, [1]));
  reader.take(new Uint8Array(CAPACITY), 0);
  for (const length of [400, 400]) assert.ok(put(writer, new Array(length).fill(2)));
  await whenLeft(memory, 1);
  const left = whenLeft(memory, 3_600_000);
  assert.equal(leaveRing(memory), 0);
  await left;
  await whenLeft(memory, 3_600_000);
  assert.equal(leaveRing(memory), 2);
});

test('a frame that is longer than the ring is refused', () => {
  const memory = createRing(CAPACITY);
  assert.equal(openRingWriter(memory).reserve(CAPACITY), NO_ROOM);
});

test('positions count on beyond 2^32', () => {
  const memory = createRing(CAPACITY);
  const positions = new Int32Array(memory, 0, 32);
  // As after four gigabytes: a frame before the numbers turn.
  for (const at of [0, 16]) positions[at] = -8;
  const [writer, reader] = [openRingWriter(memory), openRingReader(memory)];
  const to = new Uint8Array(CAPACITY);
  for (let round = 0; round < 100; round += 1) {
    assert.ok(put(writer, [round, round, round]));
    assert.deepEqual(split(to.subarray(0, reader.take(to, 0))), [[round, round, round]]);
  }
});

test('two threads: all that was written is read, nothing else', async () => {
  const frames = fuzzRuns(4000);
  const memory = createRing(4096);
  const worker = new Worker(new URL('./fixtures/ring-writer.ts', import.meta.url), {
    workerData: { memory, frames },
  });
  const reader = openRingReader(memory);
  const to = new Uint8Array(4096);
  let expected = 0;
  while (expected < frames) {
    for (const frame of split(to.subarray(0, reader.take(to, 0)))) {
      const number = expected++;
      assert.equal(frame.length, 1 + (number % 200), `frame ${number}`);
      assert.ok(
        frame.every((octet) => octet === (number & 0xff)),
        `frame ${number}`,
      );
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await worker.terminate();
});

function put(writer: RingWriter, octets: readonly number[]): boolean {
  const at = writer.reserve(octets.length);
  if (at === NO_ROOM) return false;
  writer.bytes.set(octets, at);
  writer.commit();
  return true;
}

function split(bytes: Uint8Array): number[][] {
  const frames: number[][] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at);
    frames.push([...bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length)]);
    at += LENGTH_BYTES + length;
  }
  return frames;
}
