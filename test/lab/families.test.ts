import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { seconds } from '../node/until.ts';
import {
  client,
  NAME,
  nameserver,
  REGION_NAMES,
  reportClients,
  SUBNETS,
  startWorld,
  vip,
  type World,
} from './world.ts';

/** IPv4 and IPv6, UDP and TCP, client subnets: one region for one client, whatever it asks and how. */
let world: World;
before(async () => {
  world = await startWorld({ families: [4, 6] });
});
after(() => world?.topology.close());

const FAMILIES = [4, 6] as const;

for (const transport of ['UDP', 'TCP'] as const) {
  test(`A and AAAA name the client's region over ${transport}, over IPv4 and IPv6`, async () => {
    const flag = transport === 'TCP' ? '+tcp' : '+notcp';
    for (const region of REGION_NAMES) {
      for (const family of FAMILIES) {
        const from = ['-b', client(region, family), flag];
        const how = `${region} over IPv${family}`;
        assert.equal(await dig(family, [NAME, 'A', ...from]), vip(region, 4), how);
        assert.equal(await dig(family, [NAME, 'AAAA', ...from]), vip(region, 6), how);
      }
    }
  });
}

test('the subnet that a resolver sends counts, not the resolver', async () => {
  const from = ['-b', client('virginia')];
  for (const subnet of SUBNETS.singapore) {
    const reply = await dig(4, [NAME, 'A', '+noshort', '+comments', `+subnet=${subnet}`, ...from]);
    assert.match(reply, new RegExp(`IN\\s+A\\s+${vip('singapore')}\\b`), subnet);
    assert.match(reply, new RegExp(`CLIENT-SUBNET: ${subnet}/\\d+`), subnet);
  }
});

test('both addresses of a region lead to its balancer', async () => {
  for (const region of REGION_NAMES) {
    for (const [family, host] of [
      [4, vip(region)],
      [6, `[${vip(region, 6)}]`],
    ] as const) {
      const curl = ['curl', '--silent', '--globoff', '--max-time', '5', `http://${host}/`];
      const { stdout } = await world.topology.processes.run('client', curl);
      assert.match(stdout, new RegExp(`^hello from ${region}`), `IPv${family}`);
    }
  }
});

test('clients of both families move when only IPv6 of their region is dark', async (t) => {
  const asking = { 4: world.clients('A'), 6: world.clients('AAAA') };
  const moves = (to: 'virginia' | 'frankfurt', sinceMs: number): Promise<number[]> =>
    Promise.all(
      FAMILIES.map((family) => {
        return asking[family].answeredWith(client('frankfurt', family), vip(to, family), sinceMs);
      }),
    );
  await moves('frankfurt', 0);
  const darkMs = Date.now();
  world.topology.darken('frankfurt', 'ipv6');
  const moved = await moves('virginia', darkMs);
  const lightMs = Date.now();
  world.topology.heal();
  const back = await moves('frankfurt', lightMs);
  t.diagnostic(`A and AAAA moved after ${moved.map(seconds).join(' and ')}`);
  t.diagnostic(`A and AAAA back after ${back.map(seconds).join(' and ')}`);
  for (const family of FAMILIES) reportClients(t, await asking[family].stop());
});

async function dig(family: 4 | 6, words: readonly string[]): Promise<string> {
  const command = ['dig', `@${nameserver(family)}`, '+short', '+time=5', '+tries=2', ...words];
  const { stdout } = await world.topology.processes.run('client', command);
  return stdout.trim();
}
