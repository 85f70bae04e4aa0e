import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isDegraded,
  isDown,
  isForced,
  isUnknown,
  TTL_MASK,
  wordTtlSeconds,
} from '../../src/health/health-word.ts';
import type { Override } from '../../src/health/override.ts';
import { STALE_HOLD_MS } from '../../src/health/quorum.ts';
import { COALESCE_MS } from '../../src/monitoring/health-publisher.ts';
import {
  createHealthTable,
  type HealthEndpoint,
  type HealthEvent,
  type HealthPool,
  type HealthTable,
  type HealthWorld,
  SWEEP_MS,
} from '../../src/monitoring/health-table.ts';
import { createMonitoring, type Monitoring } from '../../src/monitoring/monitoring.ts';
import { statementOf } from '../../src/monitoring/vantage-health.ts';
import { createMovedClock, type MovedClock } from './moved-clock.ts';
import { createScriptedProbe, type ScriptedProbe, scriptedJob } from './scripted-probe.ts';

const VANTAGES = ['virginia', 'frankfurt', 'singapore'] as const;

function endpoint(region: string, addresses: readonly string[], quorumMin = 1): HealthEndpoint {
  const targets = addresses.map((address) => ({
    address,
    check: { kind: 'target', key: address, home: region } as const,
  }));
  const sockets = addresses.map((address) => `${address}:80`);
  return { name: `web/${region}`, pool: 'web', region, targets, sockets, capacity: 1, quorumMin };
}

type Bench = {
  readonly clock: MovedClock;
  readonly probe: ScriptedProbe;
  readonly monitoring: Monitoring;
  readonly table: HealthTable;
  readonly calls: { readonly words: Uint32Array; readonly events: readonly HealthEvent[] }[];
  events(): string[];
};

/** A table fed by the real monitoring, which probes through a scripted kind; three regions probe. */
function bench(endpoints: readonly HealthEndpoint[], startMs?: number, saved?: unknown): Bench {
  const clock = createMovedClock(startMs);
  const probe = createScriptedProbe();
  const calls: Bench['calls'] = [];
  const table = createHealthTable({
    clock,
    onChange: ({ words }, events) => calls.push({ words, events }),
  });
  table.importState(saved);
  table.setEndpoints(worldOf(endpoints));
  const monitoring = createMonitoring({
    clock,
    draw: () => 0.5,
    probes: [probe.kind],
    onAttempt: () => undefined,
    onVerdict: (verdict) => table.observe(statementOf(verdict)),
  });
  const addresses = new Set(
    endpoints.flatMap(({ targets }) => targets.map(({ address }) => address)),
  );
  monitoring.setJobs(
    [...addresses].flatMap((address) => VANTAGES.map((vantage) => scriptedJob(vantage, address))),
  );
  const events = (): string[] =>
    calls.flatMap((call) =>
      call.events.map((each) => `${each.kind} ${each.subject} ${each.message}`),
    );
  return { clock, probe, monitoring, table, calls, events };
}

const POOL: HealthPool = {
  ramp: { from: 1, overMs: 0 },
  withdrawals: { shareMax: 1, countMax: 100, windowMs: 300_000 },
};

function worldOf(
  endpoints: readonly HealthEndpoint[],
  pool = POOL,
  regions: readonly string[] = [],
): HealthWorld {
  return { endpoints, pools: new Map([['web', pool]]), regions };
}

const words = (table: HealthTable): Uint32Array => table.words().words;

function drain(more: Partial<Override> = {}): Override {
  const target = { kind: 'region', name: 'virginia' } as const;
  return { target, action: 'drain', reason: '', by: 'ada', setAtMs: 0, ...more };
}

test('an endpoint that dies leaves, is told once, and comes back', async () => {
  const { clock, probe, table, calls, events } = bench([
    endpoint('virginia', ['192.0.2.1']),
    endpoint('frankfurt', ['192.0.2.2']),
  ]);
  assert.ok(
    [...words(table)].every((word) => isUnknown(word) && !isDown(word)),
    'unknown is up',
  );
  assert.ok(
    [...words(table)].every((word) => wordTtlSeconds(word) === 0),
    'for the shortest time',
  );
  await clock.advance(2000);
  assert.ok([...words(table)].every((word) => !isUnknown(word) && wordTtlSeconds(word) === 3));
  calls.length = 0;
  probe.set('192.0.2.1', 'fail');
  await clock.advance(3100);
  assert.deepEqual([...words(table)].map(isDown), [true, false]);
  const told = events();
  assert.equal(told.length, 1);
  assert.match(told[0]!, /^endpoint\.down web\/virginia down: .*connection refused$/);
  await clock.advance(5000);
  assert.equal(events().length, 1, 'once per change');
  probe.set('192.0.2.1', 'ok');
  await clock.advance(3100);
  assert.deepEqual([...words(table)].map(isDown), [false, false]);
  assert.match(events()[1]!, /^endpoint\.up web\/virginia up: 2 of 2 vantage points: 200 OK$/);
});

