import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { isPrivate } from '../../src/ip/address.ts';
import { formatPrefix, networkOf } from '../../src/ip/prefix.ts';
import { fuzzSeed } from '../fuzz/effort.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import type { Place } from './ask.ts';
import { openSocket, type Question, quietClients, tellingAll, textOf } from './ecs-questions.ts';
import { type Bits, RESOLVERS, type Resolver } from './ecs-resolvers.ts';
import { createEcsWorld, createRandom, regionOf, shuffled } from './ecs-world.ts';
import { REGIONS, type Region } from './world-node.ts';

/**
 * The judge of client subnets: clients of networks within networks ask in any order through the caches of
 * unbound and PowerDNS Recursor, which keep each answer for the scope that it has. Whatever was asked
 * before, a client gets what its own network is given, by the program's own words (`explain`: the functions
 * that answer queries) and by a list of networks that is read from one end to the other. And caches ask no
 * more often than there are networks: the scopes are as wide as they can be (test/fuzz/policy-width.test.ts).
 * Here names go by distance, through many networks; ecs-policies.test.ts has every kind of policy.
 */
const SEED = fuzzSeed(20_261);
const ZONE = 'gslb.example';
const NAMES = [
  { name: `www.${ZONE}`, type: 'A' },
  { name: `any.wild.${ZONE}`, type: 'AAAA' },
] as const;
/** Every client once in each: the caches are empty in the first only. */
const ROUNDS = 3;
const QUIET_TIMES = 10;
const NEAR = { virginia: 'US-VA', frankfurt: 'DE', singapore: 'SG' } as const;
/** Where the resolvers stand: the place of private clients. */
const RESOLVER_REGION: Region = 'singapore';

const random = createRandom(SEED);
const world = createEcsWorld(random);
const meridian: Place = { address: loopbackAddress(), port: 5310 };
const resolver: Place = { address: loopbackAddress(), port: 5311 };
const fixture = await startNodeFixture({
  node: { roles: ['nameserver'], workers: { dns: 1 } },
  regions: REGIONS,
  geo: { overrides: overrides() },
  pools: { web: { endpoints: Object.keys(REGIONS) } },
  zones: {
    [ZONE]: {
      nameservers: ['ns1'],
      steered: {
        www: { pool: 'web', ttl: { min: 3000, max: 3600 } },
        '*.wild': { pool: 'web', ttl: { min: 3000, max: 3600 } },
      },
      records: { ns1: { A: meridian.address } },
    },
  },
  dns: { listeners: [meridian] },
});
after(fixture.stop);

function overrides(): unknown[] {
  const own = { networks: [resolver.address], location: NEAR[RESOLVER_REGION] };
  const placed = world.placed.map(({ prefix, region }) => ({
    networks: [formatPrefix(prefix)],
    location: NEAR[region],
  }));
  return [...placed, own];
}

function questionsOf(bits: Bits): readonly Question[] {
  const clients = [...tellingAll(world.clients, bits), ...quietClients(QUIET_TIMES)];
  return NAMES.flatMap((each) => clients.map((client) => ({ ...each, ...client })));
}

for (const each of RESOLVERS) {
  test(each.title, async (t) => {
    await each.start(t, { place: resolver, zone: ZONE, server: meridian });
    await judge(t, each);
  });
}

async function judge(t: TestContext, { bits, isForgetful }: Resolver) {
  const { plane } = fixture.node;
  const socket = await openSocket(t, resolver.address);
  const questions = questionsOf(bits);
  const wanted = new Map<Question, string>();
  const networks = new Set<string>();
  for (const question of questions) {
    wanted.set(question, await expected(question));
    if (question.sent === undefined) continue;
    const { data, scope } = await socket.ask(meridian, question, question.sent);
    const what = `seed ${SEED}: ${textOf(question)}, asked directly`;
    assert.equal(data.join(), wanted.get(question), what);
    const kept = networkOf(question.sent.address, Math.min(scope, question.sent.length));
    networks.add(`${question.name} ${formatPrefix(kept)}`);
  }
  const regions = new Set(wanted.values());
  assert.equal(regions.size, 2 * Object.keys(REGIONS).length, 'clients of every region');
  const upstream: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const before = plane.status().queriesTotal;
    for (const question of shuffled(questions, random)) {
      const { data } = await socket.ask(resolver, question, question.told);
      const what = `seed ${SEED}, round ${round}: ${textOf(question)}`;
      assert.equal(data.join(), wanted.get(question), what);
    }
    upstream.push(plane.status().queriesTotal - before);
  }
  t.diagnostic(
    `${ROUNDS} x ${questions.length} questions for ${networks.size} networks with one answer`,
  );
  t.diagnostic(`asked upstream: ${upstream.join(', ')}`);
  if (isForgetful) return;
  assert.ok(upstream[0]! <= networks.size + OTHER_QUERIES_MAX, `seed ${SEED}: too many upstream`);
  assert.deepEqual(upstream.slice(1), [0, 0], `seed ${SEED}: what is known is not asked again`);
}

/** For the zone's nameservers and the like. */
const OTHER_QUERIES_MAX = 20;

/** By explanation and by list, which must agree. */
async function expected(question: Question): Promise<string> {
  const { name, type, sent } = question;
  const client = sent && { client: formatPrefix(sent) };
  const truth = await fixture.node.plane.explain({
    name,
    type,
    resolver: resolver.address,
    ...client,
  });
  assert.ok('answer' in truth, JSON.stringify(truth));
  const isUnknown = sent === undefined || isPrivate(sent.address);
  const region = isUnknown ? RESOLVER_REGION : regionOf(world.placed, sent.address);
  const vip = REGIONS[region].vips[type === 'A' ? 0 : 1];
  assert.deepEqual(truth.answer, [vip], `seed ${SEED}: ${textOf(question)} by explanation`);
  return vip;
}
