import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { runOrigin } from '../../src/cli/origin.ts';
import type { RegionStatus } from '../../src/control/control-plane.ts';
import { startSteadyClients } from '../node/dns-client.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { startProgram } from '../node/program.ts';
import {
  place,
  planThreeRegions,
  REGION_NAMES,
  STEERED,
  type ThreeRegions,
} from '../node/three-regions.ts';
import { seconds, until } from '../node/until.ts';

/**
 * A region's balancer is a process of its own and tells the nameserver, by the cluster alone, whether it can serve
 * and how much it carries. Nothing probes the regions, so that no other news can move an answer.
 */
const KEY = 'the cluster key of a test, long enough to be one';
const MONITOR = { kind: 'http', path: '/healthz', interval: '250ms', timeout: '200ms' };
/** Two failures in a row 250 ms apart, and as much again for a machine that does much else. */
const GONE_WITHIN_MS = 2_000;
const PATIENCE_MS = 15_000;
const CAPACITY = 5;
const IN_FLIGHT = 3;
/** Longer than between two reports. */
const SLOW_MS = 3_000;

test('a balancer without servers takes its region out of the answers, and its load ends a drill', async (t) => {
  const world = await planThreeRegions(t);
  const { frankfurt, virginia } = world.regions;
  const { balancerFile, config } = await plan(world);
  let origins = await startServers(frankfurt.servers);
  t.after(() => origins.close());
  const { node, stop } = await startNodeFixture(config, {
    drillPhases: { baselineMs: 200, settleMs: 200 },
  });
  t.after(stop);
  const clients = startSteadyClients(t, world.dns, { name: STEERED, clients: world.clients });
  const balancer = startProgram(t, ['run', '--config', balancerFile]);
  const region = async (): Promise<RegionStatus> => {
    const response = await fetch(`${node.adminUrl}/api/v1/regions`);
    const regions = (await response.json()) as RegionStatus[];
    return regions.find(({ name }) => name === 'frankfurt')!;
  };
  const agent = async () => (await region()).agents[0];
  const latest = (vip: string) => () => clients.latest('frankfurt') === vip;
  await until(async () => (await agent())?.ready, PATIENCE_MS, 'the balancer reports');
  assert.deepEqual((await agent())?.serversUsable, frankfurt.servers.length);
  await until(latest(frankfurt.vip), PATIENCE_MS, 'frankfurt answers its own clients');

  await t.test('all of its servers die, and come back', async (t) => {
    clients.clear();
    await origins.close();
    const gone = await until(latest(virginia.vip), GONE_WITHIN_MS, 'answers leave frankfurt');
    t.diagnostic(`left after ${seconds(gone)}`);
    const { agents, endpoints, state } = await region();
    assert.equal(state, 'down');
    assert.equal(endpoints[0]?.reason, 'its own balancer says so: no server is usable');
    assert.deepEqual([agents[0]?.ready, agents[0]?.serversUsable], [false, 0]);
    origins = await startServers(frankfurt.servers);
    const back = await until(latest(frankfurt.vip), GONE_WITHIN_MS, 'answers come back');
    t.diagnostic(`back after ${seconds(back)}, the start of the servers not counted`);
    assert.deepEqual(clients.history('frankfurt'), [frankfurt.vip, virginia.vip, frankfurt.vip]);
    for (const name of ['virginia', 'singapore'] as const) {
      assert.deepEqual(clients.history(name), [world.regions[name].vip], name);
    }
  });

  await t.test('what it carries is shown, and ends a drill that would overload it', async (t) => {
    const at = `http://${frankfurt.vip}:${frankfurt.port}`;
    const load = carry(t, `${at}/`, `${at}/slow?ms=${SLOW_MS}`);
    await until(
      async () => ((await agent())?.requestsPerSecond ?? 0) > CAPACITY,
      PATIENCE_MS,
      'the rate is shown',
    );
    await until(async () => ((await agent())?.active ?? 0) >= IN_FLIGHT, PATIENCE_MS, 'in flight');
    const drilled = await fetch(`${node.adminUrl}/api/v1/drills`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ region: 'virginia', durationSeconds: 10, reason: 'test' }),
    });
    assert.equal(drilled.status, 201, await drilled.text());
    const over = () => node.plane.drills()[0];
    await until(() => over()?.state === 'aborted', PATIENCE_MS, 'the drill is aborted');
    assert.match(
      over()?.note ?? '',
      /^frankfurt carries \d+ requests per second, more than its capacity of 5\.$/,
    );
    assert.deepEqual(node.plane.overrides(), [], 'nothing is drained any more');
    await load.stop();
  });

  await t.test('it says that it leaves before it does', async () => {
    clients.clear();
    balancer.kill('SIGTERM');
    await until(latest(virginia.vip), GONE_WITHIN_MS, 'answers leave frankfurt');
    assert.equal((await agent())?.reason, 'it is shutting down');
    balancer.kill('SIGKILL');
  });

  const { bad, lost } = await clients.stop();
  assert.deepEqual(bad, [], 'every answer is NOERROR with an address');
  assert.equal(lost, 0, 'every question is answered');
});

/** The nameserver's configuration, and the file of frankfurt's balancer. */
async function plan(world: ThreeRegions) {
  const sides = [await place(), await place()].map(({ address, port }) => `${address}:${port}`);
  const cluster = (own: number) => ({ keys: [KEY], listen: [sides[own]], peers: sides });
  const { node, regions, ...rest } = world.config({
    balancer: {},
    monitors: { origin: { ...MONITOR, rise: 2, fall: 2 } },
    pools: { web: { port: world.regions.frankfurt.port, endpoints: REGION_NAMES } },
  });
  const { frankfurt, ...others } = regions as Record<string, object>;
  const all = { ...others, frankfurt: { ...frankfurt, capacity: CAPACITY } };
  const common = { ...rest, regions: all };
  const side = (name: string, roles: readonly string[]) => ({
    ...(node as object),
    ...{ name, roles, vantages: [] },
  });
  const balancerFile = world.write('balancer.yaml', {
    ...common,
    node: side('balancer', ['balancer']),
    balancer: world.balancer(['frankfurt']),
    cluster: cluster(1),
  });
  const nameserver = side('nameserver', ['nameserver', 'admin']);
  return { balancerFile, config: { ...common, node: nameserver, cluster: cluster(0) } };
}

async function startServers(servers: readonly string[]) {
  const listen = servers.map((server) => {
    const [address = '', port] = server.split(':');
    return { address, port: Number(port) };
  });
  return runOrigin({ name: 'frankfurt', listen });
}

/** Requests one after the other, beside some that take their time. */
function carry(t: TestContext, quick: string, slow: string) {
  const cut = new AbortController();
  const { signal } = cut;
  t.after(() => cut.abort());
  const asked = async (url: string): Promise<void> => {
    const response = await fetch(url, { signal });
    assert.equal(response.status, 200, await response.text());
  };
  const waiting = Array.from({ length: IN_FLIGHT }, () => asked(slow).catch(() => undefined));
  let isOver = false;
  const quickly = (async () => {
    while (!isOver) await asked(quick);
  })();
  return {
    async stop(): Promise<void> {
      isOver = true;
      await quickly;
      cut.abort();
      await Promise.all(waiting);
    },
  };
}
