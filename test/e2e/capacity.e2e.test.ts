import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { loopbackAddress } from '../node/free-addresses.ts';
import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';
import { scratchDirectory } from '../node/scratch.ts';
import { until } from '../node/until.ts';
import { openAsker, type SubnetAsker } from './subnet-asker.ts';

/**
 * A balancer that gets more than its region can carry is relieved by the answers to names: what it counts is put down to
 * those who asked, some of them are sent elsewhere, and what comes is what the region is to have. Clients ask
 * before each request, and only those who are sent there come.
 */
const NAME = 'www.gslb.example';
const VIP = { frankfurt: '192.0.2.1', singapore: '192.0.2.2' };
const PORTS = { dns: 5300, http: 8080 };
const CLIENTS = 200;
const REQUESTS_PER_SECOND = 100;
/** Requests a second. It is filled wholly, for Singapore is too far to spare a fifth of it. */
const CAPACITY = 50;
const DEADLINE_MS = 60_000;

test('a region is not sent more than it can carry', async (t) => {
  const [address, state] = [loopbackAddress(), scratchDirectory('capacity')];
  const before = await start(t, config(address, state));
  const asker = openAsker(t, { address, port: PORTS.dns, name: NAME });
  const sentThere = (): Promise<readonly number[]> => thoseThere(asker);
  const shareThere = async (): Promise<number> => (await sentThere()).length / CLIENTS;
  assert.equal(await shareThere(), 1, 'everybody is nearest to Frankfurt');

  const load = makeLoad(t, asker, address);
  const planned = () => before.node.plane.status().capacity?.plan;
  const loadOf = (name: string) => planned()?.regions.find((region) => region.name === name);
  await until(
    async () => {
      // Who only asks is no demand, but seems to be some.
      await delay(WINDOW_MS);
      return load.rate() < 1.05 * CAPACITY && (await shareThere()) < 0.6;
    },
    DEADLINE_MS,
    () => `the plan: ${JSON.stringify(planned())}, ${load.rate()} requests a second`,
  );
  assert.ok((loadOf('frankfurt')?.priceMs ?? 0) > 0, 'room in Frankfurt is worth something');
  assert.equal(loadOf('singapore')?.priceMs, 0);
  const { body } = await before.node.plane.metrics();
  assert.match(body, /^meridian_capacity_price_seconds\{region="frankfurt"\} [0-9.]+$/m);

  // Those who stay are the same ones, whatever the demand of the moment.
  const some = await sentThere();
  await delay(5 * WINDOW_MS);
  const later = await sentThere();
  const both = some.filter((client) => later.includes(client)).length;
  assert.ok(both > 0.8 * Math.min(some.length, later.length), `${both} of ${some.length}`);
  assert.ok(load.rate() < 1.2 * CAPACITY, `${load.rate()} requests a second`);

  load.stop();
  await before.stop();
  const again = await start(t, config(address, state));
  const share = await shareThere();
  assert.ok(share < 0.8, `${share} there: the plan is kept on disk`);
  const drained = await again.node.plane.setOverride({
    target: { kind: 'region', name: 'singapore' },
    ...{ action: 'drain', reason: 'test', by: 'test' },
  });
  assert.ok(!('problem' in drained));
  await until(async () => (await shareThere()) === 1, DEADLINE_MS, 'nobody has no answer');
});

