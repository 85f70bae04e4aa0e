import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UpstreamSnapshot } from '../../src/balancer/snapshot.ts';
import {
  createStanding,
  keepsHolders,
  observeProbes,
  observeRequest,
  outliersOf,
  refreshStanding,
  type ServerEvent,
  type Standing,
  tickStanding,
} from '../../src/balancer/standing.ts';
import { SCRATCH } from '../../src/balancing/algorithm.ts';
import { OUTCOME, type Outcome, type OutlierRules } from '../../src/resilience/outlier.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const START_MS = 1_000_000;
const { outliers: OUTLIERS, panic: PANIC } = DEFAULT_RESILIENCE;

type PoolOptions = {
  /** Per server; absent = 1. */
  readonly weights?: readonly number[];
  /** Per server; absent = 0. */
  readonly priorities?: readonly number[];
  readonly outliers?: Partial<OutlierRules>;
  readonly panicThreshold?: number;
};

/** Servers that are ejected at once, for exactly 30 s. */
function startPool(servers: number, options: PoolOptions = {}) {
  const { outliers, panicThreshold = PANIC.panicThreshold, priorities, weights } = options;
  const settings: UpstreamSnapshot = {
    ...DEFAULT_RESILIENCE,
    name: 'web',
    algorithm: { kind: 'round-robin', options: {} },
    idleMax: 8,
    idleTimeoutMs: 60_000,
    connectTimeoutMs: 1000,
    responseTimeoutMs: 30_000,
    servers: Array.from({ length: servers }, (_, index) => ({
      name: `s${index}`,
      address: '192.0.2.1',
      port: 1,
      weight: weights?.[index] ?? 1,
      priority: priorities?.[index] ?? 0,
    })),
    outliers: { ...OUTLIERS, reducedWeight: undefined, jitterMs: 0, ...outliers },
    panic: { ...PANIC, panicThreshold },
  };
  const events: ServerEvent[] = [];
  const standing = createStanding(
    settings,
    {
      active: new Uint32Array(servers),
      awaited: new Uint32Array(servers),
      awaitedSinceMs: new Float64Array(servers),
      connections: new Uint32Array(servers),
      scratch: new Float64Array(SCRATCH * servers),
    },
    {
      healthy: new Uint8Array(servers).fill(1),
      draining: new Uint8Array(servers),
      degraded: new Uint8Array(servers),
    },
    undefined,
    Array.from({ length: servers }, () => -1),
    { draw: () => 0.5, report: (event) => events.push(event) },
    START_MS,
  );
  return { standing, events };
}

function fail(standing: Standing, server: number, outcome: Outcome, times: number, nowMs: number) {
  for (let time = 0; time < times; time++) observeRequest(standing, server, outcome, 1, nowMs);
}

/** What probes and people say, in one message. */
function say(
  standing: Standing,
  down: readonly number[],
  draining: readonly number[],
  nowMs: number,
): void {
  for (const server of standing.healthy.keys()) {
    standing.draining[server] = draining.includes(server) ? 1 : 0;
    observeProbes(standing, server, !down.includes(server), nowMs);
  }
  refreshStanding(standing, nowMs);
}

const usable = (standing: Standing): string => standing.usable.join('');

for (const [how, weights, draining] of [
  ['drain', [1, 1, 1], [1, 2]],
  ['have weight 0', [1, 0, 0], []],
] as const) {
  test(`a server that fails while the others ${how} stays, and says why`, () => {
    const { standing, events } = startPool(3, { weights });
    say(standing, [], draining, START_MS);
    const before = usable(standing);
    fail(standing, 0, OUTCOME.local, 10, START_MS);
    assert.equal(usable(standing), before);
    assert.equal(before[0], '1');
    assert.deepEqual(outliersOf(standing), []);
    assert.equal(events.length, 1);
    assert.equal(events[0]?.kind, 'suspected');
    assert.match(events[0].reason, /no other server takes new requests$/);
  });
}

