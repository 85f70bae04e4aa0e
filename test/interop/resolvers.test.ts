import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { BIND } from './resolvers/bind.ts';
import { islandProblem, openIsland } from './resolvers/island.ts';
import { KNOT } from './resolvers/knot.ts';
import {
  CHAIN_ZONE,
  PLAIN_ZONE,
  REGION_BY_FAMILY,
  startMeridian,
  ZONE,
} from './resolvers/meridian.ts';
import { absolute, checkReply, dataOf, EXPECTED } from './resolvers/names.ts';
import { type ParentQuery, startParents } from './resolvers/parents.ts';
import { ALL_ADDRESSES, CLIENTS, TLD } from './resolvers/places.ts';
import { POWERDNS } from './resolvers/powerdns.ts';
import {
  familiesOf,
  type Resolver,
  type ResolverKind,
  startResolver,
  WAYS,
  type Way,
} from './resolvers/resolver.ts';
import { UNBOUND } from './resolvers/unbound.ts';
import { REGIONS } from './world-node.ts';

/**
 * Names of Meridian resolved by the resolvers of the world, which validate and begin at a signed root:
 * root -> test. (both BIND) -> gslb.test., chain.test., plain.test. (Meridian) -> sub.gslb.test. and
 * sub.chain.test. (BIND again). gslb.test. has one key and compact proofs, chain.test. a KSK, a ZSK and a
 * chain of NSEC records; plain.test. and what is below is not signed. Every answer of the first two is secure.
 *
 *     way                      unbound        BIND          Knot Resolver   PowerDNS Recursor
 *     over both families       yes            yes           yes             yes
 *     over IPv4 alone          yes            yes           yes             yes
 *     over IPv6 alone          yes            yes           yes             yes
 *     over TCP alone           yes            yes           yes             no (1)
 *     with minimised names     strict         strict        yes (2)         yes (2)
 *     with names in mixed case its own draw   client's (3)  its own draw    client's (3)
 *     with client subnets      yes            no (4)        no (5)          yes
 *
 * (1) It asks over TCP what was truncated (`big`), and has no setting to begin so.
 * (2) Has one kind of minimisation only, which gives up when a server gets it wrong.
 * (3) Does not draw the case of names, but sends them as its client wrote them: the client mixes.
 * (4) In its commercial edition only. (5) Does not know them.
 */
const KINDS = [UNBOUND, BIND, KNOT, POWERDNS];
const SIGNED_ZONES = [ZONE, CHAIN_ZONE];

const problem = islandProblem();
const skipAll = problem ?? false;
const island = problem === undefined ? openIsland(ALL_ADDRESSES) : undefined;
after(() => island?.close());
const world = island && (await startAll(island));

async function startAll(on: NonNullable<typeof island>) {
  const [parents, meridian] = await Promise.all([
    startParents(on, [...SIGNED_ZONES, PLAIN_ZONE]),
    startMeridian(on),
  ]);
  for (const zone of SIGNED_ZONES) {
    const ds = await meridian.ds(zone);
    assert.equal(ds.length, 1, `${zone} has ${ds.length} keys for a DS`);
    await parents.delegate(zone, ds);
  }
  return { island: on, parents, meridian };
}

for (const kind of KINDS) {
  for (const way of WAYS) {
    const skip = problem ?? kind.cannot[way] ?? false;
    test(`${kind.name} resolves every kind of name ${way}`, { skip }, async (t) => {
      const { parents, meridian } = world!;
      const heardBefore = parents.queries().length;
      const asked = async () => [await meridian.queries('udp'), await meridian.queries('tcp')];
      const [udpBefore, tcpBefore] = await asked();
      await withResolver(t, kind, way, async (resolver) => {
        for (const zone of SIGNED_ZONES) await checkAll(resolver, kind, way, zone);
      });
      const heard = parents.queries().slice(heardBefore);
      assertWay(kind, way, heard);
      const [udp, tcp] = await asked();
      if (way === 'over TCP alone') assert.equal(udp, udpBefore);
      // One record set fits no datagram.
      assert.ok(tcp! > tcpBefore!, `${tcp} over TCP`);
    });
  }
}

