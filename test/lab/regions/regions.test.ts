import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { QUICK_PACE } from './clients.ts';
import { QUICK_MONITOR } from './config.ts';
import { createReferee, type Referee } from './referee.ts';
import { runScenario, type Scenario } from './scenario.ts';
import { type Round, tableOf } from './table.ts';
import { prepareTargets } from './targets.ts';
import { REGIONS } from './wide-area.ts';
import { startWorld, type World } from './world.ts';

let world: World;
let referee: Referee;
const rounds: Round[] = [];
before(async () => {
  world = await startWorld(
    { store: 'sentinel', hasPeers: true, monitor: QUICK_MONITOR },
    QUICK_PACE,
  );
  await prepareTargets(world);
  referee = createReferee(world);
});
after(() => world?.close());

const SCENARIOS: readonly Scenario[] = [
  ...(['refused', 'reset', 'hanging', 'dark'] as const).flatMap((ending) =>
    REGIONS.map((region) => ({ name: ending, target: { ending, region } })),
  ),
];

for (const scenario of SCENARIOS) {
  test(`${scenario.name}: ${scenario.target.region}`, async (t) => {
    rounds.push(await runScenario(t, world, referee, scenario));
  });
}

test('no question was lost', async (t) => {
  const { examples, lost } = await referee.close();
  for (const line of tableOf('fault', rounds).split('\n')) t.diagnostic(line);
  assert.equal(lost, 0, examples.join('\n'));
});
