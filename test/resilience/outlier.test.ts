import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createOutlierState,
  DEFAULT_OUTLIER_RULES,
  type Detector,
  type DetectorMode,
  ejectedMax,
  endEjections,
  LEVEL,
  OUTCOME,
  OUTLIER_INTERVAL_MS,
  type Outcome,
  type OutlierRules,
  type OutlierState,
  observeOutcome,
  observeProbeSuccess,
  outcomeOfStatus,
  outlierWeight,
  readmitLast,
  sweep,
} from '../../src/resilience/outlier.ts';
import { explainOutlier } from '../../src/resilience/outlier-explain.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const START_MS = 1_000_000;
const OFF = {
  'consecutive-local': 'off',
  'consecutive-gateway': 'off',
  'consecutive-5xx': 'off',
  'success-rate': 'off',
  'failure-percentage': 'off',
  latency: 'off',
} as const satisfies Record<Detector, DetectorMode>;

/** One detector, which ejects at once. */
const only = (detector: Detector, changes: Partial<OutlierRules> = {}): OutlierRules => ({
  ...DEFAULT_OUTLIER_RULES,
  modes: { ...OFF, [detector]: 'enforce' },
  reducedWeight: undefined,
  jitterMs: 0,
  ...changes,
});
const allHealthy = (servers: number): Uint8Array => new Uint8Array(servers).fill(1);

function tell(
  state: OutlierState,
  rules: OutlierRules,
  server: number,
  outcome: Outcome,
  times: number,
  nowMs = START_MS,
  elapsedMs = 10,
): void {
  const inService = allHealthy(state.level.length);
  for (let time = 0; time < times; time += 1) {
    observeOutcome(state, rules, inService, server, outcome, elapsedMs, nowMs, 0);
  }
}

/** Every server gets 200 requests, of which so many fail. */
function interval(state: OutlierState, rules: OutlierRules, failures: readonly number[]): void {
  for (const [server, failed] of failures.entries()) {
    tell(state, rules, server, OUTCOME.serverError, failed);
    tell(state, rules, server, OUTCOME.ok, 200 - failed);
  }
}
const levels = (state: OutlierState): number[] => [...state.level];

test('outcomeOfStatus() tells gateway errors from others', () => {
  const statuses = [200, 404, 499, 500, 501, 502, 503, 504, 505];
  assert.deepEqual(statuses.map(outcomeOfStatus), [0, 0, 0, 1, 1, 2, 2, 2, 1]);
});

const rows: readonly (readonly [Detector, Outcome])[] = [
  ['consecutive-local', OUTCOME.local],
  ['consecutive-gateway', OUTCOME.gateway],
  ['consecutive-5xx', OUTCOME.serverError],
  ['consecutive-5xx', OUTCOME.gateway],
];
for (const [detector, outcome] of rows) {
  test(`${detector}: five of outcome ${outcome} in a row, not four and one`, () => {
    const rules = only(detector);
    const state = createOutlierState(3);
    tell(state, rules, 1, outcome, 4);
    tell(state, rules, 1, OUTCOME.ok, 1);
    tell(state, rules, 1, outcome, 4);
    assert.deepEqual(levels(state), [0, 0, 0]);
    tell(state, rules, 1, outcome, 1);
    assert.deepEqual(levels(state), [0, LEVEL.ejected, 0]);
    assert.equal(outlierWeight(state, rules, 1), 0);
  });
}

test('what this balancer saw itself and what the server said are counted apart', () => {
  const state = createOutlierState(3);
  const rules = only('consecutive-gateway');
  tell(state, rules, 0, OUTCOME.gateway, 4);
  tell(state, rules, 0, OUTCOME.local, 20);
  assert.deepEqual(levels(state), [0, 0, 0]);
  const local = createOutlierState(3);
  for (let round = 0; round < 5; round += 1) {
    tell(local, only('consecutive-local'), 0, OUTCOME.local, 4);
    tell(local, only('consecutive-local'), 0, OUTCOME.gateway, 1);
  }
  assert.deepEqual(levels(local), [0, 0, 0], 'an answer shows that it can be reached');
});

