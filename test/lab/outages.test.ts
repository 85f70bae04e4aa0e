import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { RegionStatus } from '../../src/control/control-plane.ts';
import { seconds } from '../node/until.ts';
import {
  client,
  REGION_NAMES,
  type RegionName,
  reportClients,
  startWorld,
  vantages,
  vip,
  type World,
} from './world.ts';

/**
 * What clients are told when a region goes dark, when only a way to it does, when processes die, and
 * in a drill. A probe every 500 ms that may take 400 ms, three failures: about 1.5 s to move.
 */
let world: World;
before(async () => {
  world = await startWorld();
});
afterEach(() => world?.topology.heal());
after(() => world?.topology.close());

/** Who answers for a region that is away: the nearest of the others. */
const NEXT = { virginia: 'frankfurt', frankfurt: 'virginia', singapore: 'frankfurt' } as const;
const CURL_TIMEOUT = 28;

test('clients of a region that goes dark move, and return when it is back', async (t) => {
  const { topology } = world;
  const clients = world.clients();
  const mine = client('frankfurt');
  await clients.answeredWith(mine, vip('frankfurt'), 0);
  const darkMs = Date.now();
  topology.darken('frankfurt');
  const { code } = await fetchFrom('frankfurt', '0.5');
  assert.equal(code, CURL_TIMEOUT, 'a dark region is silent, it does not refuse');
  const movedMs = await clients.answeredWith(mine, vip('virginia'), darkMs);
  const lightMs = Date.now();
  topology.heal();
  const backMs = await clients.answeredWith(mine, vip('frankfurt'), lightMs);
  t.diagnostic(`dark: moved after ${seconds(movedMs)}, back after ${seconds(backMs)}`);
  const expected = [vip('frankfurt'), vip('virginia'), vip('frankfurt')];
  assert.deepEqual(clients.history(mine, 0), expected);
  for (const other of ['virginia', 'singapore'] as const) {
    assert.deepEqual(clients.history(client(other), 0), [vip(other)], `${other} is not concerned`);
  }
  await world.untilAllUp();
  reportClients(t, await clients.stop());
});

test('clients stay when one vantage point of three loses its way to their region', async (t) => {
  const clients = world.clients();
  await clients.answeredWith(client('frankfurt'), vip('frankfurt'), 0);
  const sinceMs = Date.now();
  world.topology.block(vantages()[0]!, 'frankfurt');
  const downMs = await world.untilRegions('seen down by one vantage point', (seen) =>
    verdictsOn('frankfurt', seen).includes('down'),
  );
  t.diagnostic(`one vantage point said down after ${seconds(downMs)}`);
  const verdicts = verdictsOn('frankfurt', await world.regions());
  assert.deepEqual(verdicts.toSorted(), ['down', 'up', 'up']);
  assert.deepEqual(await world.endpointEvents(sinceMs), []);
  assert.deepEqual(clients.history(client('frankfurt'), 0), [vip('frankfurt')]);
  world.topology.heal();
  await world.untilAllUp();
  reportClients(t, await clients.stop());
});

test('clients are answered as if all were up when every region is dark', async (t) => {
  const clients = world.clients();
  const darkMs = Date.now();
  for (const region of REGION_NAMES) world.topology.darken(region);
  const downMs = await world.untilRegions('all down', (seen) =>
    seen.every(({ state }) => state === 'down'),
  );
  t.diagnostic(`all regions down after ${seconds(downMs)}`);
  for (const region of REGION_NAMES) {
    await clients.answeredWith(client(region), vip(region), Date.now());
  }
  world.topology.heal();
  t.diagnostic(`all regions up again after ${seconds(await world.untilAllUp())}`);
  for (const region of REGION_NAMES) {
    await clients.answeredWith(client(region), vip(region), Date.now());
    const told = clients.history(client(region), darkMs);
    t.diagnostic(`the client near ${region} was told ${told.join(', ')}`);
  }
  reportClients(t, await clients.stop());
});

test('clients move when a balancer or an origin is killed, and return', async (t) => {
  const clients = world.clients();
  await clients.answeredWith(client('virginia'), vip('virginia'), 0);
  await clients.answeredWith(client('singapore'), vip('singapore'), 0);
  const killedMs = Date.now();
  await Promise.all([world.killBalancer('virginia'), world.killOrigin('singapore')]);
  const moved = await Promise.all([
    clients.answeredWith(client('virginia'), vip(NEXT.virginia), killedMs),
    clients.answeredWith(client('singapore'), vip(NEXT.singapore), killedMs),
  ]);
  t.diagnostic(`killed: balancer's clients moved after ${seconds(moved[0])}`);
  t.diagnostic(`killed: origin's clients moved after ${seconds(moved[1])}`);
  const followed = await fetchFrom(NEXT.virginia, '5');
  assert.match(followed.stdout, /^hello from frankfurt/);
  const startedMs = Date.now();
  world.startBalancer('virginia');
  world.startOrigin('singapore');
  const back = await Promise.all([
    clients.answeredWith(client('virginia'), vip('virginia'), startedMs),
    clients.answeredWith(client('singapore'), vip('singapore'), startedMs),
  ]);
  t.diagnostic(`balancer started: clients back after ${seconds(back[0])}`);
  t.diagnostic(`origin started: clients back after ${seconds(back[1])}`);
  assert.deepEqual(clients.history(client('frankfurt'), 0), [vip('frankfurt')]);
  await world.untilAllUp();
  reportClients(t, await clients.stop());
});

test('a drill moves the clients of its region and nobody else, and reverts by itself', async (t) => {
  const clients = world.clients();
  const words = ['virginia', '--for', '3s', '--yes', '--reason', 'lab'];
  const { code, stderr, stdout } = await world.meridian('drill', ...words);
  assert.equal(code, 0, stderr);
  const verdict = /^While drained, virginia .*$/m.exec(stdout)?.[0] ?? '';
  t.diagnostic(verdict);
  // The drain and the count of answers are not one instant, and a machine may stand still between them.
  assert.match(verdict, /was in no answer|was still in [12]?\d answers/, stdout);
  const expected = [vip('virginia'), vip('frankfurt'), vip('virginia')];
  assert.deepEqual(clients.history(client('virginia'), 0), expected);
  for (const other of ['frankfurt', 'singapore'] as const) {
    assert.deepEqual(clients.history(client(other), 0), [vip(other)]);
  }
  reportClients(t, await clients.stop());
});

/** A request from the clients' network to a region's VIP. */
function fetchFrom(region: RegionName, maxSeconds: string) {
  const words = ['curl', '--silent', '--max-time', maxSeconds, `http://${vip(region)}/`];
  return world.topology.processes.run('client', words);
}

/** What each vantage point says of a region's endpoint. */
function verdictsOn(region: RegionName, regions: readonly RegionStatus[]): readonly string[] {
  const found = regions.find(({ name }) => name === region);
  return found?.endpoints[0]?.vantages.map(({ verdict }) => verdict) ?? [];
}
