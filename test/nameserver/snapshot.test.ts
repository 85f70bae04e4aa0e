import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packPrepared } from '../../src/nameserver/prepared.ts';
import { serviceCount } from '../../src/nameserver/services.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { compiled, createConfig } from './fixture.ts';

/** With so many steered names on the pools of the fixture, and a signature for each. */
function snapshotWith(names: number): Snapshot {
  const config = createConfig();
  const zone = config.zones['gslb.example']!;
  const steered = Array.from({ length: names }, (_, index) => ({
    owner: `n${index}.gslb.example.`,
    pool: index % 2 === 0 ? 'web' : 'legacy',
    policy: index % 4 < 2 ? 'near' : 'shared',
    ttlMin: 5,
    ttlMax: 30 + (index % 8),
  }));
  const snapshot = compiled({ ...config, zones: { 'gslb.example': { ...zone, steered } } });
  const prepared = steered.map((_, service) => {
    return { key: `1 192,0,2,${service % 200}`, service, records: new Uint8Array(100) };
  });
  return { ...snapshot, prepared: [packPrepared(prepared)] };
}

/** All that whoever is sent it has to make anew: shared memory is there already. */
function plainParts(value: unknown, seen = new Set<unknown>()): number {
  if (typeof value !== 'object' || value === null) return 1;
  if (seen.has(value)) return 0;
  seen.add(value);
  if (ArrayBuffer.isView(value)) {
    return value.buffer instanceof SharedArrayBuffer ? 1 : 1 + value.byteLength;
  }
  return Object.values(value).reduce((sum, part) => sum + plainParts(part, seen), 1);
}

test('what a worker has to read of a snapshot does not grow with steered names and signatures', () => {
  const [some, many] = [snapshotWith(16), snapshotWith(1600)];
  assert.deepEqual([serviceCount(some.services), serviceCount(many.services)], [16, 1600]);
  assert.equal(plainParts(many), plainParts(some));
});
