import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import type { Explanation } from '../../src/control/control-plane.ts';
import { COMPILED_MAX, createReplay } from '../../src/control/journal-replay.ts';
import { createServing, type Serving } from '../../src/control/serving.ts';
import { composeGeo } from '../../src/geo/database.ts';
import { DEGRADED, DOWN, FORCED, healthWord, UNKNOWN } from '../../src/health/health-word.ts';
import { type HealthWords, writeExceptions } from '../../src/health/health-words.ts';
import { setHealth, setSnapshot } from '../../src/nameserver/worker-state.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import {
  type Answered,
  ask,
  compiled,
  createConfig,
  EU,
  geo,
  NOW_MS,
  startWorker,
} from '../nameserver/fixture.ts';
import { createDiskDouble, type JournalRig, openJournal, servingOf, words } from './journal-rig.ts';

const ALL_UP = words(60, 60, 60, 60, 60);

function replayOver(rig: JournalRig, current: () => Serving) {
  let compiles = 0;
  const { nowMs } = rig.clock;
  const replay = createReplay({
    journal: rig.journal,
    current,
    clocks: { agreedMs: nowMs, steadyMs: nowMs, wallMs: nowMs },
    async compile({ config, generation }) {
      compiles += 1;
      const snapshot = compiled(config, generation);
      return { ok: true, snapshot, geo, warnings: [], elapsedMs: 0 };
    },
  });
  return { replay, compiles: () => compiles };
}

async function told(explanation: Promise<object>): Promise<Explanation> {
  const result = await explanation;
  assert.ok('ttl' in result, JSON.stringify(result));
  return result as Explanation;
}

/** Config changes that reorder, add and remove what words are indexed by. */
function variants(): readonly Config[] {
  const base = createConfig();
  const { ap, eu, us } = base.regions as Record<string, Config['regions'][string]>;
  const web = base.pools['web']!;
  return [
    base,
    createConfig({ regions: { ap: ap!, eu: eu!, us: us! } }),
    createConfig({
      pools: {
        ...base.pools,
        web: { ...web, endpoints: web.endpoints.toReversed().slice(0, 2), regionalHealth: true },
      },
    }),
    createConfig({
      regions: { us: us!, ap: ap!, eu: { ...eu!, vips: ['198.51.100.77', '2001:db8::77'] } },
    }),
  ];
}

type Draw = (below: number) => number;

function drawHealth(draw: Draw, serving: Serving): HealthWords {
  const { endpoints, regions } = serving.snapshot;
  const word = (): number => {
    const flags = [0, 0, 0, DOWN, DEGRADED, UNKNOWN, FORCED, (DOWN | FORCED) >>> 0][draw(8)]!;
    return healthWord(flags, draw(80), draw(4) === 0 ? draw(100) / 100 : 1);
  };
  const exceptions = Array.from({ length: draw(3) }, () => ({
    near: draw(regions.length),
    endpoint: draw(endpoints.length),
    word: word(),
  }));
  return {
    words: Uint32Array.from(endpoints, word),
    exceptions: writeExceptions(exceptions),
  };
}

const NAMES = ['www.gslb.example', 'share.gslb.example', 'x.app.gslb.example', 'v4.gslb.example'];
const SUBNETS = [
  '20.1.2.0/24',
  '80.1.2.0/24',
  '80.9.0.0/16',
  '110.0.0.0/8',
  '10.0.0.0/24',
  '2001:db8:2000::/48',
];

