import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STALL_MS } from '../../src/monitoring/attempt.ts';
import {
  createMonitoring,
  type Monitoring,
  PROBES_IN_FLIGHT_MAX,
  type VantageVerdict,
} from '../../src/monitoring/monitoring.ts';
import type { ProbeKind } from '../../src/probe/probe.ts';
import { createMovedClock, type MovedClock, settle } from './moved-clock.ts';
import { createScriptedProbe, type ScriptedProbe, scriptedJob } from './scripted-probe.ts';

type Bench = {
  readonly clock: MovedClock;
  readonly probe: ScriptedProbe;
  readonly monitoring: Monitoring;
  readonly verdicts: VantageVerdict[];
  readonly faults: string[];
  last(key: string): VantageVerdict | undefined;
};

function bench(startMs?: number): Bench {
  const clock = createMovedClock(startMs);
  const probe = createScriptedProbe();
  const verdicts: VantageVerdict[] = [];
  const faults: string[] = [];
  const monitoring = createMonitoring({
    clock,
    draw: () => 0.5,
    probes: [probe.kind],
    onAttempt: ({ key }, fault) => void (fault && faults.push(`${key}: ${fault}`)),
    onVerdict: (verdict) => verdicts.push(verdict),
  });
  const last = (key: string) => verdicts.findLast((verdict) => verdict.key === key);
  return { clock, probe, monitoring, verdicts, faults, last };
}

test('a target is probed once an interval, and its verdict follows', async () => {
  const { clock, probe, monitoring, last } = bench();
  monitoring.setJobs([scriptedJob('eu', 'a')]);
  await clock.advance(1000);
  assert.equal(last('a')?.state.verdict, 'up');
  await clock.advance(9000);
  assert.equal(probe.asked.length, 10);
  probe.set('a', 'fail');
  await clock.advance(2000);
  assert.equal(last('a')?.state.verdict, 'up');
  await clock.advance(1000);
  assert.equal(last('a')?.state.verdict, 'down');
  assert.equal(last('a')?.leaseMs, 3000);
  probe.set('a', 'ok');
  await clock.advance(2000);
  assert.equal(last('a')?.state.verdict, 'up');
  await monitoring.close();
  assert.equal(clock.pending(), 0);
});

test('a probe that hangs is a failure at its timeout', async () => {
  const { clock, probe, monitoring, last } = bench();
  probe.set('a', 'hang');
  monitoring.setJobs([scriptedJob('eu', 'a')]);
  await clock.advance(4000);
  assert.equal(last('a')?.state.verdict, 'down');
  assert.equal(last('a')?.state.recent.at(-1)?.reason, 'timeout after 400 ms');
  assert.equal(probe.load.now, 0);
  await monitoring.close();
});

test('a kind that does not heed its signal holds no slot', async () => {
  const { clock, probe, monitoring, last } = bench();
  probe.set('a', 'deaf');
  monitoring.setJobs([scriptedJob('eu', 'a')]);
  await clock.advance(4000);
  assert.equal(last('a')?.state.verdict, 'down');
  probe.set('a', 'ok');
  await clock.advance(2000);
  assert.equal(last('a')?.state.verdict, 'up');
  await monitoring.close();
});

test('two probes of one job never fly together, even when they take longer than the interval', async () => {
  const { clock, probe, monitoring } = bench();
  probe.set('a', 'hang');
  const rules = { rise: 1, fall: 1, intervalMs: 100, timeoutMs: 350, jitter: 0 };
  monitoring.setJobs([scriptedJob('eu', 'a', { rules })]);
  await clock.advance(3500);
  assert.equal(probe.load.peak, 1);
  assert.ok(probe.asked.length >= 9, 'a late probe follows at once');
  await monitoring.close();
});

test('no more than PROBES_IN_FLIGHT_MAX fly together, and all get their turn', async () => {
  const { clock, probe, monitoring, verdicts } = bench();
  const count = PROBES_IN_FLIGHT_MAX * 2;
  const addresses = Array.from({ length: count }, (_, index) => `t${index}`);
  for (const address of addresses) probe.set(address, 'hang');
  const rules = { rise: 2, fall: 3, intervalMs: 1000, timeoutMs: 900, jitter: 0 };
  monitoring.setJobs(addresses.map((address) => scriptedJob('eu', address, { rules })));
  await clock.advance(3000);
  assert.equal(probe.load.peak, PROBES_IN_FLIGHT_MAX);
  assert.equal(new Set(verdicts.map(({ key }) => key)).size, count);
  await monitoring.close();
});

