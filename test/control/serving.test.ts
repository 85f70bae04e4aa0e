import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressShares, createServing } from '../../src/control/serving.ts';

import { allUp, compiled, createConfig, geo, healthOf } from '../nameserver/fixture.ts';

const step = (kind: string) => ({ kind, options: {} });

test('addressShares() counts each policy over a pool by itself, whatever they have in common', () => {
  const base = createConfig();
  const zone = base.zones['gslb.example']!;
  const config = createConfig({
    policies: {
      shared: { chain: ['healthy', 'weighted', 'first'].map(step) },
      only: { chain: ['healthy', 'first'].map(step) },
    },
    zones: {
      'gslb.example': {
        ...zone,
        steered: ['shared', 'only', 'only'].map((policy, index) => {
          const owner = `n${index}.gslb.example.`;
          return { owner, pool: 'web', policy, ttlMin: 5, ttlMax: 30 + index };
        }),
      },
    },
  });
  const snapshot = compiled(config);
  const serving = createServing(config, { snapshot, geo });
  const shares = addressShares(serving, healthOf(allUp(snapshot)));
  const expected = [(0.25 + 1 + 1) / 3, 0.5 / 3, 0.25 / 3];
  for (const [endpoint, share] of expected.entries()) {
    assert.ok(
      Math.abs(shares.get(endpoint)! - share) < 1e-9,
      `${endpoint}: ${shares.get(endpoint)}`,
    );
  }
});
