import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COUNTER_SCRATCH } from '../../src/balancer/counters.ts';
import {
  beginRequest,
  createUpstream,
  endRequest,
  LATE,
  type Upstream,
} from '../../src/balancer/upstream.ts';
import { RESOURCE } from '../../src/resilience/limits.ts';
import { OUTCOME } from '../../src/resilience/outlier.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { snapshotOf } from './rig.ts';

/** What the adaptive limit of a server learns from requests, however they end. */

const COUNTERS = new Float64Array(COUNTER_SCRATCH + 16);
const START_MS = 1_000_000;
const QUICK_MS = 20;

const limitOf = ({ room }: Upstream): number => room!.limits.limits[RESOURCE.requests]!;

/** So many windows of as many requests as may be, that all end alike. @returns the time after them */
function run(
  upstream: Upstream,
  windows: number,
  fromMs: number,
  end: { outcome: Parameters<typeof endRequest>[2]; elapsedMs: number; retryAfterMs?: number },
): number {
  const [server] = upstream.servers;
  let nowMs = fromMs;
  for (let window = 0; window < windows; window += 1) {
    const load = limitOf(upstream);
    for (let each = 0; each < load; each += 1) beginRequest(server!, COUNTERS, nowMs);
    const startedMs = nowMs;
    nowMs += Math.max(101, end.elapsedMs);
    const { elapsedMs, outcome, retryAfterMs } = end;
    for (let each = 0; each < load; each += 1)
      endRequest(server!, COUNTERS, outcome, startedMs, nowMs, elapsedMs, retryAfterMs);
  }
  return nowMs;
}

const UNCOUNTED = { upstream: COUNTER_SCRATCH, servers: [], latencies: [] };

/** Its answers are known to take 20 ms. */
function createKnown(): readonly [upstream: Upstream, nowMs: number] {
  const limits = { ...DEFAULT_RESILIENCE.limits, adaptive: true };
  const outliers = { ...DEFAULT_RESILIENCE.outliers, consecutive: 1_000_000 };
  const snapshot = snapshotOf({ servers: [1], upstream: { limits, outliers } });
  const voice = { draw: () => 0.5, report: () => {} };
  const upstream = createUpstream(snapshot.upstreams[0]!, undefined, UNCOUNTED, voice, START_MS);
  const nowMs = run(upstream, 10, START_MS, { outcome: OUTCOME.ok, elapsedMs: QUICK_MS });
  assert.ok(limitOf(upstream) > 40);
  return [upstream, nowMs];
}

test('what is not answered in time shrinks the limit as a slow answer does', () => {
  for (const outcome of [OUTCOME.ok, OUTCOME.local, OUTCOME.gateway, LATE] as const) {
    const [upstream, nowMs] = createKnown();
    run(upstream, 20, nowMs, { outcome, elapsedMs: 5000 });
    assert.ok(limitOf(upstream) <= 15, `${outcome}: ${limitOf(upstream)}`);
  }
});

test('what fails at once, is told to go away, or says nothing, does not look like a fast server', () => {
  const quick = [
    { outcome: OUTCOME.local, elapsedMs: 1 },
    { outcome: OUTCOME.gateway, elapsedMs: 1 },
    { outcome: OUTCOME.ok, elapsedMs: 1, retryAfterMs: 0 },
    { outcome: undefined, elapsedMs: 5000 },
  ];
  for (const end of quick) {
    const [upstream, nowMs] = createKnown();
    const later = run(upstream, 100, nowMs, end);
    assert.ok(Math.abs(upstream.room!.adaptive!.shortMs[0]! - QUICK_MS) < 1, JSON.stringify(end));
    const before = limitOf(upstream);
    run(upstream, 10, later, { outcome: OUTCOME.ok, elapsedMs: QUICK_MS });
    assert.ok(limitOf(upstream) >= before);
  }
});

test('a server that has never answered has no usual time: its failures say nothing', () => {
  const limits = { ...DEFAULT_RESILIENCE.limits, adaptive: true };
  const snapshot = snapshotOf({ servers: [1], upstream: { limits } });
  const voice = { draw: () => 0.5, report: () => {} };
  const base = UNCOUNTED;
  const upstream = createUpstream(snapshot.upstreams[0]!, undefined, base, voice, START_MS);
  const nowMs = run(upstream, 10, START_MS, { outcome: OUTCOME.local, elapsedMs: 1 });
  assert.equal(upstream.room!.adaptive!.shortMs[0], 0);
  run(upstream, 10, nowMs, { outcome: OUTCOME.ok, elapsedMs: 80 });
  assert.ok(upstream.room!.adaptive!.longMs[0]! > 79);
});
