import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  answers,
  balancerFile,
  kinds,
  names,
  planDiscovery,
  servers,
  servesTheTwoOfSixty,
  untilAnswers,
  type World,
} from '../node/discovery-world.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';

/** A balancer that finds its servers at a real nameserver, which is this program as well. */
const DEADLINE_MS = 20_000;

type Records = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const zoneFile = (world: World, serial: number, records: Records) => ({
  node: { name: 'ns', roles: ['nameserver'] },
  dns: { listeners: [world.dns] },
  zones: {
    'internal.example': {
      soa: { mname: 'ns.internal.example.', rname: 'h.internal.example.', serial, minimum: 1 },
      nameservers: ['ns.internal.example.'],
      records: { ns: { A: [world.dns.address] }, ...records },
    },
  },
});

async function serveZone(t: TestContext, world: World, records: Records) {
  const { file, node, stop } = await startNodeFixture(zoneFile(world, 1, records));
  t.after(stop);
  let serial = 1;
  return {
    stop,
    async change(next: Records) {
      serial += 1;
      writeFileSync(file, JSON.stringify(zoneFile(world, serial, next)));
      const { ok, issues } = await node.plane.reload('test');
      assert.ok(ok, JSON.stringify(issues));
    },
  };
}

test('addresses come and go with DNS, and what is empty or silent changes nothing', async (t) => {
  const world = await planDiscovery(t);
  const [a, b, c] = world.hosts;
  const at = (host: string): string => `${host}:${world.port}`;
  const directory = mkdtempSync(join(tmpdir(), 'meridian-discovery-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const zone = await serveZone(t, world, { web: { A: { ttl: 0, data: [a, b] } } });
  const dns = {
    name: 'web.internal.example',
    port: world.port,
    // Nothing answers at the first.
    resolvers: [`${world.dns.address}:1`, `${world.dns.address}:${world.dns.port}`],
  };
  const config = balancerFile(world, dns, { stateDirectory: directory });
  const first = await startNodeFixture(config);
  t.after(first.stop);
  assert.deepEqual(names(first), [at(a), at(b)].toSorted(), 'known before anything is served');
  assert.ok(servers(first).every(({ origin }) => origin === 'dns'));
  assert.deepEqual(await answers(world), new Set([`200 ${at(a)}`, `200 ${at(b)}`]));

  await zone.change({ web: { A: { ttl: 0, data: [b, c] } } });
  await untilAnswers(world, [`200 ${at(b)}`, `200 ${at(c)}`]);

  await zone.change({});
  await until(async () => (await kinds(first)).includes('discovery.empty'), DEADLINE_MS, 'empty');
  assert.deepEqual(await answers(world), new Set([`200 ${at(b)}`, `200 ${at(c)}`]));
  await zone.change({ web: { A: { ttl: 0, data: [c] } } });
  await until(() => names(first).length === 1, DEADLINE_MS, 'found again');
  assert.ok((await kinds(first)).includes('discovery.recovered'));

  await zone.stop();
  await until(async () => (await kinds(first)).includes('discovery.failed'), DEADLINE_MS, 'silent');
  await untilAnswers(world, [`200 ${at(c)}`]);
  await first.stop();
  assert.match(readFileSync(join(directory, 'found-servers.json'), 'utf8'), /web\.internal/);
  const second = await startNodeFixture(config);
  t.after(second.stop);
  assert.deepEqual(names(second), [at(c)], 'as before the restart, while nobody answers');
  assert.deepEqual(await answers(world), new Set([`200 ${at(c)}`]));
});

test('SRV gives ports, weights and priorities, also when it is too large for UDP', async (t) => {
  const world = await planDiscovery(t);
  const [a, b, c] = world.hosts;
  const { port } = world;
  const spare = Array.from({ length: 60 }, (_, index) => `2 1 ${1000 + index} c`);
  await serveZone(t, world, {
    a: { A: { ttl: 5, data: [a] } },
    b: { A: { ttl: 5, data: [b] } },
    c: { A: { ttl: 5, data: [c] } },
    '_http._tcp': { SRV: { ttl: 5, data: [`1 30 ${port} a`, `1 10 ${port} b`, ...spare] } },
  });
  await servesTheTwoOfSixty(t, world);
});

test('a node whose names nobody knows starts, and says so', async (t) => {
  const world = await planDiscovery(t);
  const dns = { name: 'web.internal.example', port: 80, resolvers: [`${world.dns.address}:1`] };
  const fixture = await startNodeFixture(balancerFile(world, dns));
  t.after(fixture.stop);
  assert.deepEqual(names(fixture), []);
  assert.deepEqual([...new Set(await kinds(fixture))], ['discovery.failed']);
  assert.deepEqual(await answers(world), new Set(['503 ']));
});