test('the TTL shortens as a change comes near, told together and a little later', async () => {
  const { clock, probe, table, calls } = bench([endpoint('tokyo', ['192.0.2.1'])]);
  await clock.advance(2000);
  assert.equal(wordTtlSeconds(words(table)[0]!), 3);
  calls.length = 0;
  probe.set('192.0.2.1', 'fail');
  while (wordTtlSeconds(words(table)[0]!) === 3) await clock.advance(1);
  assert.equal(calls.length, 0, 'not at once');
  await clock.advance(COALESCE_MS);
  assert.equal(calls.length, 1);
  assert.equal(wordTtlSeconds(calls[0]!.words[0]!), 0, 'enough groups are on their way down');
  assert.equal(calls[0]!.events.length, 0);
});

test('one of three vantage points that loses a target changes nothing', async () => {
  const { clock, table, calls, monitoring, probe } = bench([endpoint('tokyo', ['192.0.2.1'])]);
  await clock.advance(2000);
  calls.length = 0;
  probe.set('broken', 'fail');
  monitoring.setJobs([
    scriptedJob('virginia', '192.0.2.1', { target: { address: 'broken', port: 80 } }),
    scriptedJob('frankfurt', '192.0.2.1'),
    scriptedJob('singapore', '192.0.2.1'),
  ]);
  await clock.advance(20_000);
  assert.equal(isDown(words(table)[0]!), false);
  const status = table.status('web/tokyo');
  assert.deepEqual(
    status?.vantages.map(({ vantage, verdict }) => [vantage, verdict]),
    [
      ['frankfurt', 'up'],
      ['singapore', 'up'],
      ['virginia', 'down'],
    ],
  );
});

test('silent vantage points abstain; the last state holds, then is unknown', async () => {
  const { clock, table, monitoring, probe, events } = bench([endpoint('tokyo', ['192.0.2.1'])]);
  probe.set('192.0.2.1', 'fail');
  await clock.advance(4000);
  assert.ok(isDown(words(table)[0]!));
  monitoring.stopVantage('virginia');
  monitoring.stopVantage('frankfurt');
  probe.set('192.0.2.1', 'ok');
  await clock.advance(3000 + SWEEP_MS);
  assert.ok(!isDown(words(table)[0]!), 'the one that is left decides');
  probe.set('192.0.2.1', 'fail');
  await clock.advance(4000);
  assert.ok(isDown(words(table)[0]!));
  for (const vantage of VANTAGES) monitoring.stopVantage(vantage);
  await clock.advance(60_000);
  assert.ok(isDown(words(table)[0]!), 'nobody is there: kept');
  assert.match(table.status('web/tokyo')?.reason ?? '', /kept down: no vantage point/);
  assert.ok(table.status('web/tokyo')?.vantages.every(({ verdict }) => verdict === 'abstains'));
  const before = events().length;
  await clock.advance(STALE_HOLD_MS);
  assert.ok(!isDown(words(table)[0]!) && isUnknown(words(table)[0]!));
  assert.match(events()[before]!, /^endpoint\.unknown web\/tokyo unknown: was down, undecided/);
  assert.equal(events().length, before + 1);
});

test('silence is noticed without any observation', async () => {
  const { clock, table, monitoring } = bench([endpoint('tokyo', ['192.0.2.1'])]);
  await clock.advance(2000);
  for (const vantage of VANTAGES) monitoring.stopVantage(vantage);
  await clock.advance(3000 + SWEEP_MS + COALESCE_MS);
  assert.equal(wordTtlSeconds(words(table)[0]!), 0, 'a held state promises nothing');
});

test('an address family that fails takes the endpoint; one address of several degrades it', async () => {
  const { clock, probe, table } = bench([
    endpoint('virginia', ['192.0.2.1', '2001:db8::1']),
    endpoint('frankfurt', ['192.0.2.2', '192.0.2.3']),
  ]);
  probe.set('2001:db8::1', 'fail');
  probe.set('192.0.2.3', 'fail');
  await clock.advance(4000);
  const [virginia, frankfurt] = words(table);
  assert.ok(isDown(virginia!));
  assert.ok(isDegraded(frankfurt!) && !isDown(frankfurt!));
  const status = table.status('web/virginia');
  assert.match(status?.reason ?? '', /^2001:db8::1: /);
  assert.ok(status?.vantages[0]?.recent.some(({ reason }) => reason === '192.0.2.1: 200 OK'));
});

