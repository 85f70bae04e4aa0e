import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createSeedResolver,
  RESOLVE_INTERVAL_MS,
  RESOLVE_RETRY_MS,
} from '../../src/cluster/seed-resolver.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';

function world() {
  const clock = createMovedClock();
  const names = new Map<string, readonly string[]>();
  const told: (readonly string[])[] = [];
  const lines: string[] = [];
  let lookups = 0;
  const keep = (event: string): void => void lines.push(event);
  const resolver = createSeedResolver({
    clock,
    async resolve(seed) {
      lookups += 1;
      const found = names.get(seed);
      if (found === undefined) throw Object.assign(new Error('no'), { code: 'ENOTFOUND' });
      return found;
    },
    onAddresses: (addresses) => told.push(addresses),
    log: { info: keep, warn: keep },
  });
  return { clock, names, told, lines, resolver, lookups: () => lookups };
}

test('names are looked up at once and again now and then', async () => {
  const { clock, lookups, names, resolver, told } = world();
  names.set('a:1', ['192.0.2.1:1']).set('b:1', ['192.0.2.2:1', '192.0.2.1:1']);
  resolver.setSeeds(['a:1', 'b:1']);
  await clock.advance(0);
  assert.deepEqual(told.at(-1), ['192.0.2.1:1', '192.0.2.2:1']);
  resolver.setSeeds(['b:1', 'a:1']);
  assert.equal(lookups(), 2, 'nothing is new');
  names.set('a:1', ['192.0.2.9:1']);
  await clock.advance(RESOLVE_INTERVAL_MS);
  assert.deepEqual(told.at(-1), ['192.0.2.9:1', '192.0.2.1:1', '192.0.2.2:1']);
  resolver.setSeeds(['a:1']);
  assert.deepEqual(told.at(-1), ['192.0.2.9:1']);
  resolver.close();
  const before = told.length;
  await clock.advance(10 * RESOLVE_INTERVAL_MS);
  assert.equal(told.length, before);
});

test('a name that cannot be looked up keeps its addresses, and is said once', async () => {
  const { clock, lines, lookups, names, resolver, told } = world();
  names.set('a:1', ['192.0.2.1:1']);
  resolver.setSeeds(['a:1', 'new:1']);
  await clock.advance(0);
  names.delete('a:1');
  await clock.advance(10 * RESOLVE_RETRY_MS);
  assert.deepEqual(told.at(-1), ['192.0.2.1:1']);
  assert.ok(lookups() >= 20);
  assert.deepEqual(lines, ['peers.unresolved', 'peers.unresolved']);
  names.set('a:1', ['192.0.2.1:1']).set('new:1', ['192.0.2.3:1']);
  await clock.advance(RESOLVE_RETRY_MS);
  assert.deepEqual(told.at(-1), ['192.0.2.1:1', '192.0.2.3:1']);
  assert.deepEqual(lines.slice(2), ['peers.resolved', 'peers.resolved']);
});
