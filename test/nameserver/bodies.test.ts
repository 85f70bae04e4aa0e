import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOWN } from '../../src/health/health-word.ts';
import { classAnswer } from '../../src/nameserver/answer.ts';
import { INTERNED_BODIES_MAX } from '../../src/nameserver/body.ts';
import { mapsOf } from '../../src/nameserver/map-table.ts';
import { setHealth } from '../../src/nameserver/worker-state.ts';
import { allUp, ask, compiled, createConfig, healthOf, startWorker } from './fixture.ts';

const ENDPOINTS = 16;
const STATES = INTERNED_BODIES_MAX + 1000;

/** A name whose answer is all that is healthy of many endpoints. */
function manyEndpoints() {
  const config = createConfig();
  const zone = config.zones['gslb.example']!;
  const names = Array.from({ length: ENDPOINTS }, (_, index) => `r${index}`);
  const endpoints = names.map((region, index) => ({
    region,
    weight: 1,
    addresses: [`192.0.2.${index + 1}`],
  }));
  const all = { owner: 'all.gslb.example.', pool: 'many', policy: 'all', ttlMin: 5, ttlMax: 30 };
  return compiled({
    ...config,
    regions: {
      ...config.regions,
      ...Object.fromEntries(names.map((name) => [name, config.regions['us']!])),
    },
    pools: { ...config.pools, many: { ...config.pools['web']!, endpoints, sorry: [] } },
    policies: { ...config.policies, all: { chain: [{ kind: 'healthy', options: {} }] } },
    zones: { ...config.zones, 'gslb.example': { ...zone, steered: [...zone.steered, all] } },
  });
}

test('answers of states of health that have passed are forgotten, and those of now are right', () => {
  const snapshot = manyEndpoints();
  const worker = startWorker(snapshot);
  const up = allUp(snapshot);
  const first = snapshot.endpoints.findIndex(({ pool }) => pool === 'many');
  const map = [...mapsOf(snapshot.maps)].findIndex(({ pool }) => pool === 'many');
  for (let state = 1; state <= STATES; state += 1) {
    const words = up.slice();
    for (let bit = 0; bit < ENDPOINTS; bit += 1) {
      if ((state & (1 << bit)) !== 0) words[first + bit] = DOWN;
    }
    setHealth(worker, healthOf(words), snapshot.generation);
    const { parts } = classAnswer(worker.answers!, map, 0, 0);
    assert.ok(parts[0]!.outcomes[0]!.body4.records > 0);
    if (state % 5000 !== 0) continue;
    const healthy = Array.from({ length: ENDPOINTS }, (_, bit) => bit).filter(
      (bit) => (state & (1 << bit)) === 0,
    );
    const { answer } = ask(worker, 'all.gslb.example', 'A', { tcp: true });
    assert.deepEqual(
      answer.map((record) => record.split(' ').at(-1)).sort(),
      healthy.map((bit) => `192.0.2.${bit + 1}`).sort(),
    );
  }
  const { known } = worker.answers!.bodies;
  assert.ok(known.size < STATES / 2, `${known.size} bodies`);
  assert.ok(
    worker.bodySignatures.known.size <= known.size,
    `${worker.bodySignatures.known.size} signatures`,
  );
});
