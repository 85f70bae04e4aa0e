import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { fuzzSeed } from '../fuzz/effort.ts';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import type { NodeFixture } from '../node/node-fixture.ts';
import { seconds, until } from '../node/until.ts';
import { askAll, type Place, type Reply } from './ask.ts';
import { absolute } from './questions.ts';
import { startUnbound, type Unbound } from './unbound-process.ts';
import { PLACED, REGIONS, RESOLVERS, type Region, startWorldNode, zone } from './world-node.ts';

/**
 * Names of Meridian resolved as the world does it: by unbound, which begins at a private root and
 * follows real referrals, root -> example -> gslb.example. All three are Meridian nodes.
 */
const DNS_PORT = 53;
const ROOT_NAME = 'a.root.';

await requirePort53(loopbackAddress());
const root = loopbackAddress();
const parent = loopbackAddress();
const world = loopbackAddress();
const fixtures = await Promise.all([
  startWorldNode([`${root}:${DNS_PORT}`], { '.': rootZone({ A: root }, { A: parent }) }),
  startWorldNode([`${parent}:${DNS_PORT}`], {
    example: parentZone({ A: parent }, { A: world }),
  }),
  startWorldNode([`${world}:${DNS_PORT}`], { 'gslb.example': worldZone({ A: world }) }),
]);
const unbounds: Unbound[] = [];
after(async () => {
  await Promise.all(unbounds.map(({ stop }) => stop()));
  await Promise.all(fixtures.map(({ stop }) => stop()));
});

type Address = Readonly<Record<'A', string>> | Readonly<Record<'AAAA', string>>;

function rootZone(own: Address, child: Address): unknown {
  return {
    nameservers: [ROOT_NAME],
    soa: { rname: 'nobody.root.' },
    records: { [ROOT_NAME]: own, 'example.': { NS: 'ns.example.' }, 'ns.example.': child },
  };
}

function parentZone(own: Address, child: Address): unknown {
  return {
    nameservers: ['ns'],
    records: {
      ns: own,
      'www.elsewhere': { A: '192.0.2.99' },
      gslb: { NS: ['ns1.gslb', 'ns2.gslb'] },
      'ns1.gslb': child,
      'ns2.gslb': child,
    },
  };
}

function worldZone(own: Address): unknown {
  return { ...zone, records: { ...zone.records, ns1: own, ns2: own } };
}

/** Resolvers ask port 53 and no other. */
async function requirePort53(address: string): Promise<void> {
  const server = createServer();
  const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(DNS_PORT, address, () => resolve(undefined));
  });
  server.close();
  const hint =
    'run as root, or let users have it: sudo sysctl net.ipv4.ip_unprivileged_port_start=53';
  assert.ok(!problem, `The test needs port 53 of ${address} (${problem?.code}): ${hint}`);
}

async function start(
  lines: readonly string[],
  rootAddress = root,
  place: Place = { address: loopbackAddress(), port: 5300 },
): Promise<Place> {
  const options = { place, root: { name: ROOT_NAME, address: rootAddress }, lines };
  const unbound = await startUnbound(options);
  unbounds.push(unbound);
  return unbound.place;
}

const resolve = (place: Place, ...words: string[]): Promise<Reply[]> =>
  askAll('dig', place, '+recurse', ...words);