async function checkAll(
  resolver: Resolver,
  kind: ResolverKind,
  way: Way,
  zone: string,
): Promise<void> {
  const circumstances = {
    zone,
    security: 'secure',
    hidesAbsence: zone === ZONE,
    regions: familiesOf(way).map((family) => REGION_BY_FAMILY[family]),
    hasBareNegatives: kind.bareNegatives?.includes(way) ?? false,
  } as const;
  const isMixed = way === 'with names in mixed case' && kind.keepsCase;
  const words = EXPECTED.flatMap(({ name, type }) => [
    isMixed ? mixedCase(absolute(name, zone)) : absolute(name, zone),
    type,
  ]);
  // Once from Meridian, once from the cache.
  for (const pass of ['asked', 'cached']) {
    const replies = await resolver.resolve(...words);
    assert.equal(replies.length, EXPECTED.length, pass);
    for (const [index, expected] of EXPECTED.entries()) {
      checkReply(expected, replies[index]!, circumstances);
    }
  }
}

const mixedCase = (name: string): string =>
  [...name].map((letter, index) => (index % 2 === 0 ? letter : letter.toUpperCase())).join('');

/** That a resolver did ask in this way, by what root, TLD and child heard of it. */
function assertWay(kind: ResolverKind, way: Way, heard: readonly ParentQuery[]): void {
  const addresses = familiesOf(way).map((family) => kind.addresses[family]);
  const strangers = heard.filter(({ from }) => !addresses.includes(from));
  assert.deepEqual(strangers, [], 'asked from other addresses');
  assert.ok(heard.length > 0, 'the parents were not asked');
  if (way === 'over TCP alone') {
    assert.deepEqual(
      heard.filter(({ transport }) => transport === 'udp'),
      [],
    );
  }
  if (way === 'with names in mixed case') {
    const mixed = heard.filter(({ name }) => /[a-z]/.test(name) && /[A-Z]/.test(name));
    assert.ok(mixed.length > heard.length / 4, JSON.stringify(heard));
  }
  if (way === 'with minimised names') {
    const above = heard.filter(({ view }) => view === 'tld').map(({ name }) => `${name}.`);
    const zones = [...SIGNED_ZONES, PLAIN_ZONE];
    const asked = SIGNED_ZONES.flatMap((zone) => EXPECTED.map(({ name }) => absolute(name, zone)));
    const told = above.filter((name) => asked.includes(name) && !zones.includes(name));
    assert.deepEqual(
      told.filter((name) => zones.some((zone) => name.endsWith(`.${zone}`))),
      [],
      'names that the TLD need not know',
    );
    assert.ok(above.includes(ZONE), above.join(' '));
  }
}

for (const kind of KINDS) {
  const skip = problem ?? kind.cannot['with client subnets'] ?? false;
  test(`${kind.name} gives each client network its answer, and caches it`, { skip }, async (t) => {
    await withResolver(t, kind, 'with client subnets', async (resolver) => {
      for (const name of ['www~', 'alias~', 'x.wild-steered~', 'static-alias~']) {
        await checkSubnets(resolver, absolute(name, ZONE), name !== 'static-alias~');
      }
    });
  });
}

/** Three clients of three networks, then a neighbour of each, who costs Meridian no query. */
async function checkSubnets(resolver: Resolver, name: string, isSteered: boolean): Promise<void> {
  const queries = async (): Promise<number> =>
    (await world!.meridian.queries('udp')) + (await world!.meridian.queries('tcp'));
  const check = async (client: string, region: keyof typeof REGIONS): Promise<void> => {
    const replies = await resolver.resolveFor(client, name, 'A', name, 'AAAA');
    const got = replies.map((reply) => dataOf(reply).at(-1));
    const wanted = isSteered ? REGIONS[region].vips : ['192.0.2.25', '2001:db8::25'];
    assert.deepEqual(got, wanted, `${name} for ${client}`);
  };
  const before = await queries();
  for (const { client, region } of CLIENTS) await check(client, region);
  const asked = await queries();
  assert.ok(asked > before);
  for (const { neighbour, region } of CLIENTS) await check(neighbour, region);
  for (const { client, region } of CLIENTS.toReversed()) await check(client, region);
  assert.equal(await queries(), asked, `${name} was not cached for the neighbours`);
}

