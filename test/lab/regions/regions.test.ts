import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { QUICK_PACE } from './clients.ts';
import { QUICK_MONITOR } from './config.ts';
import { createReferee, type Referee } from './referee.ts';
import { LOST_MAX, ROUNDS, runScenario } from './scenario.ts';
import { partScenarios, redisScenarios, targetScenarios } from './scenarios.ts';
import { type Round, tableOf } from './table.ts';
import { prepareTargets } from './targets.ts';
import { startWorld, type World } from './world.ts';

/**
 * Everything that can fail in three regions which tell each other what they see, directly and through
 * Redis with Sentinels. LAB_ROUNDS=5 does all of it five times, in other regions each time.
 */
let world: World;
let referee: Referee;
const rounds: Round[] = [];
before(async () => {
  const setting = { store: 'sentinel', hasPeers: true, monitor: QUICK_MONITOR } as const;
  world = await startWorld(setting, QUICK_PACE);
  await prepareTargets(world);
  referee = createReferee(world);
});
after(() => world?.close());

for (let turn = 0; turn < ROUNDS; turn += 1) {
  const all = [...targetScenarios(), ...partScenarios(turn), ...redisScenarios(turn)];
  for (const scenario of all) {
    test(`${scenario.name} (${scenario.target.region})`, async (t) => {
      rounds.push(await runScenario(t, world, referee, scenario));
    });
  }
}

test('no question was lost in three regions', async (t) => {
  const { examples, lost } = await referee.close();
  for (const line of tableOf('with Redis and Sentinels', rounds).split('\n')) t.diagnostic(line);
  assert.ok(lost <= LOST_MAX, `${lost} are lost:\n${examples.join('\n')}`);
});