/** What a client of a resolver that stands in virginia gets: status, then data of the answer. */
const RESOLVED: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['www~', 'A', 'NOERROR', ['192.0.2.1']],
  ['www~', 'AAAA', 'NOERROR', ['2001:db8::1']],
  ['alias~', 'A', 'NOERROR', ['www~', '192.0.2.1']],
  ['app~', 'A', 'NOERROR', ['192.0.2.2']],
  ['a.b.wild-steered~', 'A', 'NOERROR', ['192.0.2.1']],
  ['v4~', 'AAAA', 'NOERROR', []],
  ['mail~', 'A', 'NOERROR', ['192.0.2.25']],
  ['mail~', 'AAAA', 'NOERROR', ['2001:db8::25']],
  ['static-alias~', 'A', 'NOERROR', ['mail~', '192.0.2.25']],
  ['outside~', 'A', 'NOERROR', ['www.elsewhere.example.', '192.0.2.99']],
  ['several~', 'A', 'NOERROR', ['192.0.2.80', '192.0.2.81', '192.0.2.82']],
  ['~', 'MX', 'NOERROR', ['10 mail~', '20 mail.backup.example.']],
  ['~', 'NS', 'NOERROR', ['ns1~', 'ns2~']],
  ['_sip._tcp~', 'SRV', 'NOERROR', ['10 60 5060 mail~']],
  ['caa~', 'CAA', 'NOERROR', ['0 issue "ca.example"']],
  ['text~', 'TXT', 'NOERROR', ['"one \\"two\\"" "three; four"']],
  ['x.wild~', 'A', 'NOERROR', ['192.0.2.9']],
  ['z.y.x.wild~', 'TXT', 'NOERROR', ['"any name below wild"']],
  ['x.wild~', 'AAAA', 'NOERROR', []],
  ['ent~', 'A', 'NOERROR', []],
  ['below.ent~', 'A', 'NOERROR', ['192.0.2.10']],
  ['other.ent~', 'A', 'NXDOMAIN', []],
  ['nothing~', 'A', 'NXDOMAIN', []],
  ['a.b.c.nothing~', 'AAAA', 'NXDOMAIN', []],
];

async function checkResolved(place: Place, virginia: Region = 'virginia'): Promise<void> {
  const words = RESOLVED.flatMap(([name, type]) => [absolute(name), type]);
  const [here4, here6] = REGIONS[virginia].vips;
  // Once from Meridian, once from the cache.
  for (const pass of ['asked', 'cached']) {
    const replies = await resolve(place, ...words);
    for (const [index, [name, type, status, data]] of RESOLVED.entries()) {
      const reply = replies[index]!;
      const what = `${pass} ${name} ${type}`;
      assert.equal(reply.status, status, what);
      const isMoved = ['192.0.2.1', '2001:db8::1'];
      const wanted = data.map((text) =>
        isMoved.includes(text) ? (text.includes(':') ? here6 : here4) : absolute(text),
      );
      const got = reply.answer.map((record) => record.replace(/^\S+ \d+ IN \S+ /, ''));
      assert.deepEqual(got.sort(), wanted.sort(), what);
      if (data.length === 0) assert.match(reply.authority[0] ?? '', / SOA ns1/, what);
    }
  }
  const [big] = await resolve(place, absolute('big~'), 'TXT');
  assert.equal(big?.answer.length, 40);
}

test('unbound resolves every kind of name from the root on', async () => {
  await checkResolved(await start([`outgoing-interface: ${RESOLVERS.virginia}`]));
});

test('unbound resolves every kind of name over TCP alone', async () => {
  const tcpBefore = await tcpQueries(fixtures[2]);
  const lines = ['tcp-upstream: yes', `outgoing-interface: ${RESOLVERS.virginia}`];
  await checkResolved(await start(lines));
  assert.ok((await tcpQueries(fixtures[2])) > tcpBefore + RESOLVED.length / 2);
});

async function tcpQueries({ node }: NodeFixture): Promise<number> {
  const { body } = await node.plane.metrics();
  return Number(/^meridian_dns_queries_total\{[^}]*tcp[^}]*\} (\d+)/m.exec(body)?.[1]);
}

test('unbound in another place gets the region that is nearest to it', async () => {
  const place = await start([`outgoing-interface: ${RESOLVERS.singapore}`]);
  const [reply] = await resolve(place, absolute('www~'), 'A');
  assert.match(reply?.answer[0] ?? '', / 192\.0\.2\.3$/);
});

test('unbound resolves every kind of name over IPv6 alone', async (t) => {
  const own = { AAAA: '::1' };
  const zones = {
    '.': rootZone(own, own),
    example: parentZone(own, own),
    'gslb.example': worldZone(own),
  };
  const fixture = await startWorldNode([`[::1]:${DNS_PORT}`], zones).catch((error: Error) => error);
  if (fixture instanceof Error) {
    t.diagnostic(`only IPv4 is asked: ${fixture.message}`);
    return;
  }
  t.after(fixture.stop);
  const place = { address: '::1', port: await freePort('::1') };
  // The override of ::1 puts this resolver into singapore.
  await checkResolved(await start(['do-ip4: no'], '::1', place), 'singapore');
});

