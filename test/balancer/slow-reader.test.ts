import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import { DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
import type { Wire, WireHandlers } from '../../src/balancer/wire.ts';
import { snapshotOf } from './rig.ts';

/** Clients that take what they are sent slower than their wire tells of it by itself. */

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const PART = 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin';
const { writeIdleTimeoutMs } = DEFAULT_LIMITS;
const TICK_MS = writeIdleTimeoutMs / 100;

/** A client that has asked, been sent a part of the answer, and said nothing since. */
function startReader(takes: boolean) {
  const state = { taken: 0, asked: 0, isOpen: true, nowMs: 1000 };
  let server: WireHandlers | undefined;
  const wireOf = (isClient: boolean): Wire => ({
    remoteAddress: '192.0.2.1',
    remotePort: 1,
    write: () => !isClient || takes,
    end() {},
    destroy() {
      if (isClient) state.isOpen = false;
    },
    reset() {
      if (isClient) state.isOpen = false;
    },
    pause() {},
    resume() {},
    taken() {
      state.asked++;
      return state.taken;
    },
  });
  const snapshot = snapshotOf({ servers: [1] });
  const connect = (_target: unknown, handlers: WireHandlers): Wire => {
    server = handlers;
    return wireOf(false);
  };
  const row = new ArrayBuffer(counterBytes(snapshot));
  const balancer = createBalancer(connect, () => 0.5, snapshot, row);
  const client = balancer.accept('http', wireOf(true), state.nowMs)!;
  client.onData(Buffer.from(GET), state.nowMs);
  server!.onOpen(state.nowMs);
  server!.onData(Buffer.from(PART), state.nowMs);
  /** Lets time pass, tick by tick; `each` is asked before every one. */
  const pass = (ms: number, each: () => void = () => {}): void => {
    for (const endMs = state.nowMs + ms; state.nowMs < endMs && state.isOpen; ) {
      each();
      state.nowMs += TICK_MS;
      balancer.tick(state.nowMs);
    }
  };
  const say = (): void => server!.onData(Buffer.from('more'), state.nowMs);
  const stop = (): void => {
    balancer.stop(state.nowMs, 0);
    balancer.tick(state.nowMs);
  };
  return { state, pass, say, stop };
}

test('a client that takes an octet now and then is not cut off', () => {
  const { pass, state, stop } = startReader(false);
  pass(20 * writeIdleTimeoutMs, () => {
    // Three times in the time that it has.
    if (Math.round(state.nowMs / TICK_MS) % 33 === 0) state.taken++;
  });
  assert.ok(state.isOpen);
  assert.ok(state.asked < 20 * 10, `${state.asked} questions cost the kernel something`);
  stop();
});

test('a client that takes nothing is cut off in its time, and one that stops taking, too', () => {
  const never = startReader(false);
  never.pass(2 * writeIdleTimeoutMs);
  assert.equal(never.state.isOpen, false);
  assert.equal(never.state.nowMs, 1000 + writeIdleTimeoutMs);

  const once = startReader(false);
  once.pass(writeIdleTimeoutMs / 2);
  once.state.taken = 10;
  once.pass(2 * writeIdleTimeoutMs);
  assert.equal(once.state.isOpen, false);
  // It is seen at the next question that it has taken some.
  const sinceMs = once.state.nowMs - 1000 - writeIdleTimeoutMs / 2;
  assert.ok(sinceMs >= writeIdleTimeoutMs && sinceMs <= writeIdleTimeoutMs * (1 + 1 / 8) + TICK_MS);
});

test('a client that takes all is not asked for', () => {
  const { pass, say, state, stop } = startReader(true);
  pass(2 * writeIdleTimeoutMs, say);
  assert.equal(state.asked, 0);
  assert.ok(state.isOpen);
  stop();
});
