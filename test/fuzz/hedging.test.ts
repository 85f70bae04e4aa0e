import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import { type BalancerCounts, readCounters } from '../../src/balancer/counts.ts';
import type { Wire, WireHandlers } from '../../src/balancer/wire.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { snapshotOf } from '../balancer/rig.ts';
import { fuzzHits, fuzzRuns, fuzzSeed } from './effort.ts';

/** Whatever two attempts and their client do, and when: one answer at most, and nothing is left over. */

const GOOD = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const BAD = 'HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno';
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const SERVERS = 3;
const DELAY_MS = 20;

type End = { readonly wire: Wire; readonly state: { open: boolean; gone: boolean; text: string } };
type Server = End & { readonly handlers: WireHandlers; said: string };

function createEnd(): End {
  const state = { open: false, gone: false, text: '' };
  const leave = (): void => {
    state.gone = true;
  };
  const wire: Wire = {
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    write(bytes, length = bytes.length) {
      assert.ok(!state.gone, 'nothing is written to what is gone');
      state.text += Buffer.from(bytes.subarray(0, length)).toString('latin1');
      return true;
    },
    end() {},
    destroy: leave,
    reset: leave,
    pause() {},
    resume() {},
    taken: () => 0,
  };
  return { wire, state };
}

function createWorld() {
  const settings = {
    servers: Array.from({ length: SERVERS }, (_, index) => index + 1),
    upstream: {
      hedging: { quantile: 0.95, leastMs: DELAY_MS },
      retries: { ...DEFAULT_RESILIENCE.retries, attemptTimeoutMs: 2000 },
    },
  };
  const snapshot = snapshotOf(settings);
  const row = new SharedArrayBuffer(counterBytes(snapshot));
  const servers: Server[] = [];
  const connect = (_: unknown, handlers: WireHandlers): Wire => {
    const end = createEnd();
    servers.push({ ...end, handlers, said: '' });
    return end.wire;
  };
  const balancer = createBalancer(connect, () => 0.5, snapshot, row);
  let nowMs = 1;
  const world = {
    servers,
    balancer,
    counters: () => readCounters(snapshot, row).servers,
    counts: () => readCounters(snapshot, row),
    now: () => nowMs,
    pass(ms: number) {
      nowMs += ms;
      balancer.tick(nowMs);
    },
    connectClient() {
      const end = createEnd();
      return { ...end, handlers: balancer.accept('http', end.wire, nowMs)! };
    },
    open(server: Server) {
      server.state.open = true;
      server.handlers.onOpen(nowMs);
    },
    say(server: Server, text: string) {
      server.handlers.onData(Buffer.from(text, 'latin1'), nowMs);
    },
  };
  // The times of the route become known, and connections idle.
  const client = world.connectClient();
  for (let count = 0; count < 100; count += 1) {
    client.handlers.onData(Buffer.from(GET), nowMs);
    const asked = servers.find(({ state }) => state.text !== '' && !state.gone);
    const server = asked ?? servers.at(-1)!;
    if (!server.state.open) world.open(server);
    server.state.text = '';
    world.say(server, GOOD);
  }
  client.handlers.onClose('', nowMs);
  return world;
}

const step = fc.record({
  kind: fc.constantFrom('pass', 'pass', 'open', 'say', 'say', 'say', 'close', 'leave'),
  which: fc.nat({ max: 3 }),
  amount: fc.integer({ min: 1, max: 60 }),
  good: fc.boolean(),
});

test('one answer at most, accounts that are settled, no connection in two places', () => {
  let hedges = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 4, maxLength: 40 }), fc.boolean(), (steps, isIdle) => {
      const world = createWorld();
      if (!isIdle) world.pass(3_600_000);
      const client = world.connectClient();
      client.handlers.onData(Buffer.from(GET), world.now());
      for (const { amount, good, kind, which } of steps) {
        if (client.state.gone) break;
        const live = world.servers.filter(({ state }) => !state.gone);
        const server = live[which % Math.max(1, live.length)];
        if (kind === 'pass') world.pass(amount);
        else if (kind === 'leave' && amount < 5) client.handlers.onClose('ECONNRESET', world.now());
        else if (server === undefined) continue;
        else if (!server.state.open) {
          if (kind === 'open') world.open(server);
          else if (kind === 'close') gone(server, world.now());
        } else if (kind === 'close') gone(server, world.now());
        else if (kind === 'say' && server.state.text !== '') {
          const all = server.said === '' ? (good ? GOOD : BAD) : server.said;
          server.said = all.slice(amount);
          if (server.said === '') server.state.text = '';
          world.say(server, all.slice(0, amount));
        }
      }
      hedges += world.counters().reduce((sum, each) => sum + each.hedges, 0);
      const { text } = client.state;
      assert.ok(text.split('HTTP/1.1').length <= 2, text);
      assert.ok(text === '' || /^HTTP\/1\.1 (200|502|503|504) /.test(text), text);
      // Nobody says anything more.
      for (let count = 0; count < 40; count += 1) world.pass(500);
      if (!client.state.gone) {
        assert.match(client.state.text, /^HTTP\/1\.1 \d{3} /, 'every request has an answer');
        client.handlers.onClose('', world.now());
      }
      assert.deepEqual(
        world.counters().map(({ active }) => active),
        [0, 0, 0],
      );
      assert.equal(world.balancer.sessions(), 0);
      assertCounted(world.counts());
      world.pass(3_600_000);
      assert.ok(
        world.servers.every(({ state }) => state.gone),
        'no connection is forgotten',
      );
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(300) },
  );
  assert.ok(hedges > fuzzHits(100, 300), `${hedges} were hedged`);
});

function gone(server: Server, nowMs: number): void {
  server.state.gone = true;
  server.handlers.onClose('ECONNRESET', nowMs);
}

/** What holds of the counts once nothing is under way. */
function assertCounted({ listeners, routes, servers }: BalancerCounts): void {
  for (const server of servers) {
    assert.equal(sum(Object.values(server.failed)), server.failures, 'each failure is of a kind');
    const answers = sum(server.statusClasses);
    assert.equal(server.firstByte?.count, answers, 'each answer has a first byte');
    assert.ok(answers <= server.requests, 'answers are of requests');
    assert.ok(server.hedgesWon <= server.hedges && server.hedges <= server.retries);
  }
  const [route] = routes;
  assert.ok(route);
  assert.equal(route.retries, sum(servers.map(({ retries }) => retries)));
  assert.equal(sum(Object.values(route.ends)), route.requests, 'each request ends once');
  assert.deepEqual([route.active, listeners[0]?.requestsActive], [0, 0]);
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, each) => total + each, 0);
