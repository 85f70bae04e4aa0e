import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { seconds } from '../node/until.ts';
import { client, REGION_NAMES, reportClients, startWorld, vip, type World } from './world.ts';

/** The nameserver dies without a goodbye and comes back: it still knows what it knew. */
let world: World;
before(async () => {
  world = await startWorld();
});
after(() => world?.topology.close());

test('a killed nameserver still knows its overrides and who is down, from its first answer', async (t) => {
  const clients = world.clients();
  const darkMs = Date.now();
  world.topology.darken('singapore');
  await clients.answeredWith(client('singapore'), vip('frankfurt'), darkMs);
  const drained = await world.meridian('drain', 'frankfurt', '--reason', 'lab');
  assert.equal(drained.code, 0, drained.stderr);
  // At once: what a person was told is done must already be on disk.
  await world.killNameserver();
  const killedMs = Date.now();
  world.startNameserver();
  for (const region of REGION_NAMES) {
    const mine = client(region);
    await clients.answeredWith(mine, vip('virginia'), killedMs);
    const answers = clients.since(mine, killedMs).filter(({ rcode }) => rcode !== 'lost');
    const others = answers.filter(({ addresses }) => addresses.join() !== vip('virginia'));
    assert.deepEqual(others, [], `${region}: only virginia is neither down nor drained`);
  }
  const firstMs = clients.since(client('virginia'), killedMs).find(({ rcode }) => rcode !== 'lost');
  t.diagnostic(`first answer ${seconds((firstMs?.atMs ?? 0) - killedMs)} after the kill`);
  await world.untilRegions('what they were', (seen) => {
    const states = seen.map(({ name, state }) => `${name} ${state}`);
    return states.join() === 'virginia up,frankfurt drained,singapore down';
  });

  const undrained = await world.meridian('undrain', 'frankfurt');
  assert.equal(undrained.code, 0, undrained.stderr);
  const lightMs = Date.now();
  world.topology.heal();
  await clients.answeredWith(client('frankfurt'), vip('frankfurt'), lightMs);
  const backMs = await clients.answeredWith(client('singapore'), vip('singapore'), lightMs);
  t.diagnostic(`back to normal ${seconds(backMs)} after the region was`);
  // Those that were asked while nobody was there.
  reportClients(t, await clients.stop(), Number.POSITIVE_INFINITY);
});