test('setJobs() leaves unchanged jobs alone', async () => {
  const { clock, probe, monitoring, last } = bench();
  monitoring.setJobs([scriptedJob('eu', 'a')]);
  probe.set('a', 'fail');
  for (let reload = 0; reload < 35; reload += 1) {
    await clock.advance(100);
    monitoring.setJobs([scriptedJob('eu', 'a'), scriptedJob('eu', `b${reload}`)]);
  }
  assert.ok(probe.asked.filter((address) => address === 'a').length >= 3, 'its schedule went on');
  assert.equal(last('a')?.state.verdict, 'down');
  await monitoring.close();
});

test('setJobs() keeps the verdict of a changed job and drops the attempt under way', async () => {
  const { clock, probe, monitoring, verdicts, last } = bench();
  probe.set('a', 'fail');
  monitoring.setJobs([scriptedJob('eu', 'a')]);
  await clock.advance(3000);
  assert.equal(last('a')?.state.verdict, 'down');
  probe.set('a', 'hang');
  const inFlight = probe.asked.length + 1;
  while (probe.asked.length < inFlight) await clock.advance(50);
  verdicts.length = 0;
  probe.set('a', 'ok');
  monitoring.setJobs([scriptedJob('eu', 'a', { options: { path: '/new' } })]);
  assert.deepEqual(probe.aborted, ['a']);
  await clock.advance(1000);
  assert.equal(last('a')?.state.verdict, 'down', 'one success is not rise');
  assert.ok(verdicts.every(({ state }) => state.recent.at(-1)?.reason !== 'cancelled'));
  await clock.advance(1000);
  assert.equal(last('a')?.state.verdict, 'up');
  await monitoring.close();
});

test('setJobs() ends removed jobs: no orphan checks, no late results', async () => {
  const { clock, probe, monitoring, verdicts } = bench();
  probe.set('a', 'hang');
  monitoring.setJobs([scriptedJob('eu', 'a'), scriptedJob('eu', 'b')]);
  while (!probe.asked.includes('a')) await clock.advance(20);
  monitoring.setJobs([scriptedJob('eu', 'b')]);
  assert.deepEqual(probe.aborted, ['a']);
  const asked = probe.asked.filter((address) => address === 'a').length;
  await clock.advance(5000);
  assert.equal(probe.asked.filter((address) => address === 'a').length, asked);
  assert.ok(verdicts.every(({ key }) => key === 'b'));
  monitoring.setJobs([]);
  assert.equal(clock.pending(), 0);
  await monitoring.close();
});

test('setJobs() refuses a probe kind that does not exist', () => {
  const { monitoring } = bench();
  const job = scriptedJob('eu', 'a', { probe: 'telepathy' });
  assert.throws(() => monitoring.setJobs([job]), /no probe kind "telepathy"/);
});

test('stopVantage() silences one vantage point until startVantage()', async () => {
  const { clock, probe, monitoring, verdicts } = bench();
  monitoring.setJobs([scriptedJob('eu', 'a'), scriptedJob('us', 'a')]);
  await clock.advance(1000);
  monitoring.stopVantage('eu');
  verdicts.length = 0;
  await clock.advance(3000);
  assert.ok(verdicts.length >= 3 && verdicts.every(({ vantage }) => vantage === 'us'));
  monitoring.setJobs([scriptedJob('eu', 'a'), scriptedJob('us', 'a'), scriptedJob('eu', 'b')]);
  await clock.advance(2000);
  assert.ok(!probe.asked.includes('b'), 'a new job of a stopped vantage point waits');
  monitoring.startVantage('eu');
  monitoring.startVantage('eu');
  verdicts.length = 0;
  await clock.advance(1000);
  assert.equal(verdicts.filter(({ vantage }) => vantage === 'eu').length, 2);
  await monitoring.close();
});

test('an attempt that failed inside this host is no observation', async () => {
  const { clock, probe, monitoring, verdicts, faults } = bench();
  for (const answer of ['local', 'throw'] as const) {
    probe.set('a', answer);
    monitoring.setJobs([scriptedJob('eu', 'a')]);
    await clock.advance(5000);
  }
  assert.equal(verdicts.length, 0);
  assert.equal(faults.length, 10, 'it goes on trying');
  assert.deepEqual([...new Set(faults)], ['a: no descriptors left', 'a: Error: a bug']);
  await monitoring.close();
});