test('a DS without a key makes its zone bogus, and no other', { skip: skipAll }, async (t) => {
  const { parents } = world!;
  const ds = await world!.meridian.ds(ZONE);
  await parents.delegate(ZONE, [`1 13 2 ${'0A'.repeat(32)}`]);
  t.after(() => parents.delegate(ZONE, ds));
  for (const kind of KINDS) {
    await withResolver(t, kind, 'over both families', async (resolver) => {
      const names = [`mail.${ZONE}`, `www.${PLAIN_ZONE}`];
      const replies = await resolver.resolve(...names.flatMap((name) => [name, 'A']));
      const status = replies.map((reply) => reply.status);
      assert.deepEqual(status, ['SERVFAIL', 'NOERROR'], kind.name);
    });
  }
});

test('the doctor compares the DS with the keys', { skip: skipAll }, async (t) => {
  const { meridian, parents } = world!;
  const doctor = () => meridian.command('doctor', ZONE, '--parent', TLD[4]);
  const well = await doctor();
  assert.match(well.stdout, /^\+ ok +dnssec .*$/m, well.stdout);
  assert.doesNotMatch(well.stdout, /^\S+ (bad|warn) +dnssec/m, well.stdout);
  const ds = await meridian.ds(ZONE);
  await parents.delegate(ZONE, [`1 13 2 ${'0A'.repeat(32)}`]);
  t.after(() => parents.delegate(ZONE, ds));
  const ill = await doctor();
  assert.match(ill.stdout, /^\S+ bad +dnssec .*$/m, ill.stdout);
});

test('a key is replaced when the parent shows its DS, and not before', {
  skip: skipAll,
}, async (t) => {
  const { meridian, parents } = world!;
  const dnssec = (...words: readonly string[]) => meridian.command('dnssec', ...words);
  const before = await meridian.ds(CHAIN_ZONE);
  const started = await dnssec('roll', 'start', CHAIN_ZONE, '--key', 'ksk');
  assert.match(started.stdout, /ksk is being replaced, introduced/, started.stdout);
  const next = () => dnssec('roll', 'next', CHAIN_ZONE, '--parent', TLD[4]);
  const early = await next();
  assert.notEqual(early.code, 0, early.stdout);
  assert.match(`${early.stdout}${early.stderr}`, /DS/, 'it says what is missing');
  const printed = await dnssec('ds', CHAIN_ZONE);
  const both = printed.stdout.split('\n').flatMap((line) => line.split(' DS ')[1] ?? []);
  assert.equal(both.length, 2, printed.stdout);
  assert.ok(both.some((one) => before[0]!.split(' ')[0] === one.split(' ')[0]));
  await parents.delegate(CHAIN_ZONE, both);
  t.after(() => parents.delegate(CHAIN_ZONE, before));
  const seen = await next();
  assert.equal(seen.code, 0, `${seen.stdout}${seen.stderr}`);
  assert.match(seen.stdout, /Wait until caches have forgotten/, seen.stdout);
  for (const kind of KINDS) {
    await withResolver(t, kind, 'over both families', async (resolver) => {
      await checkAll(resolver, kind, 'over both families', CHAIN_ZONE);
    });
  }
});

/** What the resolver wrote is told when something is wrong. */
async function withResolver(
  t: TestContext,
  kind: ResolverKind,
  way: Way,
  use: (resolver: Resolver) => Promise<void>,
): Promise<void> {
  const { anchor } = world!.parents;
  const resolver = await startResolver(world!.island, kind, { way, anchor });
  try {
    await use(resolver);
  } catch (error) {
    t.diagnostic(resolver.said().slice(-WORDS_MAX));
    throw error;
  } finally {
    await resolver.stop();
  }
}

const WORDS_MAX = 5000;