test('what is reported of a region by others counts as what balancers count, for as long as it holds', async (t) => {
  const [address, state] = [loopbackAddress(), scratchDirectory('reported')];
  const { balancer: _, ...world } = config(address, state);
  const regions = {
    frankfurt: { location: 'DE', vips: [VIP.frankfurt] },
    singapore: { location: 'SG', vips: [VIP.singapore] },
  };
  const { node } = await start(t, {
    ...{ ...world, regions },
    node: { name: 'fra-1', roles: ['nameserver'], stateDirectory: state, workers: { dns: 1 } },
  });
  const { plane } = node;
  const asker = openAsker(t, { address, port: PORTS.dns, name: NAME });
  const shareThere = async (): Promise<number> => (await thoseThere(asker)).length / CLIENTS;
  assert.ok('problem' in plane.capacity(10), 'no region has a capacity: there is nothing to plan');
  const DEMAND = 200;
  const report = async (capacity: number): Promise<number> => {
    const share = await shareThere();
    const requestsPerSecond = DEMAND * share;
    const told = { region: 'frankfurt', requestsPerSecond, capacity, by: 'test', forSeconds: 60 };
    assert.ok(!('problem' in (await plane.reportLoad(told))));
    await delay(WINDOW_MS);
    return share;
  };
  const view = () => plane.capacity(10);
  await until(
    async () => (await report(CAPACITY)) < 0.4,
    DEADLINE_MS,
    () => `the plan: ${JSON.stringify(view())}`,
  );
  const planned = view();
  assert.ok(!('problem' in planned) && planned.passedCount > 0, JSON.stringify(planned));
  assert.deepEqual(
    planned.regions.map(({ capacity, name }) => [name, capacity]),
    [
      ['frankfurt', CAPACITY],
      ['singapore', 0],
    ],
  );
  // Its servers have become more.
  await until(
    async () => (await report(10 * DEMAND)) > 0.95,
    DEADLINE_MS,
    () => `the plan: ${JSON.stringify(view())}`,
  );
  assert.ok(!('problem' in (await plane.clearLoad('frankfurt'))));
  assert.equal(plane.regions().find(({ name }) => name === 'frankfurt')?.reported, undefined);
});

/** Of all clients, those who are sent to Frankfurt. */
async function thoseThere(asker: SubnetAsker): Promise<readonly number[]> {
  const addresses = await asker.addresses(CLIENTS);
  return [...addresses.keys()].filter((client) => addresses[client] === VIP.frankfurt);
}

const WINDOW_MS = 1000;

function config(address: string, state: string): Record<string, unknown> {
  return {
    node: {
      ...{ name: 'fra-1', roles: ['nameserver', 'balancer'] },
      ...{ stateDirectory: state, workers: { dns: 1, balancer: 1 } },
    },
    regions: {
      frankfurt: { location: 'DE', vips: [VIP.frankfurt], capacity: CAPACITY },
      singapore: { location: 'SG', vips: [VIP.singapore], capacity: 1000 },
    },
    geo: { overrides: [{ networks: ['80.0.0.0/8'], location: 'DE' }] },
    capacity: { window: `${WINDOW_MS}ms`, halfLife: '10s', returnPercent: 5 },
    pools: { web: { endpoints: ['frankfurt', 'singapore'] } },
    policies: { kept: { chain: ['healthy', 'nearest', 'capacity', 'first'] } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: { www: { pool: 'web', policy: 'kept' } },
      },
    },
    dns: { listeners: [`${address}:${PORTS.dns}`] },
    balancer: {
      upstreams: { web: { servers: [`${address}:${PORTS.http}`] } },
      listeners: [
        {
          ...{ region: 'frankfurt', address, port: PORTS.http },
          routes: [{ filters: [{ kind: 'respond', status: 204 }], upstream: 'web' }],
        },
      ],
    },
  };
}

async function start(t: TestContext, world: Record<string, unknown>): Promise<NodeFixture> {
  const fixture = await startNodeFixture(world);
  t.after(fixture.stop);
  return fixture;
}

/** Clients, one after the other, each asking where to go and going there. */
function makeLoad(t: TestContext, asker: SubnetAsker, address: string) {
  let [client, isStopped] = [0, false];
  const atMs: number[] = [];
  const timer = setInterval(async () => {
    client = (client + 1) % CLIENTS;
    if ((await asker.ask(client)) !== VIP.frankfurt || isStopped) return;
    atMs.push(performance.now());
    await visit(address);
  }, 1000 / REQUESTS_PER_SECOND);
  const stop = (): void => {
    isStopped = true;
    clearInterval(timer);
  };
  t.after(stop);
  return {
    stop,
    /** Requests a second, of the last five. */
    rate: (): number => atMs.filter((each) => each > performance.now() - 5000).length / 5,
  };
}

async function visit(host: string): Promise<void> {
  const socket = net.connect({ host, port: PORTS.http });
  socket.on('error', () => {});
  socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  socket.resume();
  // What fails comes to an end all the same.
  await once(socket, 'close').catch(() => {});
}