test('a timeout that comes far too late is this process, not the target', async () => {
  const { clock, probe, monitoring, verdicts } = bench();
  probe.set('a', 'hang');
  monitoring.setJobs([scriptedJob('eu', 'a')]);
  while (probe.load.now === 0) await clock.advance(20);
  clock.leap(60_000 + STALL_MS);
  await clock.advance(0);
  assert.equal(probe.load.now, 0, 'it was given up');
  assert.equal(verdicts.length, 0);
  await clock.advance(4500);
  assert.equal(verdicts.at(-1)?.state.verdict, 'down', 'probing goes on');
  await monitoring.close();
});

test('exportState() and importState() carry verdicts over a restart', async () => {
  const before = bench();
  before.probe.set('a', 'fail');
  before.monitoring.setJobs([scriptedJob('eu', 'a'), scriptedJob('eu', 'b')]);
  await before.clock.advance(4000);
  const saved: unknown = JSON.parse(JSON.stringify(before.monitoring.exportState()));
  await before.monitoring.close();

  const after = bench(before.clock.nowMs() + 500);
  after.monitoring.importState(saved);
  after.monitoring.setJobs([scriptedJob('eu', 'a'), scriptedJob('eu', 'b')]);
  assert.equal(after.last('a')?.state.verdict, 'down', 'known at once');
  assert.equal(after.last('b')?.state.verdict, 'up');
  await after.monitoring.close();

  const late = bench(before.clock.nowMs() + 86_400_000);
  late.monitoring.importState(saved);
  late.monitoring.setJobs([scriptedJob('eu', 'a')]);
  assert.equal(late.verdicts.length, 0, 'yesterday is too old');
  await late.monitoring.close();
});