test('setOverrides() decides at once, and the judged state lives on beneath', async () => {
  const { clock, probe, table, calls, events } = bench([
    endpoint('virginia', ['192.0.2.1']),
    endpoint('frankfurt', ['192.0.2.2']),
  ]);
  await clock.advance(2000);
  calls.length = 0;
  table.setOverrides([drain()]);
  assert.equal(calls.length, 1, 'at once');
  assert.ok(isDown(calls[0]!.words[0]!) && isForced(calls[0]!.words[0]!));
  assert.ok(!isDown(calls[0]!.words[1]!));
  assert.equal(table.status('web/virginia')?.state, 'drained');
  assert.equal(table.status('web/virginia')?.judged, 'up');
  probe.set('192.0.2.1', 'fail');
  await clock.advance(4000);
  assert.equal(table.status('web/virginia')?.judged, 'down');
  assert.match(events()[0]!, /^endpoint\.down web\/virginia down: .*refused$/);
  table.setOverrides([]);
  assert.ok(isDown(words(table)[0]!) && !isForced(words(table)[0]!));
  table.setOverrides([drain({ action: 'up' })]);
  assert.ok(!isDown(words(table)[0]!));
});

test('an override lapses at its time, and the TTL counts down to it', async () => {
  const { clock, table } = bench([endpoint('virginia', ['192.0.2.1'])]);
  await clock.advance(2000);
  table.setOverrides([drain({ expiresAtMs: clock.nowMs() + 60_000 })]);
  assert.equal(wordTtlSeconds(words(table)[0]!), 60);
  await clock.advance(45_000 + SWEEP_MS);
  const ttl = wordTtlSeconds(words(table)[0]!);
  assert.ok(ttl >= 14 && ttl <= 15, `${ttl}`);
  await clock.advance(15_000 - SWEEP_MS - 1);
  assert.ok(isDown(words(table)[0]!));
  await clock.advance(1);
  assert.ok(!isDown(words(table)[0]!), 'to the millisecond');
});

test('setEndpoints() keeps what is known of the endpoints that stay', async () => {
  const virginia = endpoint('virginia', ['192.0.2.1']);
  const frankfurt = endpoint('frankfurt', ['192.0.2.2']);
  const { clock, probe, table, calls } = bench([virginia, frankfurt]);
  probe.set('192.0.2.1', 'fail');
  await clock.advance(4000);
  calls.length = 0;
  const next = [frankfurt, endpoint('tokyo', ['192.0.2.9']), virginia];
  const { words } = table.setEndpoints(worldOf(next));
  assert.deepEqual([...words].map(isDown), [false, false, true], 'in the new order');
  assert.ok(isUnknown(words[1]!));
  assert.equal(calls.length, 0, 'the caller has them');
  assert.equal(table.status('web/osaka'), undefined);
});

test('an endpoint without a monitor is up and stays so', () => {
  const { table } = bench([endpoint('virginia', [])]);
  assert.equal(words(table)[0], TTL_MASK);
  assert.equal(table.status('web/virginia')?.state, 'up');
});

test('words are copies that nobody else changes', async () => {
  const { clock, table, calls } = bench([endpoint('virginia', ['192.0.2.1'])]);
  words(table).fill(0x80000000);
  await clock.advance(2000);
  calls[0]!.words.fill(0x80000000);
  assert.ok(!isDown(words(table)[0]!));
});

test('exportState() and importState() carry judged states over a restart', async () => {
  const virginia = endpoint('virginia', ['192.0.2.1']);
  const before = bench([virginia]);
  before.probe.set('192.0.2.1', 'fail');
  await before.clock.advance(4000);
  const saved: unknown = JSON.parse(JSON.stringify(before.table.exportState()));
  const after = bench([virginia], before.clock.nowMs() + 1000, saved);
  assert.ok(isDown(words(after.table)[0]!), 'dead before, dead after: never an answer in between');
  after.probe.set('192.0.2.1', 'fail');
  await after.clock.advance(5000);
  assert.ok(isDown(words(after.table)[0]!));
  assert.equal(after.events().length, 0, 'and nothing to tell');
  for (const state of [null, 'x', { a: 1 }]) {
    assert.ok(isUnknown(words(bench([virginia], undefined, state).table)[0]!));
  }
});

test('close() leaves no timer', async () => {
  const { clock, table, monitoring } = bench([endpoint('virginia', ['192.0.2.1'])]);
  table.setOverrides([drain({ expiresAtMs: clock.nowMs() + 60_000 })]);
  await clock.advance(2000);
  await monitoring.close();
  table.close();
  assert.equal(clock.pending(), 0);
});
