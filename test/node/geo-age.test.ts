import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GEO_AGE_MS, watchGeoAge } from '../../src/node/geo-age.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { geo } from '../nameserver/fixture.ts';

const DAY_MS = 86_400_000;

test('geo data that are older than they may be are told of once, and newer ones again', async () => {
  const clock = createMovedClock(1_000 * DAY_MS);
  const told: string[] = [];
  const events = {
    record: (kind: string, _: string, text: string) => told.push(`${kind} ${text}`),
  };
  let data = { ...geo, description: 'cities', builtAtMs: 821 * DAY_MS };
  const config = { geo: { databases: [], overrides: [], resolvers: [], maxAgeMs: 180 * DAY_MS } };
  const stop = watchGeoAge(clock, events, () => ({ config, geo: data }));
  assert.deepEqual(told, []);
  await clock.advance(DAY_MS + GEO_AGE_MS);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /^geo\.old cities is 180 days old\. Configure newer geo\.databases/);
  await clock.advance(30 * DAY_MS);
  assert.equal(told.length, 1);
  data = { ...data, description: 'newer cities', builtAtMs: 900 * DAY_MS };
  await clock.advance(GEO_AGE_MS);
  assert.equal(told.length, 1);
  data = { ...data, description: 'of unknown age', builtAtMs: 0 };
  await clock.advance(GEO_AGE_MS);
  assert.equal(told.length, 1);
  stop();
  assert.equal(clock.pending(), 0);
});
