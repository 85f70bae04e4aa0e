import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  answers,
  balancerFile,
  kinds,
  names,
  planDiscovery,
  servesTheTwoOfSixty,
  untilAnswers,
  type World,
} from '../node/discovery-world.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { startServer } from './server-process.ts';

/** Servers that are found at another's nameserver: Knot, with aliases, answers too long for UDP, and reloads. */
const DEADLINE_MS = 20_000;

const zoneText = (world: World, serial: number, records: readonly string[]): string =>
  `$ORIGIN internal.example.
$TTL 1
@ SOA ns h ${serial} 3600 600 86400 1
@ NS ns
ns A ${world.dns.address}
${records.join('\n')}
`;

async function startKnot(t: TestContext, world: World, records: readonly string[]) {
  const server = startServer(
    (directory) => ({
      'internal.zone': zoneText(world, 1, records),
      'knot.conf': `server:
    rundir: "${directory}"
    listen: ${world.dns.address}@${world.dns.port}
    udp-max-payload-ipv4: 1232
database:
    storage: "${directory}"
log:
  - target: stderr
    any: info
zone:
  - domain: internal.example
    storage: "${directory}"
    file: internal.zone
`,
    }),
    (directory) => ['knotd', '-c', join(directory, 'knot.conf')],
  );
  t.after(server.stop);
  await until(() => /server started/.test(server.said()), DEADLINE_MS, server.said);
  let serial = 1;
  return {
    server,
    change(next: readonly string[]): void {
      serial += 1;
      writeFileSync(join(server.directory, 'internal.zone'), zoneText(world, serial, next));
      server.signal('SIGHUP');
    },
  };
}

test('Knot: addresses behind an alias come and go, and nothing is lost when it is empty or gone', async (t) => {
  const world = await planDiscovery(t);
  const [a, b, c] = world.hosts;
  const at = (host: string): string => `${host}:${world.port}`;
  const pool = (...hosts: readonly string[]): readonly string[] => [
    'web CNAME pool',
    ...hosts.map((host) => `pool A ${host}`),
  ];
  const knot = await startKnot(t, world, pool(a, b));
  const dns = {
    name: 'web.internal.example',
    port: world.port,
    resolvers: [`${world.dns.address}:${world.dns.port}`],
  };
  const fixture = await startNodeFixture(balancerFile(world, dns));
  t.after(fixture.stop);
  assert.deepEqual(names(fixture), [at(a), at(b)].toSorted());
  assert.deepEqual(await answers(world), new Set([`200 ${at(a)}`, `200 ${at(b)}`]));

  knot.change(pool(b, c));
  await untilAnswers(world, [`200 ${at(b)}`, `200 ${at(c)}`]);

  knot.change(['web CNAME pool', 'pool TXT nobody']);
  const has = (kind: string) => async (): Promise<boolean> => (await kinds(fixture)).includes(kind);
  await until(has('discovery.empty'), DEADLINE_MS, knot.server.said);
  assert.deepEqual(await answers(world), new Set([`200 ${at(b)}`, `200 ${at(c)}`]));

  knot.change(pool(c));
  await untilAnswers(world, [`200 ${at(c)}`]);
  assert.ok(await has('discovery.recovered')());

  await knot.server.stop();
  await until(has('discovery.failed'), DEADLINE_MS, 'nobody answers');
  assert.deepEqual(await answers(world), new Set([`200 ${at(c)}`]));
});

test('Knot: SRV with weights and priorities, by TCP where it is too long for UDP', async (t) => {
  const world = await planDiscovery(t);
  const [a, b, c] = world.hosts;
  const { port } = world;
  const spare = Array.from(
    { length: 60 },
    (_, index) => `_http._tcp SRV 2 1 ${1000 + index} a-host-with-a-long-name`,
  );
  await startKnot(t, world, [
    `a A ${a}`,
    `b A ${b}`,
    `a-host-with-a-long-name A ${c}`,
    `_http._tcp SRV 1 30 ${port} a`,
    `_http._tcp SRV 1 10 ${port} b`,
    ...spare,
  ]);
  await servesTheTwoOfSixty(t, world);
});