const WITH_SUBNETS = [
  'module-config: "subnetcache validator iterator"',
  'client-subnet-zone: gslb.example',
  'client-subnet-always-forward: yes',
  'max-client-subnet-ipv4: 32',
  'max-client-subnet-ipv6: 128',
];

test('unbound keeps the answers of each client subnet apart, and caches them', async () => {
  const place = await start(WITH_SUBNETS);
  const { plane } = fixtures[2].node;
  const askEach = async (name: string): Promise<void> => {
    const words = PLACED.flatMap(({ network }) => [absolute(name), 'A', `+subnet=${network}`]);
    const replies = await resolve(place, ...words);
    for (const [index, { network, region }] of PLACED.entries()) {
      const data = replies[index]!.answer.map((record) => record.split(' ').at(-1));
      assert.equal(data.at(-1), REGIONS[region].vips[0], `${name} for ${network}`);
    }
  };
  for (const name of ['www~', 'alias~', 'x.wild-steered~']) {
    await askEach(name);
    const asked = plane.status().queriesTotal;
    await askEach(name);
    assert.equal(plane.status().queriesTotal, asked, `${name} was not cached`);
  }
});

test('unbound gives no client the answer of another class, whoever asked before', async () => {
  const place = await start(WITH_SUBNETS);
  const { plane } = fixtures[2].node;
  const name = absolute('www~');
  const networks = randomNetworks(30, 6);
  const askedBefore = plane.status().queriesTotal;
  const given = new Set<string>();
  // Forward, backward and forward again: each network after others and after itself.
  for (const order of [networks, networks.toReversed(), networks]) {
    const words = order.flatMap((network) => [name, 'A', `+subnet=${network}`]);
    const replies = await resolve(place, ...words);
    for (const [index, client] of order.entries()) {
      const truth = await plane.explain({ name, type: 'A', client });
      assert.ok('answer' in truth);
      const data = replies[index]!.answer.map((record) => record.split(' ').at(-1));
      assert.deepEqual(data, truth.answer, `seed ${SEED}, ${client}`);
      given.add(data.join());
    }
  }
  const asked = plane.status().queriesTotal - askedBefore;
  assert.equal(given.size, 3, 'the draw of networks has clients of every region');
  assert.ok(asked < networks.length, `${asked} of ${3 * networks.length} were asked upstream`);
});

const SEED = fuzzSeed(20_260);

/** Neighbouring /24 networks in the same few /16, mixed. */
function randomNetworks(blocks: number, each: number): string[] {
  let state = SEED;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * limit);
  };
  const wide = Array.from({ length: blocks }, () => `${128 + below(95)}.${below(256)}`);
  return Array.from({ length: each }, () =>
    wide.map((block) => `${block}.${below(256)}.0/24`),
  ).flat();
}

test('unbound stops giving out a drained region once the TTL is over', async (t) => {
  const place = await start([`outgoing-interface: ${RESOLVERS.virginia}`]);
  const { plane } = fixtures[2].node;
  const address = async (): Promise<string | undefined> => {
    const [reply] = await resolve(place, absolute('quick~'), 'A');
    return reply?.answer[0]?.split(' ').at(-1);
  };
  assert.equal(await address(), '192.0.2.1');
  const target = { kind: 'region', name: 'virginia' } as const;
  t.after(() => plane.clearOverride(target, 'test'));
  const drained = await plane.setOverride({ target, action: 'drain', reason: 'test', by: 'test' });
  assert.ok('action' in drained, JSON.stringify(drained));
  const ms = await until(async () => (await address()) === '192.0.2.2', 10_000, 'the next region');
  t.diagnostic(`the resolver's clients moved after ${seconds(ms)} with a TTL of 1 s`);
});
