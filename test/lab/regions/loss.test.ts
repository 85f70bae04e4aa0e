import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRecord } from '../../../src/control/control-plane.ts';
import { QUICK_PACE, SLOW_PACE } from './clients.ts';
import { QUICK_MONITOR } from './config.ts';
import { type Counts, createReferee, type Referee } from './referee.ts';
import { PATIENCE_FACTOR, ROUNDS, runScenario } from './scenario.ts';
import { type Round, tableOf } from './table.ts';
import { prepareTargets, type Target } from './targets.ts';
import { REGIONS } from './wide-area.ts';
import { startWorld, type World } from './world.ts';

/**
 * Three regions without any store: nodes tell each other directly, and that is all. Then packets are
 * lost between all regions for LAB_LOSS_MINUTES (1; 60 is the hour that is asked for): no region may
 * leave the answers, since none fails. `retry` is there for such ways.
 */
const LOSS_PERCENT = 2;
const MINUTES = Number(process.env['LAB_LOSS_MINUTES'] ?? 1);
const MINUTE_MS = 60_000;
/** Two round trips of the longest way (120 ms) fit behind it, and 30 ms for a machine that is busy. */
const MONITOR = { ...QUICK_MONITOR, retry: '50ms' };
const WITHDRAWALS = ['endpoint.down', 'pool.frozen', 'vantage.distrusted'];

let world: World;
let referee: Referee;
const rounds: Round[] = [];
before(async () => {
  const pace = MINUTES > 5 ? SLOW_PACE : QUICK_PACE;
  world = await startWorld({ store: 'none', hasPeers: true, monitor: MONITOR }, pace);
  await prepareTargets(world);
  referee = createReferee(world);
});
after(() => world?.close());

for (let turn = 0; turn < ROUNDS; turn += 1) {
  for (const ending of ['refused', 'hanging'] as const) {
    test(`without a store, a region is ${ending}`, async (t) => {
      const region = REGIONS[turn % REGIONS.length]!;
      const drained = REGIONS[(turn + 1) % REGIONS.length]!;
      rounds.push(
        await runScenario(t, world, referee, {
          name: `no store, ${ending}`,
          target: { ending, region },
          drain: { at: drained, region: drained },
        }),
      );
    });
  }
}

test(`no region is withdrawn in ${MINUTES} minutes with ${LOSS_PERCENT} % loss`, {
  timeout: MINUTES * MINUTE_MS + 2 * MINUTE_MS,
}, async (t) => {
  const watch = watchAnswers(world, referee.begin());
  const sinceMs = Date.now();
  await world.wide.lose(LOSS_PERCENT);
  for (let minute = 1; minute <= MINUTES; minute += 1) {
    await watch.during(MINUTE_MS);
    const withdrawals = await eventsOf(world, sinceMs, WITHDRAWALS);
    const near = await eventsOf(world, sinceMs, ['endpoint.unreachable']);
    const inTime = withdrawals.filter(({ atMs }) => !watch.wasStill(atMs));
    const nearInTime = near.filter(({ atMs }) => !watch.wasStill(atMs));
    const line = `minute ${minute}: ${watch.text()}; ${inTime.length} withdrawals, and ${withdrawals.length - inTime.length} while the machine stood still; ${nearInTime.length} times out of reach for one region`;
    t.diagnostic(line);
    process.stderr.write(`${line}\n`);
    world.clients.forget(Date.now());
    assert.deepEqual(inTime, [], 'withdrawn though it is there');
    assert.deepEqual(nearInTime, [], 'withdrawn from clients near one region');
  }
  assert.equal(watch.wrong(), 0, watch.text());
  // Else it would be an hour of excuses.
  if (PATIENCE_FACTOR === 1) assert.ok(watch.countedShare() >= COUNTED_SHARE_MIN, watch.text());
});

const COUNTED_SHARE_MIN = 0.8;

/** The lab itself was late by more than this: for a probe of 200 ms that is a fault of its own. */
const STILL_MS = 80;
/** For so long after it what was withdrawn may stay so, at resolvers for a TTL. */
const MEND_MS = 8000;

/** Counts answers, and apart from the others those that are wrong because the machine stood still. */
function watchAnswers(world: World, finish: () => Counts) {
  const still: { readonly fromMs: number; readonly toMs: number; readonly byMs: number }[] = [];
  const total = { asked: 0, wrong: 0, wrongWhileStill: 0, empty: 0, lost: 0, passed: 0 };
  const seconds = { counted: 0, all: 0 };
  const wasStill = (atMs: number): boolean =>
    still.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs + MEND_MS);
  return {
    wasStill,
    wrong: () => total.wrong + total.empty,
    countedShare: () => seconds.counted / seconds.all,
    async during(ms: number): Promise<void> {
      const endMs = Date.now() + ms;
      while (Date.now() < endMs) {
        const fromMs = Date.now();
        await delay(1000);
        const { lost, passed, stalledMs } = await world.state();
        const toMs = Date.now();
        if (stalledMs > STILL_MS) still.push({ fromMs, toMs, byMs: stalledMs });
        const { asked, empty, examples, wrong } = finish();
        seconds.all += 1;
        if (!wasStill(toMs)) seconds.counted += 1;
        total.asked += asked;
        total.empty += empty;
        total[wasStill(toMs) ? 'wrongWhileStill' : 'wrong'] += wrong;
        Object.assign(total, { lost, passed });
        for (const text of examples) process.stderr.write(`${text}\n`);
      }
    },
    text(): string {
      const { asked, empty, lost, passed, wrong, wrongWhileStill } = total;
      const longestMs = Math.max(0, ...still.map(({ byMs }) => byMs));
      return `${asked} answers, ${wrong} wrong, ${empty} empty; ${lost} of ${passed + lost} packets lost; the machine stood still ${still.length} times, ${longestMs} ms at most, ${wrongWhileStill} answers wrong for it, ${seconds.counted} of ${seconds.all} seconds count`;
    },
  };
}

test('a region that fails leaves the answers while packets are lost', async (t) => {
  const target: Target = { ending: 'hanging', region: 'frankfurt' };
  rounds.push(
    await runScenario(t, world, referee, {
      name: `no store, hanging, ${LOSS_PERCENT} % loss`,
      target,
    }),
  );
  for (const line of tableOf('without a store', rounds).split('\n')) t.diagnostic(line);
});

async function eventsOf(
  { events }: World,
  sinceMs: number,
  kinds: readonly string[],
): Promise<readonly EventRecord[]> {
  const all = await Promise.all(REGIONS.map((region) => events(region, sinceMs)));
  return all.flat().filter(({ kind }) => kinds.includes(kind));
}