test('explain() of any instant says what was answered then', async () => {
  const seed = fuzzSeed(20_260_701);
  let state = seed >>> 0 || 1;
  const draw: Draw = (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  for (let run = fuzzRuns(4); run > 0; run -= 1) {
    const disk = createDiskDouble();
    const clock = createMovedClock(NOW_MS + draw(1_000_000));
    let rig = openJournal(disk, clock);
    const servings = variants().map((config, index) => servingOf(config, index + 1));
    let serving = servings[0]!;
    let health = drawHealth(draw, serving);
    const worker = startWorker(serving.snapshot);
    setSnapshot(worker, serving.snapshot, health);
    rig.journal.note(serving, health);
    const asked: { atMs: number; name: string; client: string; type: string; got: Answered }[] = [];
    for (let step = 0; step < 150; step += 1) {
      await clock.advance(draw(4000));
      const what = draw(10);
      if (what === 0) {
        serving = servings[draw(servings.length)]!;
        health = drawHealth(draw, serving);
        setSnapshot(worker, serving.snapshot, health);
        rig.journal.note(serving, health);
      } else if (what < 5) {
        health = drawHealth(draw, serving);
        assert.ok(setHealth(worker, health, serving.snapshot.generation));
        rig.journal.note(serving, health);
      }
      const [name, client] = [NAMES[draw(NAMES.length)]!, SUBNETS[draw(SUBNETS.length)]!];
      const type = name.startsWith('v4') || draw(2) === 0 ? 'A' : 'AAAA';
      const nowMs = clock.nowMs();
      const got = ask(worker, name, type, { nowMs, subnet: client, resolver: '80.0.0.53' });
      asked.push({ atMs: nowMs, name, client, type, got });
      // Half of the runs end, and the record is read by the process that comes after.
      if (step === 75 && run % 2 === 0) {
        await rig.journal.close();
        rig = openJournal(disk, clock);
        rig.journal.note(serving, health);
      }
    }
    const { replay } = replayOver(rig, () => serving);
    for (const { atMs, client, got, name, type } of asked) {
      const how = `seed ${seed}, ${name} ${type} ${client} at ${atMs}`;
      const said = await told(replay.explain({ name, type, client, resolver: '80.0.0.53' }, atMs));
      assert.deepEqual(said.answer, got.data, how);
      assert.equal(said.ttl.seconds, got.ttls[0], how);
      assert.equal(said.scope.prefixLength, got.scope, how);
      assert.equal(said.atMs, atMs);
    }
    await rig.journal.close();
  }
});

test('explain() tells who said what then, and with what the node answered', async () => {
  const rig = openJournal();
  rig.said.set('web/us', { state: 'drained', reason: 'drained by alice (kernel)', near: [] });
  rig.journal.note(servingOf(), words((DOWN | FORCED) >>> 0, 60, 60, 60, 60));
  await rig.clock.advance(1000);
  rig.said.set('web/us', { state: 'up', reason: 'up again', near: [] });
  rig.journal.note(servingOf(), ALL_UP);
  await rig.clock.advance(1000);
  const { replay } = replayOver(rig, servingOf);
  const question = { name: 'www.gslb.example', client: '20.1.0.0/16' };
  const then = await told(replay.explain(question, NOW_MS + 500));
  const drained = then.candidates.find(({ name }) => name === 'web/us');
  assert.deepEqual([drained?.state, drained?.reason], ['drained', 'drained by alice (kernel)']);
  assert.deepEqual([drained?.tier, drained?.weight, drained?.answerShare], [1, 1, 0]);
  assert.equal(drained?.distanceKm, 0);
  assert.notEqual(then.region, 'us');
  assert.equal(then.served.node, 'test');
  assert.equal(then.served.config, replay.config());
  assert.deepEqual(then.notes, []);
  const later = await told(replay.explain(question, NOW_MS + 1500));
  assert.equal(later.region, 'us');
});

test('explain() compiles a configuration of the past once, and keeps the last few', async () => {
  const rig = openJournal();
  const all = variants();
  const times: number[] = [];
  for (const [index, config] of all.entries()) {
    rig.journal.note(servingOf(config, index + 1), ALL_UP);
    times.push(rig.clock.nowMs());
    await rig.clock.advance(1000);
  }
  const { compiles, replay } = replayOver(rig, () => servingOf(all.at(-1)!, all.length));
  const question = { name: 'www.gslb.example', client: '80.9.0.0/16' };
  await told(replay.explain(question, times.at(-1)!));
  assert.equal(compiles(), 0, 'what is served is not compiled again');
  for (const atMs of [...times, ...times]) await told(replay.explain(question, atMs));
  assert.ok(all.length - 1 <= COMPILED_MAX);
  assert.equal(compiles(), all.length - 1);
  const both = times.slice(0, 2).map((atMs) => replay.explain(question, atMs));
  assert.deepEqual(
    (await Promise.all(both.map(told))).map(({ served }) => served.generation),
    [1, 2],
  );
});

test('explain() says when the geo data are not those of then', async () => {
  const rig = openJournal();
  rig.journal.note(servingOf(), ALL_UP);
  await rig.clock.advance(1000);
  const other = composeGeo([], [{ networks: ['20.0.0.0/8'], location: EU }]);
  const current = createServing(createConfig(), {
    snapshot: compiled(),
    geo: { ...other, description: 'another' },
  });
  const { replay } = replayOver(rig, () => current);
  const said = await told(replay.explain({ name: 'www.gslb.example' }, NOW_MS));
  assert.match(said.notes.join(), /the geo data are not those of then .* but another/);
});

test('explain() is a problem when the configuration of then cannot be had again', async () => {
  const rig = openJournal();
  const [first, second] = variants();
  rig.journal.note(servingOf(first), ALL_UP);
  await rig.clock.advance(1000);
  rig.journal.note(servingOf(second, 2), ALL_UP);
  await rig.clock.advance(1000);
  const { nowMs } = rig.clock;
  const parts = {
    current: () => servingOf(second, 2),
    clocks: { agreedMs: nowMs, steadyMs: nowMs, wallMs: nowMs },
    compile: async () => ({ ok: false as const, reasons: ['No geo database: gone.'] }),
  };
  const question = { name: 'www.gslb.example' };
  const failing = createReplay({ ...parts, journal: rig.journal });
  const failed = await failing.explain(question, NOW_MS);
  assert.ok('problem' in failed);
  assert.equal(failed.code, 'explain.no-configuration');
  assert.match(failed.message, /No geo database: gone\./);
  const forgetful = { ...rig.journal, steeringPart: async () => undefined };
  const forgotten = await createReplay({ ...parts, journal: forgetful }).explain(question, NOW_MS);
  assert.ok('problem' in forgotten);
  assert.match(forgotten.message, /not kept any more, or damaged/);
});

test('explain() draws by the clock of the workers and tells the time that nodes agree on', async () => {
  const rig = openJournal();
  rig.journal.note(servingOf(), ALL_UP);
  await rig.clock.advance(60_000);
  const { nowMs } = rig.clock;
  const aheadMs = 3_600_000;
  const replay = createReplay({
    journal: rig.journal,
    current: servingOf,
    compile: async () => ({ ok: false, reasons: [] }),
    clocks: { agreedMs: () => nowMs() + aheadMs, steadyMs: nowMs, wallMs: nowMs },
  });
  const worker = startWorker();
  for (const sinceMs of [1000, 31_000, 59_000]) {
    const atMs = NOW_MS + sinceMs + aheadMs;
    const question = { name: 'share.gslb.example', client: '20.1.2.0/24' };
    const said = await told(replay.explain(question, atMs));
    const got = ask(worker, 'share.gslb.example', 'A', {
      nowMs: NOW_MS + sinceMs,
      subnet: '20.1.2.0/24',
    });
    assert.deepEqual(said.answer, got.data);
    assert.equal(said.atMs, atMs);
    assert.ok((said.draw?.slot.endsAtMs ?? 0) > atMs);
    assert.match(said.notes.join(), /3600 s behind/);
  }
});
