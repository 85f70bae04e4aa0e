import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { QUICK_PACE } from './clients.ts';
import { QUICK_MONITOR } from './config.ts';
import type { Place } from './redis-set.ts';
import { createReferee, type Referee } from './referee.ts';
import { LOST_MAX, ROUNDS, runScenario, type Scenario } from './scenario.ts';
import { type Round, tableOf } from './table.ts';
import { prepareTargets } from './targets.ts';
import { REGIONS } from './wide-area.ts';
import { startWorld, type World } from './world.ts';

/**
 * Three regions that have nothing in common but a Redis Cluster with a master in each: no node hears
 * another one directly. While it fails over, every nameserver judges by what it last heard, and then
 * by what reaches it.
 */
const FAILED_OVER_MS = 2000;
let world: World;
let referee: Referee;
let was: Place = { region: 'virginia', part: 'redis' };
const rounds: Round[] = [];
before(async () => {
  const setting = { store: 'cluster', hasPeers: false, monitor: QUICK_MONITOR } as const;
  world = await startWorld(setting, QUICK_PACE);
  await prepareTargets(world);
  referee = createReferee(world);
});
after(() => world?.close());

function scenarios(turn: number): readonly Scenario[] {
  const region = REGIONS[turn % REGIONS.length]!;
  const drained = REGIONS[(turn + 1) % REGIONS.length]!;
  const drain = { at: drained, region: drained } as const;
  return [
    {
      name: 'by the store alone, a region refuses connections',
      ...{ target: { ending: 'refused', region }, drain },
    },
    {
      name: 'by the store alone, a region takes requests and says nothing',
      ...{ target: { ending: 'hanging', region }, drain },
    },
    {
      name: 'the master of the facts is killed, its replica takes over, it starts again',
      target: { ending: 'refused', region },
      drain,
      // The store is not healthy, and there is no other way.
      newsMs: FAILED_OVER_MS,
      async begin({ parts, redis }) {
        was = await redis.master();
        await parts.kill(was.region, was.part);
        await redis.untilMoved(was);
      },
      async end({ parts, redis }) {
        parts.start(was.region, was.part);
        await redis.untilWhole();
      },
    },
  ];
}

for (let turn = 0; turn < ROUNDS; turn += 1) {
  for (const scenario of scenarios(turn)) {
    test(`${scenario.name} (${scenario.target.region})`, async (t) => {
      rounds.push(await runScenario(t, world, referee, scenario));
    });
  }
}

test('no question was lost with a Redis Cluster alone', async (t) => {
  const { examples, lost } = await referee.close();
  for (const line of tableOf('with a Redis Cluster alone', rounds).split('\n')) t.diagnostic(line);
  assert.ok(lost <= LOST_MAX, `${lost} are lost:\n${examples.join('\n')}`);
});
