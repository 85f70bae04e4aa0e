import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startSteadyClients } from '../node/dns-client.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { startProgram } from '../node/program.ts';
import {
  allUp,
  planThreeRegions,
  REGION_NAMES,
  type RegionName,
  STEERED,
} from '../node/three-regions.ts';
import { seconds, until } from '../node/until.ts';

/**
 * Regions fail as they do: a process is killed, real probes see it, and clients that ask all the time
 * are answered with the next nearest region. Virginia's balancer is a process of its own, every
 * region's origins are one. Nothing is ever answered empty.
 */
const MOVE_DEADLINE_MS = 15_000;

test('a region that dies is left, and comes back when it lives', async (t) => {
  const world = await planThreeRegions(t);
  const config = world.config({
    node: {
      ...(world.config()['node'] as object),
      workers: { dns: 2, balancer: 1 },
    },
    balancer: world.balancer(['frankfurt', 'singapore']),
  });
  const balancerFile = world.write('balancer.yaml', {
    ...config,
    balancer: world.balancer(REGION_NAMES),
  });
  const startBalancer = () =>
    startProgram(
      t,
      'run --roles balancer --region virginia --config'.split(' ').concat(balancerFile),
    );
  const startOrigin = (name: RegionName) =>
    startProgram(t, ['origin', name, ...world.regions[name].servers]);
  const origins = {
    virginia: startOrigin('virginia'),
    frankfurt: startOrigin('frankfurt'),
    singapore: startOrigin('singapore'),
  };
  let balancer = startBalancer();
  const { node, stop } = await startNodeFixture(config);
  t.after(stop);
  await allUp(node);
  const clients = startSteadyClients(t, world.dns, { name: STEERED, clients: world.clients });
  const answered = (client: RegionName, region: RegionName) => () =>
    clients.latest(client) === world.regions[region].vip;
  const told = async (t: TestContext, what: string, client: RegionName, region: RegionName) => {
    const ms = await until(
      answered(client, region),
      MOVE_DEADLINE_MS,
      () => `${client}'s clients get ${region}, not ${clients.latest(client)}`,
    );
    t.diagnostic(`${what}: ${seconds(ms)}`);
  };
  for (const name of REGION_NAMES) await told(t, `${name} answers its own clients`, name, name);

  await t.test('kill -9 of its origins moves its clients to the next nearest', async (t) => {
    clients.clear();
    origins.virginia.kill('SIGKILL');
    await told(t, 'moved after the origins died', 'virginia', 'frankfurt');
    origins.virginia = startOrigin('virginia');
    await told(t, 'back after the origins started (their start included)', 'virginia', 'virginia');
    assert.deepEqual(clients.history('frankfurt'), [world.regions.frankfurt.vip]);
    assert.deepEqual(clients.history('singapore'), [world.regions.singapore.vip]);
  });

  await t.test('kill -9 of its balancer does the same', async (t) => {
    clients.clear();
    balancer.kill('SIGKILL');
    await told(t, 'moved after the balancer died', 'virginia', 'frankfurt');
    balancer = startBalancer();
    await told(t, 'back after the balancer started (its start included)', 'virginia', 'virginia');
    assert.deepEqual(clients.history('frankfurt'), [world.regions.frankfurt.vip]);
    assert.deepEqual(clients.history('singapore'), [world.regions.singapore.vip]);
  });

  await t.test('a silent prober changes nothing, and the others decide without it', async (t) => {
    clients.clear();
    node.setVantage('virginia', false);
    const isSilent = (): boolean =>
      node.plane
        .regions()
        .flatMap(({ endpoints }) => endpoints)
        .every(({ vantages }) =>
          vantages.every(
            ({ vantage, verdict }) =>
              vantage !== 'virginia' || verdict === 'abstains' || verdict === 'unknown',
          ),
        );
    const silentMs = await until(
      isSilent,
      MOVE_DEADLINE_MS,
      'the vantage point is known to be silent',
    );
    t.diagnostic(`its word ran out after ${seconds(silentMs)}`);
    for (const name of REGION_NAMES) {
      assert.deepEqual(clients.history(name), [world.regions[name].vip], name);
    }
    origins.singapore.kill('SIGKILL');
    await told(t, 'moved by the other two', 'singapore', 'frankfurt');
    origins.singapore = startOrigin('singapore');
    await told(t, 'back by the other two', 'singapore', 'singapore');
    node.setVantage('virginia', true);
    await until(
      () =>
        node.plane
          .regions()
          .every(({ endpoints }) =>
            endpoints.every(
              ({ vantages }) =>
                vantages.filter(({ verdict }) => verdict === 'up').length === REGION_NAMES.length,
            ),
          ),
      MOVE_DEADLINE_MS,
      'the woken vantage point has its say again',
    );
    assert.deepEqual(clients.history('virginia'), [world.regions.virginia.vip]);
    assert.deepEqual(clients.history('frankfurt'), [world.regions.frankfurt.vip]);
  });

  const { asked, bad, lost, slowestMs } = await clients.stop();
  t.diagnostic(`${asked} questions, the slowest answered after ${slowestMs.toFixed(0)} ms`);
  assert.deepEqual(bad, [], 'every answer is NOERROR with an address');
  assert.equal(lost, 0, 'every question is answered');
});
