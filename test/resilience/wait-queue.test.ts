import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createWaitQueue,
  DEFAULT_WAIT_QUEUE,
  enterQueue,
  expiresAtMs,
  leaveQueue,
  takeExpired,
  takeFromQueue,
  type WaitQueue,
} from '../../src/resilience/wait-queue.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const FIFO = { ...DEFAULT_WAIT_QUEUE, waitingMax: 4 };
const LIFO = { ...FIFO, order: 'adaptive-lifo' } as const;
const enterAll = (queue: WaitQueue, times: readonly number[]): number[] =>
  times.map((nowMs) => enterQueue(queue, nowMs));

test('fifo: the oldest is served first, a full queue refuses, a place that is left is used again', () => {
  const queue = createWaitQueue(FIFO);
  const [first, second, third, fourth, fifth] = enterAll(queue, [0, 1, 2, 3, 4]);
  assert.equal(fifth, -1);
  leaveQueue(queue, second!);
  leaveQueue(queue, second!);
  assert.equal(queue.length, 3);
  assert.equal(enterQueue(queue, 5), second);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => takeFromQueue(queue, 6)),
    [first, third, fourth, second, -1],
  );
});

test('fifo: who has waited five seconds is out, and not a moment before', () => {
  const queue = createWaitQueue(FIFO);
  const [first, second] = enterAll(queue, [1000, 2000]);
  assert.equal(takeExpired(queue, 5999), -1);
  assert.equal(expiresAtMs(queue, 5999), 6000);
  assert.deepEqual([takeExpired(queue, 6000), takeExpired(queue, 6000)], [first, -1]);
  assert.equal(takeExpired(queue, 7000), second);
  assert.equal(expiresAtMs(queue, 7000), Number.POSITIVE_INFINITY);
});

test('adaptive lifo: oldest first until the queue has stood for a second, then newest first', () => {
  const queue = createWaitQueue(LIFO);
  const [first, second, third] = enterAll(queue, [0, 950, 980]);
  assert.equal(takeFromQueue(queue, 990), first);
  assert.equal(takeFromQueue(queue, 1000), third);
  assert.equal(takeFromQueue(queue, 1000), second);
  const [fourth] = enterAll(queue, [1010, 1020]);
  assert.equal(takeFromQueue(queue, 1500), fourth, 'it was empty, so it is a new queue');
});

test('adaptive lifo: a standing queue keeps nobody beyond the short time', () => {
  const queue = createWaitQueue(LIFO);
  const [first, second, third] = enterAll(queue, [0, 800, 950]);
  assert.equal(takeExpired(queue, 999), -1);
  assert.equal(expiresAtMs(queue, 999), 1000);
  assert.deepEqual(
    [1, 2, 3].map(() => takeExpired(queue, 1000)),
    [first, second, -1],
  );
  assert.equal(takeExpired(queue, 1050), third);
});

for (const rules of [FIFO, LIFO]) {
  test(`${rules.order}: nobody is lost, served twice or kept beyond the limit`, () => {
    const act = fc.tuple(
      fc.constantFrom('enter', 'enter', 'take', 'leave', 'expire'),
      fc.nat({ max: 3 }),
      fc.nat({ max: 900 }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 150 }), (acts) => {
        const queue = createWaitQueue(rules);
        const waiting = new Map<number, number>();
        let nowMs = 0;
        for (const [kind, at, stepMs] of acts) {
          nowMs += stepMs;
          if (kind === 'enter') {
            const ticket = enterQueue(queue, nowMs);
            assert.equal(ticket === -1, waiting.size === rules.waitingMax);
            if (ticket !== -1) {
              assert.ok(!waiting.has(ticket));
              waiting.set(ticket, nowMs);
            }
          } else if (kind === 'leave') {
            leaveQueue(queue, at);
            waiting.delete(at);
          } else if (kind === 'take') {
            const ticket = takeFromQueue(queue, nowMs);
            assert.equal(ticket === -1, waiting.size === 0);
            assert.equal(waiting.delete(ticket), ticket !== -1);
          } else {
            for (let out = takeExpired(queue, nowMs); out !== -1; out = takeExpired(queue, nowMs)) {
              assert.ok(waiting.delete(out));
            }
            for (const since of waiting.values()) assert.ok(nowMs - since < rules.timeoutMs);
            assert.ok(expiresAtMs(queue, nowMs) > nowMs);
          }
          assert.equal(queue.length, waiting.size);
        }
      }),
      { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(500) },
    );
  });
}