for (const servers of [3, 4, 5, 12]) {
  test(`success-rate: one of ${servers} servers that fails everything goes, and no other`, () => {
    const rules = only('success-rate');
    const state = createOutlierState(servers);
    interval(
      state,
      rules,
      Array.from({ length: servers }, (_, server) => (server === 1 ? 200 : 2)),
    );
    assert.equal(sweep(state, rules, allHealthy(servers), START_MS, 0), 1);
    assert.equal(state.level[1], LEVEL.ejected);
  });
}

test('success-rate: nobody goes when all fail alike, when two are compared, or on few requests', () => {
  const rules = only('success-rate');
  for (const failures of [
    [100, 100, 100],
    [95, 105, 100, 98],
    [2, 5],
    [0, 2, 6],
  ]) {
    const state = createOutlierState(failures.length);
    interval(state, rules, failures);
    assert.equal(sweep(state, rules, allHealthy(failures.length), START_MS, 0), 0, `${failures}`);
  }
  const quiet = createOutlierState(3);
  for (const server of [0, 1]) tell(quiet, rules, server, OUTCOME.ok, 200);
  tell(quiet, rules, 2, OUTCOME.serverError, 99);
  assert.equal(sweep(quiet, rules, allHealthy(3), START_MS, 0), 0);
});

test('success-rate: an interval does not count for the next', () => {
  const rules = only('success-rate');
  const state = createOutlierState(3);
  for (const server of [0, 1]) tell(state, rules, server, OUTCOME.ok, 200);
  tell(state, rules, 2, OUTCOME.serverError, 60);
  sweep(state, rules, allHealthy(3), START_MS, 0);
  for (const server of [0, 1]) tell(state, rules, server, OUTCOME.ok, 200);
  tell(state, rules, 2, OUTCOME.serverError, 60);
  assert.equal(sweep(state, rules, allHealthy(3), START_MS, 0), 0);
});

test('failure-percentage: 85 % of at least 50 requests', () => {
  const rules = only('failure-percentage');
  for (const [failed, expected] of [
    [169, 0],
    [170, 1],
  ] as const) {
    const state = createOutlierState(3);
    interval(state, rules, [0, failed, 0]);
    assert.equal(sweep(state, rules, allHealthy(3), START_MS, 0), expected, `${failed}`);
  }
});

test('latency: an average over four times the median goes; quick pools and slow ones stay whole', () => {
  const rules = only('latency');
  const swept = (times: readonly number[]): number[] => {
    const state = createOutlierState(times.length);
    for (const [server, ms] of times.entries()) {
      tell(state, rules, server, OUTCOME.ok, 50, START_MS, ms);
    }
    sweep(state, rules, allHealthy(times.length), START_MS, 0);
    return levels(state);
  };
  assert.deepEqual(swept([30, 130, 30]), [0, LEVEL.ejected, 0]);
  assert.deepEqual(swept([30, 110, 30]), [0, 0, 0]);
  assert.deepEqual(swept([1, 15, 1]), [0, 0, 0], 'far from the median, but quick');
  assert.deepEqual(swept([900, 900, 900]), [0, 0, 0]);
  assert.deepEqual(swept([10, 900]), [0, 0], 'two have no median');
});

test('the first step takes weight, the second all of it, and the next time there is one step', () => {
  const rules = only('consecutive-gateway', { reducedWeight: 0.1 });
  const state = createOutlierState(3);
  tell(state, rules, 0, OUTCOME.gateway, 5);
  assert.equal(outlierWeight(state, rules, 0), 0.1);
  tell(state, rules, 0, OUTCOME.gateway, 5);
  assert.equal(outlierWeight(state, rules, 0), 0);
  assert.equal(endEjections(state, START_MS + rules.baseMs), 1);
  assert.equal(outlierWeight(state, rules, 0), 1);
  tell(state, rules, 0, OUTCOME.gateway, 5, START_MS + rules.baseMs);
  assert.equal(outlierWeight(state, rules, 0), 0);
});

test('one answer never takes two steps', () => {
  const modes = { ...OFF, 'consecutive-gateway': 'enforce', 'consecutive-5xx': 'enforce' } as const;
  const rules = { ...only('latency', { reducedWeight: 0.1 }), modes };
  const state = createOutlierState(3);
  tell(state, rules, 0, OUTCOME.gateway, 5);
  assert.deepEqual(levels(state), [LEVEL.reduced, 0, 0]);
});

