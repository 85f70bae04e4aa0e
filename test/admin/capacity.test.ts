import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CapacityView, LoadChange, RegionStatus } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

test('the capacity plan tells whom it passes on, those first of whom it passes on most', async (t) => {
  const { call } = await openAdmin(t);
  const view = (await call('GET', '/api/v1/capacity')).json<CapacityView>();
  assert.equal(view.passedCount, 2);
  assert.deepEqual(
    view.passed.map(({ key, lostMs, nearest, passed }) => ({ key, lostMs, nearest, passed })),
    [
      { key: 'N30W080 virginia>frankfurt', lostMs: 80, nearest: 'virginia', passed: 60 },
      { key: 'S30W060 virginia>frankfurt', lostMs: 70, nearest: 'virginia', passed: 40 },
    ],
  );
  const short = (await call('GET', '/api/v1/capacity?classes=1')).json<CapacityView>();
  assert.deepEqual([short.passed.length, short.passedCount], [1, 2]);
  assertProblem(await call('GET', '/api/v1/capacity?classes=-1'), 400, 'invalid-request');
});

test('what is reported of a region stands until its time is over or it is taken back', async (t) => {
  const { call, plane } = await openAdmin(t);
  const path = '/api/v1/regions/frankfurt/load';
  const reportedNow = async () =>
    (await call('GET', '/api/v1/regions/frankfurt')).json<RegionStatus>().reported;
  assert.equal(await reportedNow(), undefined);
  const reply = await call('PUT', path, { body: { requestsPerSecond: 1200, capacity: 3000 } });
  const change = reply.json<LoadChange>();
  assert.equal(change.expiresAtMs - change.atMs, 60_000, 'a minute, when nothing is said');
  assert.equal(change.sharing.shared, true);
  const { capacity, requestsPerSecond } = (await reportedNow())!;
  assert.deepEqual([requestsPerSecond, capacity], [1200, 3000]);
  // A later report stands in place of the whole of the one before.
  await call('PUT', path, { body: { requestsPerSecond: 0, forSeconds: 10 } });
  assert.equal((await reportedNow())?.requestsPerSecond, 0);
  assert.equal((await reportedNow())?.capacity, undefined);
  plane.advance(10_000);
  assert.equal(await reportedNow(), undefined);
  await call('PUT', path, { body: { capacity: 3000 } });
  assert.equal((await call('DELETE', path)).status, 200);
  assert.equal(await reportedNow(), undefined);
  assertProblem(await call('DELETE', path), 404, 'no-reported-load');
});

test('a report that says nothing, too much or of no region is refused', async (t) => {
  const { call } = await openAdmin(t);
  const put = (body: unknown, region = 'frankfurt') =>
    call('PUT', `/api/v1/regions/${region}/load`, { body });
  assertProblem(await put({}), 400, 'nothing-reported');
  assertProblem(await put({ capacity: 1 }, 'atlantis'), 404, 'unknown-region');
  for (const body of [
    { capacity: -1 },
    { requestsPerSecond: 1e12 },
    { capacity: 1, forSeconds: 0 },
    { capacity: 1, forSeconds: 4000 },
    { capacity: '1' },
    { load: 1 },
  ]) {
    assertProblem(await put(body), 400, 'invalid-request');
  }
});
