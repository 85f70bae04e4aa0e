import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { COUNT_ANSWERS, counterLayout } from '../../src/nameserver/counters.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { type CounterRow, createCounterRow } from '../../src/telemetry/counters.ts';
import { createCounterLedger } from '../../src/workers/counter-ledger.ts';
import { compiled, createConfig } from '../nameserver/fixture.ts';

const SLOT = 0;

test('total() adds up the rows of all workers', () => {
  const { ledger, attach } = createLedger();
  attach('a')[SLOT] = 3;
  attach('b')[SLOT] = 4;
  assert.equal(ledger.total(SLOT), 7);
  assert.equal(ledger.total(SLOT + 1), 0);
});

test('totals never go back over many snapshots and restarts of a worker', () => {
  const { ledger, attach } = createLedger();
  let counted = 0;
  for (let generation = 1; generation <= 20; generation += 1) {
    const row = attach('a');
    for (let more = 0; more < generation; more += 1) {
      row[SLOT]! += 1;
      counted += 1;
      assert.equal(ledger.total(SLOT), counted);
    }
  }
});

test('every fixed slot is kept, those of histograms too', () => {
  const { ledger, attach } = createLedger();
  const row = attach('a');
  for (let slot = 0; slot < COUNT_ANSWERS; slot += 1) row[slot] = slot + 1;
  for (let snapshots = 0; snapshots < 5; snapshots += 1) attach('a');
  for (let slot = 0; slot < COUNT_ANSWERS; slot += 1) assert.equal(ledger.total(slot), slot + 1);
});

test('a worker that still counts in its former row is heard', () => {
  const { ledger, attach } = createLedger();
  const former = attach('a');
  attach('a');
  former[SLOT] = 5;
  assert.equal(ledger.total(SLOT), 5);
  attach('a');
  assert.equal(ledger.total(SLOT), 5);
});

test('answers() are by name, though a generation gives an index to another endpoint', () => {
  const { ledger, attach } = createLedger();
  const [full, without] = [snapshotWith(['us', 'eu', 'ap']), snapshotWith(['eu', 'ap'])];
  const indexOf = (snapshot: Snapshot, name: string): number =>
    COUNT_ANSWERS + snapshot.endpoints.findIndex((endpoint) => endpoint.name === name);
  assert.notEqual(indexOf(full, 'web/ap'), indexOf(without, 'web/ap'));
  const row = attach('a', full);
  row[indexOf(full, 'web/us')] = 1;
  row[indexOf(full, 'web/ap')] = 10;
  const next = attach('a', without);
  next[indexOf(without, 'web/ap')] = 100;
  for (const rounds of [0, 1, 2, 3]) {
    assert.equal(ledger.answers().get('web/us'), 1, `after ${rounds} more snapshots`);
    assert.equal(ledger.answers().get('web/ap'), 110, `after ${rounds} more snapshots`);
    attach('a', without);
  }
});

function createLedger() {
  const ledger = createCounterLedger();
  const usual = compiled();
  const attach = (worker: string, snapshot = usual): CounterRow => {
    const row = createCounterRow(counterLayout(snapshot.endpoints.length).length);
    ledger.attach(worker, row, snapshot);
    return row;
  };
  return { ledger, attach };
}

function snapshotWith(regions: readonly string[]): Snapshot {
  const config = createConfig();
  const pools: Config['pools'] = Object.fromEntries(
    Object.entries(config.pools).map(([name, pool]) => [
      name,
      { ...pool, endpoints: pool.endpoints.filter(({ region }) => regions.includes(region)) },
    ]),
  );
  return compiled({ ...config, pools });
}