test('times grow by the base up to the maximum, and shrink by one per interval that it is in', () => {
  const rules = only('consecutive-local');
  const state = createOutlierState(3);
  const served: number[] = [];
  let nowMs = START_MS;
  for (let time = 0; time < 12; time += 1) {
    tell(state, rules, 0, OUTCOME.local, 5, nowMs);
    served.push((state.untilMs[0]! - nowMs) / 1000);
    nowMs = state.untilMs[0]!;
    assert.equal(endEjections(state, nowMs - 1), 0);
    assert.equal(endEjections(state, nowMs), 1);
  }
  assert.deepEqual(served, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
  for (let round = 0; round < 11; round += 1) {
    nowMs += OUTLIER_INTERVAL_MS;
    sweep(state, rules, allHealthy(3), nowMs, 0);
  }
  tell(state, rules, 0, OUTCOME.local, 5, nowMs);
  assert.equal(state.untilMs[0]! - nowMs, 60_000);
});

test('the jitter spreads returns', () => {
  const rules = only('consecutive-local', { jitterMs: 5000, consecutive: 1 });
  const ends = [0, 0.5].map((draw) => {
    const state = createOutlierState(3);
    observeOutcome(state, rules, allHealthy(3), 0, OUTCOME.local, 1, START_MS, draw);
    return state.untilMs[0]! - START_MS;
  });
  assert.deepEqual(ends, [30_000, 32_500]);
});

test('a probe ends an ejection, unless probes do not count', () => {
  for (const probeEndsEjection of [true, false]) {
    const rules = only('consecutive-local', { probeEndsEjection });
    const state = createOutlierState(3);
    tell(state, rules, 0, OUTCOME.local, 5);
    assert.equal(observeProbeSuccess(state, rules, 0), probeEndsEjection);
    assert.equal(state.level[0], probeEndsEjection ? LEVEL.in : LEVEL.ejected);
  }
});

test('ejectedMax(): none of two, one of three, a third of many, never all', () => {
  const rules = DEFAULT_OUTLIER_RULES;
  assert.deepEqual(
    [1, 2, 3, 4, 6, 7, 10, 100].map((servers) => ejectedMax(servers, rules)),
    [0, 0, 1, 1, 1, 2, 3, 33],
  );
  assert.equal(ejectedMax(4, { ...rules, ejectedShareMax: 1 }), 3);
  assert.equal(ejectedMax(4, { ...rules, ejectedShareMax: 0 }), 0);
});

test('explainOutlier() says why it is out, and why it is not', () => {
  const rules = only('consecutive-gateway');
  const state = createOutlierState(3);
  const words = (server: number, by = rules): string =>
    explainOutlier(state, by, server, START_MS + 2000);
  assert.match(words(0), /^in: no detector/);
  tell(state, rules, 0, OUTCOME.gateway, 5);
  assert.equal(
    words(0),
    'out for 28 s more: 5 answers in a row were 502, 503 or 504 (consecutive-gateway)',
  );
  tell(state, rules, 1, OUTCOME.gateway, 5);
  assert.match(
    words(1),
    /^in, although 2 s ago 5 answers .* as many are out as may be \(33 % of 3\)/,
  );
  const watching = { ...rules, modes: { ...OFF, 'consecutive-local': 'observe' } as const };
  tell(state, watching, 2, OUTCOME.local, 5);
  assert.equal(state.level[2], LEVEL.in);
  assert.match(words(2, watching), /no connection or no answer .* only observes$/);
  const reducing = { ...rules, reducedWeight: 0.25 };
  tell(state, reducing, 2, OUTCOME.gateway, 5);
  assert.match(words(2, reducing), /^in at 25 % of its weight for 28 s more/);
  tell(state, reducing, 2, OUTCOME.gateway, 5);
  assert.match(words(2, reducing), /not out, because as many/);
});

test('explainOutlier(): a server stays while no other takes requests, and says so', () => {
  const rules = only('consecutive-local');
  const state = createOutlierState(4);
  for (let time = 0; time < 5; time += 1) {
    observeOutcome(state, rules, Uint8Array.of(0, 0, 1, 0), 2, OUTCOME.local, 1, START_MS, 0);
  }
  assert.equal(state.level[2], LEVEL.in);
  assert.match(explainOutlier(state, rules, 2, START_MS), /no other server takes new requests$/);
});

test('the ejected come back when those who took their requests are gone, but not who is down', () => {
  const rules = only('consecutive-local', { ejectedShareMax: 0.5 });
  const state = createOutlierState(6);
  for (const server of [0, 1, 2]) tell(state, rules, server, OUTCOME.local, 5);
  const ejected = [2, 2, 2, 0, 0, 0];
  assert.deepEqual(levels(state), ejected);
  const healthy = Uint8Array.of(1, 1, 0, 1, 1, 0);
  assert.equal(readmitLast(state, healthy, Uint8Array.of(1, 1, 0, 0, 1, 0)), 0);
  assert.deepEqual(levels(state), ejected);
  assert.equal(readmitLast(state, healthy, Uint8Array.of(1, 1, 0, 0, 0, 0)), 2);
  assert.deepEqual(levels(state), [0, 0, 2, 0, 0, 0]);
  tell(state, rules, 0, OUTCOME.local, 5);
  assert.equal(state.untilMs[0], START_MS + 2 * rules.baseMs, 'how often is not forgotten');
});

test('whatever happens, who is in service is not all ejected and the share is kept', () => {
  const event = fc.record({
    server: fc.nat({ max: 9 }),
    outcome: fc.constantFrom(0, 1, 2, 3) as fc.Arbitrary<Outcome>,
    times: fc.integer({ min: 1, max: 120 }),
    elapsedMs: fc.integer({ min: 0, max: 2000 }),
    stepMs: fc.integer({ min: 0, max: 40_000 }),
    sweep: fc.boolean(),
    /** Goes down or comes up, begins or ends to drain. */
    downed: fc.option(fc.nat({ max: 9 }), { nil: undefined }),
    drained: fc.option(fc.nat({ max: 9 }), { nil: undefined }),
  });
  const modes = Object.fromEntries(Object.keys(OFF).map((kind) => [kind, 'enforce']));
  const pools = fc.record({
    servers: fc.integer({ min: 1, max: 10 }),
    share: fc.constantFrom(0, 0.33, 0.5, 1),
    reducedWeight: fc.constantFrom(undefined, 0.1),
    events: fc.array(event, { maxLength: 80, size: 'max' }),
  });
  fc.assert(
    fc.property(pools, ({ servers, share, reducedWeight, events }) => {
      const rules: OutlierRules = {
        ...DEFAULT_OUTLIER_RULES,
        modes: modes as OutlierRules['modes'],
        ejectedShareMax: share,
        reducedWeight,
      };
      const state = createOutlierState(servers);
      const healthy = allHealthy(servers);
      const draining = new Uint8Array(servers);
      let inService = allHealthy(servers);
      const assertOneIsLeft = (): void => {
        const isLeft = inService.some((is, at) => is === 1 && state.level[at]! < LEVEL.ejected);
        assert.equal(isLeft, inService.includes(1));
      };
      let nowMs = START_MS;
      for (const { server, outcome, times, elapsedMs, stepMs, ...then } of events) {
        for (let time = 0; time < times; time += 1) {
          const at = server % servers;
          observeOutcome(state, rules, inService, at, outcome, elapsedMs, nowMs, 0.5);
        }
        nowMs += stepMs;
        if (then.sweep) sweep(state, rules, inService, nowMs, 0.5);
        if (then.downed !== undefined) healthy[then.downed % servers]! ^= 1;
        if (then.drained !== undefined) draining[then.drained % servers]! ^= 1;
        assertOneIsLeft();
        inService = healthy.map((up, at) => up & (1 - draining[at]!));
        readmitLast(state, healthy, inService);
        const ejected = levels(state).filter((level) => level === LEVEL.ejected).length;
        assert.ok(ejected <= ejectedMax(servers, rules));
        assertOneIsLeft();
      }
      nowMs += rules.maxMs + rules.jitterMs;
      endEjections(state, nowMs);
      assert.ok(
        levels(state).every((level) => level === LEVEL.in),
        'all come back',
      );
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(300) },
  );
});
