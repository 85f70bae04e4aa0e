import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRecord } from '../../../src/control/control-plane.ts';
import { QUICK_PACE, SLOW_PACE } from './clients.ts';
import { QUICK_MONITOR } from './config.ts';
import { createReferee, type Referee } from './referee.ts';
import { ROUNDS, runScenario } from './scenario.ts';
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
/** Two round trips of the longest way fit behind it. */
const MONITOR = { ...QUICK_MONITOR, retry: '65ms' };
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
  const finish = referee.begin('loss');
  const sinceMs = Date.now();
  await world.wide.lose(LOSS_PERCENT);
  const total = { asked: 0, wrong: 0, empty: 0 };
  for (let minute = 1; minute <= MINUTES; minute += 1) {
    await delay(MINUTE_MS);
    const counts = finish();
    total.asked += counts.asked;
    total.wrong += counts.wrong;
    total.empty += counts.empty;
    const withdrawals = await eventsOf(world, sinceMs, WITHDRAWALS);
    const near = await eventsOf(world, sinceMs, ['endpoint.unreachable']);
    const { lateMsMax, lost, passed } = await world.wide.counts();
    const line = `minute ${minute}: ${total.asked} answers, ${total.wrong} wrong, ${total.empty} empty; ${withdrawals.length} withdrawals, ${near.length} times out of reach for one region; ${lost} of ${passed + lost} packets lost, none later than ${lateMsMax} ms`;
    t.diagnostic(line);
    process.stderr.write(`${line}\n`);
    for (const text of counts.examples) process.stderr.write(`${text}\n`);
    world.clients.forget(Date.now());
  }
  assert.deepEqual(total, { ...total, wrong: 0, empty: 0 });
  assert.deepEqual(await eventsOf(world, sinceMs, WITHDRAWALS), []);
});

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