test('doubt() takes back failures of some jobs, and says so', async () => {
  const { clock, last, monitoring, probe, verdicts } = bench();
  for (const each of ['a', 'b', 'c']) probe.set(each, 'fail');
  monitoring.setJobs(['a', 'b', 'c'].map((each) => scriptedJob('eu', each)));
  await clock.advance(4000);
  const doubted = JSON.stringify(
    monitoring.exportState(({ key }) => (key === 'c' ? 0 : undefined)),
  );
  assert.match(doubted, /"eu c":\{"verdict":"unknown"/);
  assert.match(doubted, /"eu a":\{"verdict":"down"/);
  assert.equal(last('c')?.state.verdict, 'down', 'saving changes nothing');
  verdicts.length = 0;
  monitoring.doubt(({ key }) => key !== 'b', 0);
  assert.deepEqual(
    verdicts.map(({ key, state }) => `${key} ${state.verdict}`),
    ['a unknown', 'c unknown'],
  );
  monitoring.doubt(() => true, clock.nowMs());
  assert.equal(verdicts.length, 2, 'b was known to be down before');
  await clock.advance(3000);
  assert.equal(last('a')?.state.verdict, 'down', 'all is counted anew');
  await monitoring.close();
});

test('hurry() asks some jobs now, and leaves them their place in the interval', async () => {
  const job = (key: string) => ({
    ...scriptedJob('eu', key),
    rules: { ...QUICK, intervalMs: 10_000 },
  });
  const times = async (hurryAtMs: readonly number[]) => {
    const { clock, monitoring, probe } = bench(0);
    const seen: number[] = [];
    monitoring.setJobs([job('a'), job('b')]);
    while (clock.nowMs() < 60_000) {
      await clock.advance(50);
      if (hurryAtMs.includes(clock.nowMs())) monitoring.hurry(({ key }) => key === 'a');
      while (probe.asked.length > 0) if (probe.asked.shift() === 'a') seen.push(clock.nowMs());
    }
    await monitoring.close();
    return seen;
  };
  const usual = await times([]);
  const third = usual[2]!;
  const soonMs = third + 4000;
  // Once more, at once: one that has just been asked is not.
  const hurried = await times([soonMs, soonMs + 100, soonMs + 200]);
  assert.deepEqual(
    hurried.filter((ms) => !usual.includes(ms)),
    [soonMs + 50],
  );
  assert.deepEqual(
    usual.filter((ms) => !hurried.includes(ms)),
    [],
  );
});

test('importState() ignores what it did not write', async () => {
  const cases = [undefined, null, 1, 'x', [], { 'eu a': 1 }, { 'eu a': { verdict: 'maybe' } }];
  for (const state of cases) {
    const { monitoring, verdicts } = bench();
    monitoring.importState(state);
    monitoring.setJobs([scriptedJob('eu', 'a')]);
    assert.equal(verdicts.length, 0);
    await monitoring.close();
  }
});

test('close() resolves when no probe is in flight', async () => {
  const { clock, probe, monitoring } = bench();
  probe.set('a', 'hang');
  monitoring.setJobs([scriptedJob('eu', 'a')]);
  while (probe.load.now === 0) await clock.advance(20);
  await monitoring.close();
  await settle();
  assert.equal(probe.load.now, 0);
  assert.equal(clock.pending(), 0);
});

/** The usual rules of this file, with re-checks four times as often. */
const QUICK = { rise: 2, fall: 3, intervalMs: 1000, timeoutMs: 200, jitter: 0, recheckMs: 250 };

/** How long until the verdict is "down" from now on. */
async function untilDown({ clock, last }: Bench, key: string): Promise<number> {
  const sinceMs = clock.nowMs();
  while (last(key)?.state.verdict !== 'down') {
    assert.ok(clock.nowMs() - sinceMs < 60_000, 'it never was');
    await clock.advance(10);
  }
  return clock.nowMs() - sinceMs;
}

test('a target that fails is looked at again soon: down comes before three intervals', async () => {
  for (const [fault, worstMs] of [
    ['fail', 1000 + 2 * 250 * 1.25],
    ['hang', 1000 + 3 * 200 + 2 * 250],
  ] as const) {
    const one = bench();
    one.monitoring.setJobs([scriptedJob('eu', 'a', { rules: QUICK })]);
    await one.clock.advance(2000);
    one.probe.set('a', fault);
    const tookMs = await untilDown(one, 'a');
    assert.ok(tookMs <= worstMs + 20, `${fault}: ${tookMs} ms`);
    assert.ok(
      one
        .last('a')!
        .state.recent.slice(-3)
        .every(({ ok }) => !ok),
    );
    await one.monitoring.close();
  }
});

test('re-checks end when the target is forgiven, and do not go on once it is down', async () => {
  const { clock, probe, monitoring } = bench();
  monitoring.setJobs([scriptedJob('eu', 'a', { rules: QUICK })]);
  await clock.advance(2000);
  const countIn = async (ms: number): Promise<number> => {
    const before = probe.asked.length;
    await clock.advance(ms);
    return probe.asked.length - before;
  };
  probe.set('a', 'fail');
  await clock.advance(5000);
  assert.equal(await countIn(10_000), 10, 'down: at the usual pace');
  probe.set('a', 'ok');
  await clock.advance(5000);
  assert.equal(await countIn(10_000), 10);
  await monitoring.close();
});

test('what has been down for long is probed less often, its word holds, and one success ends that', async () => {
  const { clock, probe, monitoring, last } = bench();
  const rules = { ...QUICK, idle: { afterMs: 60_000, intervalMs: 4000 } };
  probe.set('a', 'fail');
  monitoring.setJobs([scriptedJob('eu', 'a', { rules })]);
  await clock.advance(70_000);
  const before = probe.asked.length;
  await clock.advance(40_000);
  assert.equal(probe.asked.length - before, 10);
  assert.equal(last('a')?.leaseMs, 3 * 4000, 'the lease knows the pace');
  probe.set('a', 'ok');
  while (last('a')?.state.verdict !== 'up') await clock.advance(100);
  const [first, second] = last('a')!.state.recent.slice(-2);
  assert.equal(second!.atMs - first!.atMs, 1000, 'from the first success at full speed');
  assert.equal(last('a')?.leaseMs, 3000);
  await monitoring.close();
});

test('targets that hang do not keep the others waiting, and nobody gets a false word', async () => {
  const one = bench();
  const { clock, probe, monitoring, verdicts } = one;
  const rules = { ...QUICK, timeoutMs: 900 };
  const hanging = Array.from({ length: PROBES_IN_FLIGHT_MAX * 2 }, (_, index) => `h${index}`);
  const healthy = Array.from({ length: 50 }, (_, index) => `ok${index}`);
  for (const address of hanging) probe.set(address, 'hang');
  monitoring.setJobs([...hanging, ...healthy].map((each) => scriptedJob('eu', each, { rules })));
  await clock.advance(4000);
  verdicts.length = 0;
  await clock.advance(5000);
  const of = (prefix: string) => verdicts.filter(({ key }) => key.startsWith(prefix));
  assert.equal(of('ok').length, 5 * healthy.length, 'each once a second, as if nothing were');
  assert.ok(of('ok').every(({ state }) => state.verdict === 'up'));
  assert.ok(of('h').every(({ state }) => state.recent.every(({ ok }) => !ok)));
  assert.ok(probe.load.peak <= PROBES_IN_FLIGHT_MAX);
  await monitoring.close();
});

test('a kind that is dearer has its own limit, and the others do not wait for it', async () => {
  const one = bench();
  const dear = { ...one.probe.kind, kind: 'dear', inFlightMax: 2 };
  const monitoring = createMonitoring({
    clock: one.clock,
    draw: () => 0.5,
    probes: [one.probe.kind, dear],
    onAttempt: () => undefined,
    onVerdict: (verdict) => one.verdicts.push(verdict),
  });
  const slow = ['s1', 's2', 's3', 's4', 's5'];
  for (const address of slow) one.probe.set(address, 'hang');
  monitoring.setJobs([
    ...slow.map((each) => scriptedJob('eu', each, { probe: 'dear' })),
    scriptedJob('eu', 'a'),
  ]);
  await one.clock.advance(10_000);
  assert.ok(one.probe.load.peak <= 3);
  assert.equal(one.verdicts.filter(({ key }) => key === 'a').length, 10);
  const seen = new Set(one.verdicts.map(({ key }) => key));
  assert.equal(seen.size, 6, 'all of them get their turn');
  await monitoring.close();
});

test("time in which this process did not run is not the target's", async () => {
  const { clock, probe, monitoring, verdicts } = bench();
  const rules = { ...QUICK, timeoutMs: 400 };
  probe.set('a', 'hang');
  monitoring.setJobs([scriptedJob('eu', 'a', { rules })]);
  while (probe.load.now === 0) await clock.advance(10);
  clock.leap(700);
  await clock.advance(0);
  assert.equal(probe.load.now, 1, '300 ms after its time the attempt still waits');
  await clock.advance(290);
  assert.equal(verdicts.length, 0);
  await clock.advance(30);
  assert.equal(verdicts[0]?.state.recent[0]?.reason, 'timeout after 400 ms');
  await monitoring.close();
});

test('an observation carries timings, expiry and warning', async () => {
  const one = bench();
  const more = { timings: { connectMs: 1 }, expiresAtMs: 5, warning: 'certificate expires soon' };
  const kind = {
    ...one.probe.kind,
    run: () => Promise.resolve({ ok: true, rttMs: 3, reason: '200 OK', ...more }),
  };
  const monitoring = createMonitoring({
    clock: one.clock,
    draw: () => 0.5,
    probes: [kind],
    onAttempt: () => undefined,
    onVerdict: (verdict) => one.verdicts.push(verdict),
  });
  monitoring.setJobs([scriptedJob('eu', 'a')]);
  await one.clock.advance(1000);
  const { atMs, ...seen } = one.last('a')!.state.recent[0]!;
  assert.ok(atMs > 0);
  assert.deepEqual(seen, { ok: true, rttMs: 3, reason: '200 OK', ...more });
  await monitoring.close();
});

test('an attempt without an answer is tried once more: a lost packet is not a dead target', async () => {
  const one = bench();
  const answers: string[] = [];
  const kind: ProbeKind = {
    ...one.probe.kind,
    async run(_target, _options, signal) {
      const answer = answers.shift();
      const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
      if (answer === 'lost') await aborted;
      return { ok: answer === 'ok', rttMs: 1, reason: answer === 'lost' ? 'lost' : `${answer}` };
    },
  };
  const monitoring = createMonitoring({
    clock: one.clock,
    draw: () => 0.5,
    probes: [kind],
    onAttempt: () => undefined,
    onVerdict: (verdict) => one.verdicts.push(verdict),
  });
  const rules = { ...QUICK, recheckMs: 1000, retryMs: 100 };
  const cases = [
    [['lost', 'ok'], true, 'ok'],
    [['ok', 'unasked'], true, 'ok'],
    [['refused', 'unasked'], false, 'refused'],
    [['lost', 'refused'], false, 'lost'],
    [['lost', 'lost'], false, 'lost'],
  ] as const;
  monitoring.setJobs([scriptedJob('eu', 'a', { rules })]);
  for (const [script, ok, reason] of cases) {
    answers.splice(0, answers.length, ...script);
    const before = one.verdicts.length;
    while (one.verdicts.length === before) await one.clock.advance(10);
    const seen = one.last('a')!.state.recent.at(-1)!;
    assert.deepEqual([seen.ok, seen.reason], [ok, reason], script.join());
    assert.deepEqual(answers, script[1] === 'unasked' ? ['unasked'] : []);
  }
  await monitoring.close();
  assert.equal(one.clock.pending(), 0);
});
