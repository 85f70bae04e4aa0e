import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { client, reportClients, startWorld, vip, type World } from './world.ts';

/**
 * A bad line is not a dead one. The monitor has the timeout that production should have: longer than
 * the second after which TCP repeats a lost SYN (RFC 6298 2.1), so that one lost packet is not a failure.
 */
let world: World;
before(async () => {
  world = await startWorld({
    monitor: { interval: '1200ms', timeout: '1100ms', rise: 2, fall: 3 },
  });
});
after(() => world?.topology.close());

const LOSS_PERCENT = 30;
const WATCH_MS = 12_000;
/** Down once and up once is bad luck; more is flapping. */
const CHANGES_MAX = 2;
/** A probe that took so long was repeated by TCP. */
const REPEATED_MS = 900;

test('answers do not flap when a third of the packets to a region is lost', async (t) => {
  const clients = world.clients();
  const sinceMs = Date.now();
  world.topology.lose('frankfurt', LOSS_PERCENT);
  await delay(WATCH_MS);
  const events = await world.endpointEvents(sinceMs);
  const regions = await world.regions();
  const frankfurt = regions.find(({ name }) => name === 'frankfurt')?.endpoints[0];
  const recent = frankfurt?.vantages.flatMap((vantage) => vantage.recent) ?? [];
  const failed = recent.filter(({ ok }) => !ok).length;
  const slow = recent.filter(({ ok, rttMs }) => ok && rttMs > REPEATED_MS).length;
  t.diagnostic(`of the last ${recent.length} probes ${failed} failed, ${slow} were slow`);
  t.diagnostic(`${events.length} changes of health in ${WATCH_MS / 1000} s`);
  assert.ok(failed + slow > 0, 'packets were lost');
  assert.ok(events.length <= CHANGES_MAX, JSON.stringify(events));
  const told = clients.history(client('frankfurt'), 0);
  assert.ok(told.length <= CHANGES_MAX + 1, told.join(', '));
  assert.deepEqual(clients.history(client('virginia'), 0), [vip('virginia')]);
  reportClients(t, await clients.stop());
});
