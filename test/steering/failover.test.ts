import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePolicy } from '../../src/steering/policy.ts';
import { mapTiers, showTiers, three } from './places.ts';

function tiersWith(options: unknown): string {
  const policy = compilePolicy([{ kind: 'failover', options }]);
  return showTiers(mapTiers(policy, three, { location: undefined }));
}

test('failover follows the order of the pool when no regions are given', () => {
  assert.equal(tiersWith({}), 'virginia > frankfurt > singapore');
});

test('failover follows the list of regions and puts the others last, together', () => {
  assert.equal(
    tiersWith({ regions: ['singapore', 'virginia'] }),
    'singapore > virginia > frankfurt',
  );
  assert.equal(tiersWith({ regions: ['singapore'] }), 'singapore > virginia=frankfurt');
});

test('failover makes one tier of a list inside the list', () => {
  assert.equal(
    tiersWith({ regions: [['singapore', 'frankfurt'], 'virginia'] }),
    'frankfurt=singapore > virginia',
  );
});

test('failover ignores a region that the pool does not have', () => {
  assert.equal(tiersWith({ regions: ['mars', 'frankfurt'] }), 'frankfurt > virginia=singapore');
});
