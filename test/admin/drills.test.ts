import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DrillPrediction, DrillStatus } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

test('a drill is predicted without changing anything', async (t) => {
  const { call, plane } = await openAdmin(t);
  const reply = await call('POST', '/api/v1/drills/predict', { body: { region: 'frankfurt' } });
  const prediction = reply.json<DrillPrediction>();
  assert.equal(reply.status, 200);
  const during = prediction.names[0]!.during.find(({ region }) => region === 'frankfurt');
  assert.equal(during?.share, 0);
  assert.equal(plane.overrides().length, 0);
  const unknown = await call('POST', '/api/v1/drills/predict', { body: { region: 'atlantis' } });
  assertProblem(unknown, 404, 'no-such-region');
});

test('a drill starts, ends at its deadline, and only one runs at a time', async (t) => {
  const { call, plane } = await openAdmin(t);
  const body = { region: 'frankfurt', durationSeconds: 30, reason: 'rehearsal' };
  const started = await call('POST', '/api/v1/drills', { body });
  assert.equal(started.status, 201);
  assert.equal(started.json<DrillStatus>().state, 'running');
  const second = await call('POST', '/api/v1/drills', { body });
  assertProblem(second, 409, 'drill-running');
  plane.advance(30_000);
  const drills = (await call('GET', '/api/v1/drills')).json<DrillStatus[]>();
  assert.equal(drills[0]?.state, 'finished');
  assert.equal(plane.overrides().length, 0);
});

test('a drill is stopped by its id', async (t) => {
  const { call, plane } = await openAdmin(t);
  const { id } = (
    await call('POST', '/api/v1/drills', { body: { region: 'frankfurt' } })
  ).json<DrillStatus>();
  const stopped = await call('POST', `/api/v1/drills/${id}/stop`, { body: {} });
  assert.equal(stopped.json<DrillStatus>().state, 'stopped');
  assert.equal(plane.overrides().length, 0);
});
