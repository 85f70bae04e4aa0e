import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  agreeOnOffset,
  type OffsetView,
  PEER_OFFSET_KEEP_MS,
  STORE_OFFSET_KEEP_MS,
} from '../../src/cluster/agreed-offset.ts';
import { type ClusterClockOptions, createClusterClock } from '../../src/cluster/cluster-clock.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';

const NOW_MS = 1_790_000_000_000;
const at = (offsetMs: number, atMs = NOW_MS) => ({ offsetMs, atMs });
const nothing: OffsetView = { ownMs: 0, store: undefined, peers: new Map(), saved: undefined };

test('agreeOnOffset() goes by the store, else the median of all, else what was last known', () => {
  const peers = new Map([
    ['a', at(5000)],
    ['b', at(-1000)],
    ['broken', at(9e9)],
  ]);
  const all = { ownMs: 7, store: at(300), peers, saved: at(42) };
  assert.deepEqual(agreeOnOffset(all, NOW_MS), { source: 'store', offsetMs: 300 });
  const lateMs = NOW_MS + STORE_OFFSET_KEEP_MS + 1;
  assert.equal(agreeOnOffset(all, lateMs).source, 'saved', 'peers were not heard either');
  const noStore = { ...all, store: undefined };
  assert.deepEqual(agreeOnOffset(noStore, NOW_MS), { source: 'peers', offsetMs: 7 + 2500 });
  assert.equal(agreeOnOffset(noStore, NOW_MS + PEER_OFFSET_KEEP_MS + 1).source, 'saved');
  assert.deepEqual(agreeOnOffset({ ...nothing, ownMs: 7, saved: at(42) }, NOW_MS), {
    source: 'saved',
    offsetMs: 49,
  });
  assert.deepEqual(agreeOnOffset({ ...nothing, ownMs: 7 }, NOW_MS), { source: 'own', offsetMs: 7 });
  const old = { ...nothing, saved: at(42, NOW_MS - 30 * 24 * 3600_000) };
  assert.equal(agreeOnOffset(old, NOW_MS).source, 'own');
});

test('two nodes that know only each other agree on a time', () => {
  const [a, b] = [10_000, 0];
  const ofA = agreeOnOffset({ ...nothing, peers: new Map([['b', at(b - a)]]) }, NOW_MS);
  const ofB = agreeOnOffset({ ...nothing, peers: new Map([['a', at(a - b)]]) }, NOW_MS);
  assert.equal(a + ofA.offsetMs, b + ofB.offsetMs);
});

test('nowMs() follows the store, stays with it while it is away, and says a skew once', async () => {
  const { clock, made, log, steps, world } = created();
  world.storeMs = 5000;
  made.measure();
  assert.equal(made.nowMs(), clock.nowMs() + 5000);
  assert.deepEqual(made.status(), { source: 'store', offsetMs: 5000, isSkewed: true });
  world.storeMs = undefined;
  made.heardPeer('a', -77_000);
  await clock.advance(600_000);
  assert.equal(made.nowMs(), clock.nowMs() + 5000);
  world.storeMs = 1500;
  await clock.advance(10_000);
  assert.deepEqual(log, ['clock.skewed'], 'on the edge it is not over yet');
  world.storeMs = 400;
  await clock.advance(60_000);
  assert.deepEqual(log, ['clock.skewed', 'clock.agrees']);
  assert.deepEqual(steps, [5000, -3500, -1100]);
  made.close();
  assert.equal(clock.pending(), 0);
});

test('nowMs() does not tremble with the measurement', async () => {
  const { clock, made, steps, world } = created();
  for (const offsetMs of [20, -20, 30, 0]) {
    world.storeMs = offsetMs;
    await clock.advance(10_000);
    assert.equal(made.nowMs(), clock.nowMs());
  }
  assert.deepEqual(steps, [0], 'the source alone has changed, once');
  assert.equal(made.isAgreed(), true);
});

test('heardPeer() counts a node once, and no nonsense', async () => {
  const { made } = created();
  assert.equal(made.isAgreed(), false);
  for (const offsetMs of [Number.NaN, Number.POSITIVE_INFINITY, 1e18])
    made.heardPeer('x', offsetMs);
  assert.equal(made.isAgreed(), false);
  for (let each = 0; each < 9; each += 1) made.heardPeer('broken', 3600_000);
  made.heardPeer('a', 100);
  assert.equal(made.status().offsetMs, 100);
  for (let each = 0; each < 5000; each += 1) made.heardPeer(`p${each}`, 200);
  assert.equal(made.status().offsetMs, 200);
});

test('a step of the wall clock moves facts, when nobody knows better', async () => {
  const { clock, made, world } = created();
  world.wallMs = 3600_000;
  await clock.advance(10_000);
  assert.equal(made.nowMs(), clock.nowMs() + 3600_000);
  world.storeMs = 0;
  await clock.advance(10_000);
  assert.equal(made.nowMs(), clock.nowMs());
  assert.equal(made.wallMs(), clock.nowMs() + 3600_000, 'peers are told the own one');
});

test('save() brings the agreed time over a restart without store and peers', async () => {
  const first = created();
  first.world.storeMs = 8000;
  first.made.measure();
  const saved: unknown = JSON.parse(JSON.stringify(first.made.save()));
  const { clock, made } = created({ saved });
  assert.equal(made.nowMs(), clock.nowMs() + 8000);
  assert.equal(made.isAgreed(), false);
  for (const broken of [
    null,
    'x',
    {},
    { offsetMs: 1e300, atMs: NOW_MS },
    { offsetMs: 'x', atMs: 1 },
  ]) {
    assert.equal(created({ saved: broken }).made.status().source, 'own');
  }
});

function created(options: Partial<ClusterClockOptions> = {}) {
  const clock = createMovedClock(NOW_MS);
  const world: { storeMs: number | undefined; wallMs: number } = { storeMs: undefined, wallMs: 0 };
  const log: string[] = [];
  const made = createClusterClock({
    clock,
    wallMs: () => clock.nowMs() + world.wallMs,
    store: {
      nowMs: () => (world.storeMs === undefined ? null : clock.nowMs() + world.storeMs),
      onStatus: () => () => {},
    },
    log: { info: (event) => log.push(event), warn: (event) => log.push(event) },
    ...options,
  });
  const steps: number[] = [];
  made.onStep((stepMs) => steps.push(stepMs));
  return { clock, made, log, steps, world };
}