type Said = { readonly down: readonly number[]; readonly draining: readonly number[] };
const rows: readonly (readonly [how: string, first: Said, then: Said])[] = [
  ['down', { down: [1], draining: [] }, { down: [1, 2], draining: [] }],
  ['draining', { down: [], draining: [1] }, { down: [], draining: [1, 2] }],
  ['down or draining', { down: [1], draining: [] }, { down: [1], draining: [2] }],
];
for (const [how, first, then] of rows) {
  test(`an ejection ends when no other server is left: the others are ${how}`, () => {
    const { standing, events } = startPool(3);
    fail(standing, 0, OUTCOME.local, 5, START_MS);
    assert.equal(usable(standing), '011');
    say(standing, first.down, first.draining, START_MS + 1000);
    assert.equal(usable(standing), '001', 'one is left');
    say(standing, then.down, then.draining, START_MS + 2000);
    assert.equal(usable(standing), '100');
    assert.equal(standing.plan.refuses, false);
    assert.deepEqual(outliersOf(standing), []);
    assert.deepEqual(
      events.map(({ kind, server }) => `${kind} ${server}`),
      ['ejected s0', 'returned s0'],
    );
    fail(standing, 0, OUTCOME.local, 50, START_MS + 3000);
    assert.equal(usable(standing), '100', 'and it stays while it is so');
    say(standing, [], [], START_MS + 4000);
    fail(standing, 0, OUTCOME.local, 5, START_MS + 4000);
    assert.equal(usable(standing), '011', 'until another is back');
    assert.equal(standing.outliers.untilMs[0], START_MS + 4000 + 60_000);
  });
}

test('a server of another priority is another server', () => {
  const { standing } = startPool(3, { priorities: [0, 1, 1] });
  fail(standing, 0, OUTCOME.local, 5, START_MS);
  assert.equal(usable(standing), '011');
  assert.deepEqual(standing.plan.shares, [0, 1]);
  say(standing, [1, 2], [], START_MS);
  assert.equal(usable(standing), '100');
  assert.deepEqual(standing.plan.shares, [1, 0]);
});

test('one that drains and fails its holders is ejected only while they have another to go to', () => {
  const { standing } = startPool(3);
  say(standing, [1], [0], START_MS);
  fail(standing, 0, OUTCOME.local, 5, START_MS);
  assert.equal(keepsHolders(standing, 0), false);
  say(standing, [1, 2], [0], START_MS);
  assert.equal(keepsHolders(standing, 0), true);
  fail(standing, 0, OUTCOME.local, 5, START_MS);
  assert.equal(keepsHolders(standing, 0), true);
});

test('whatever happens, one of those who are up and do not drain is usable', () => {
  const event = fc.record({
    server: fc.nat({ max: 7 }),
    what: fc.constantFrom('request', 'request', 'probe', 'drain', 'tick'),
    outcome: fc.constantFrom(0, 1, 2, 3, 3) as fc.Arbitrary<Outcome>,
    times: fc.integer({ min: 1, max: 60 }),
    stepMs: fc.integer({ min: 0, max: 20_000 }),
  });
  const perServer = (max: number) => fc.array(fc.nat({ max }), { minLength: 8, maxLength: 8 });
  const pools = fc.record({
    servers: fc.integer({ min: 1, max: 8 }),
    weights: perServer(2),
    priorities: perServer(2),
    panicThreshold: fc.constantFrom(0, 0.5),
    outliers: fc.record({
      ejectedShareMax: fc.constantFrom(0.33, 0.5, 1),
      reducedWeight: fc.constantFrom(undefined, 0.1),
      probeEndsEjection: fc.boolean(),
    }),
    events: fc.array(event, { maxLength: 60, size: 'max' }),
  });
  fc.assert(
    fc.property(pools, ({ events, servers, ...options }) => {
      const { standing } = startPool(servers, options);
      const { draining, healthy } = standing;
      let nowMs = START_MS;
      for (const { server, what, outcome, times, stepMs } of events) {
        const at = server % servers;
        if (what === 'request') fail(standing, at, outcome, times, nowMs);
        if (what === 'probe') observeProbes(standing, at, healthy[at] === 0, nowMs);
        if (what === 'drain') draining[at]! ^= 1;
        if (what === 'probe' || what === 'drain') refreshStanding(standing, nowMs);
        nowMs += stepMs;
        if (what === 'tick') tickStanding(standing, nowMs);
        const anyUp = healthy.some((up, index) => up === 1 && draining[index] === 0);
        if (anyUp) assert.ok(standing.usable.includes(1), `none of ${healthy.join('')}`);
        if (options.panicThreshold > 0) continue;
        for (const { level, server: name } of outliersOf(standing)) {
          const isUsed = standing.usable[Number(name.slice(1))] === 1;
          if (level === 'ejected') assert.ok(!isUsed, `${name} is said to be out`);
        }
      }
    }),
    { seed: fuzzSeed(20_261_123), numRuns: fuzzRuns(500) },
  );
});
