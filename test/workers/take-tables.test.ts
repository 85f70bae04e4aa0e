import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { takeTables } from '../../src/workers/take-tables.ts';
import {
  allUp,
  ask,
  compiled,
  createConfig,
  healthOf,
  RECORDS,
  rrset,
  startWorker,
} from '../nameserver/fixture.ts';

const MANY = fileURLToPath(new URL('./fixtures/take-many.ts', import.meta.url));
/** Of 600 MB that are sent. */
const GROWTH_MAX = 300_000_000;

for (const what of ['tables', 'signatures']) {
  test(`a worker lets go of ${what} that others have replaced`, () => {
    const { stderr, stdout } = spawnSync(process.execPath, [MANY, what], { encoding: 'utf8' });
    assert.match(stdout, /^\d+$/, stderr);
    assert.ok(Number(stdout) < GROWTH_MAX, `${stdout} octets more`);
  });
}

test('takeTables() keeps nothing of the maps that were asked before', () => {
  const worker = startWorker();
  ask(worker, 'www.gslb.example', 'A');
  assert.notEqual(worker.place.table, undefined);
  const { counters } = worker;
  const snapshot = compiled(createConfig(), 2);
  const health = healthOf(allUp(snapshot));
  takeTables(worker, { type: 'snapshot', snapshot, health, counters });
  assert.equal(worker.place.table, undefined);
});

test('takeTables() serves other zones with all else as it was', () => {
  const before = compiled();
  const config = createConfig();
  const zone = config.zones['gslb.example']!;
  const rrsets = [...RECORDS, rrset('added.gslb.example.', 'A', ['192.0.2.99'])];
  const after = compiled(createConfig({ zones: { 'gslb.example': { ...zone, rrsets } } }), 2);
  const worker = startWorker(before);
  const { counters } = worker;
  const steered = ask(worker, 'www.gslb.example', 'A');
  assert.equal(ask(worker, 'added.gslb.example', 'A').rcode, 'NXDOMAIN');
  const health = healthOf(allUp(before));
  const told = { type: 'zones', generation: 2, zones: after.zones, health } as const;
  assert.equal(takeTables(worker, told), 2);
  assert.equal(ask(worker, 'added.gslb.example', 'A').answer.length, 1);
  assert.deepEqual(ask(worker, 'www.gslb.example', 'A').answer, steered.answer);
  assert.equal(worker.counters, counters);
  assert.equal(worker.snapshot?.maps, before.maps);
});
