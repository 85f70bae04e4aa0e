import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { after, type TestContext, test } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import { isPrivate } from '../../src/ip/address.ts';
import { formatPrefix, networkOf, type Prefix, parsePrefix } from '../../src/ip/prefix.ts';
import { buildQuery, ecs, opt, word } from '../dns/query-builder.ts';
import { fuzzSeed } from '../fuzz/effort.ts';
import { wireName } from '../nameserver/fixture.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import type { Place } from './ask.ts';
import { createEcsWorld, createRandom, regionOf, shuffled } from './ecs-world.ts';
import { startPowerdns } from './powerdns-process.ts';
import { startUnbound } from './unbound-process.ts';
import { REGIONS, type Region } from './world-node.ts';

/**
 * The judge of client subnets: clients of networks within networks ask in any order through the caches of
 * unbound and PowerDNS Recursor, which keep each answer for the scope that it has. Whatever was asked
 * before, a client gets what its own network is given, by the program's own words (`explain`: the functions
 * that answer queries) and by a list of networks that is read from one end to the other. And caches ask no
 * more often than there are networks: the scopes are as wide as they can be (test/fuzz/scope-width.test.ts).
 */
const SEED = fuzzSeed(20_261);
const ZONE = 'gslb.example';
const NAMES = [
  { name: `www.${ZONE}`, type: 'A' },
  { name: `any.wild.${ZONE}`, type: 'AAAA' },
] as const;
const TYPES = { A: 1, AAAA: 28 } as const;
/** Every client once in each: the caches are empty in the first only. */
const ROUNDS = 3;
const NEAR = { virginia: 'US-VA', frankfurt: 'DE', singapore: 'SG' } as const;
/** Where the resolvers stand: the place of private clients. */
const RESOLVER_REGION: Region = 'singapore';
const FULL = { 4: 32, 6: 128 } as const;
/** What resolvers send when nobody tells them otherwise (RFC 7871 11.1). */
const USUAL = { 4: 24, 6: 56 } as const;
type Bits = typeof FULL | typeof USUAL;

const random = createRandom(SEED);
const world = createEcsWorld(random);
const meridian: Place = { address: loopbackAddress(), port: 5310 };
const resolvers = {
  unbound: { address: loopbackAddress(), port: 5311 },
  powerdns: { address: loopbackAddress(), port: 5312 },
};
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
  const own = Object.values(resolvers).map(({ address }) => ({
    networks: [address],
    location: NEAR[RESOLVER_REGION],
  }));
  const placed = world.placed.map(({ prefix, region }) => ({
    networks: [formatPrefix(prefix)],
    location: NEAR[region],
  }));
  return [...placed, ...own];
}

type Question = (typeof NAMES)[number] & {
  /** What the client tells its resolver: all of its address, or nothing in either way. */
  readonly told: Prefix | undefined;
  /** What decides, of which the resolver may send more or less; undefined = its own place. */
  readonly sent: Prefix | undefined;
};

/** Clients that want to stay unknown, by no option and by SOURCE 0 (RFC 7871 7.1.2), again and again. */
const QUIET = Array.from({ length: 10 }, () => [undefined, parsePrefix('0.0.0.0/0')!]).flat();

function questionsOf(bits: Bits): Question[] {
  const clients = [
    ...world.clients.map((client) => ({
      told: networkOf(client, FULL[client.family]),
      sent: networkOf(client, bits[client.family]),
    })),
    ...QUIET.map((told) => ({ told, sent: undefined })),
  ];
  return NAMES.flatMap((each) => clients.map((client) => ({ ...each, ...client })));
}

type Judged = { readonly resolver: Place; readonly bits: Bits };

/** Forgetful caches may ask again. */
async function judge(t: TestContext, { resolver, bits }: Judged, isForgetful = false) {
  const { plane } = fixture.node;
  const socket = await openSocket(t, resolver.address);
  const questions = questionsOf(bits);
  const wanted = new Map<Question, string>();
  const networks = new Set<string>();
  for (const question of questions) {
    wanted.set(question, await expected(question, resolver));
    if (question.sent === undefined) continue;
    const { data, scope } = await socket.ask(meridian, question, question.sent);
    assert.equal(data, wanted.get(question), `seed ${SEED}: ${textOf(question)}, asked directly`);
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
      assert.equal(data, wanted.get(question), what);
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

const textOf = ({ name, type, told, sent }: Question): string => {
  const [client, network] = [told, sent].map((prefix) => (prefix ? formatPrefix(prefix) : '-'));
  return `${name} ${type} for ${client} (${network})`;
};

/** By explanation and by list, which must agree. */
async function expected(question: Question, resolver: Place): Promise<string> {
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

type Answer = { readonly data: string; readonly scope: number };
type Socket = {
  ask(server: Place, question: Question, subnet: Prefix | undefined): Promise<Answer>;
};

const TIMEOUT_MS = 10_000;

/** One question at a time, in the order of the draw. */
async function openSocket(t: TestContext, address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  t.after(() => socket.close());
  let id = 0;
  let hear: (bytes: Uint8Array) => void = () => {};
  socket.on('message', (bytes) => hear(bytes));
  return {
    async ask(server, question, subnet) {
      id = (id + 1) % 65_536;
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const timer = setTimeout(
        () => reject(new Error(`no answer: seed ${SEED}, ${textOf(question)}`)),
        TIMEOUT_MS,
      );
      hear = (bytes) => {
        const decoded = decodeMessage(bytes);
        if (!decoded.ok || decoded.message.id !== id) return;
        const { answer, edns, rcode } = decoded.message;
        const data = rcode === 0 ? answer.map(({ text }) => text).join() : `RCODE ${rcode}`;
        resolve({ data, scope: edns?.ecs?.scope ?? -1 });
      };
      socket.send(queryOf(id, question, subnet), server.port, server.address);
      return promise.finally(() => clearTimeout(timer));
    },
  };
}

/** RD, as clients of resolvers ask. */
function queryOf(id: number, { name, type }: Question, subnet: Prefix | undefined): Uint8Array {
  const question = [...wireName(name), ...word(TYPES[type]), 0, 1];
  const options = subnet === undefined ? [] : subnetOption(subnet);
  return buildQuery({ id, flags: 0x0100, question, records: [opt(options)] });
}

function subnetOption({ address, length }: Prefix): number[] {
  const octets = [...address.bytes.subarray(0, Math.ceil(length / 8))];
  return ecs(address.family === 4 ? 1 : 2, length, 0, octets);
}

const stubs = [
  'stub-zone:',
  `  name: ${ZONE}`,
  `  stub-addr: ${meridian.address}@${meridian.port}`,
];

async function withUnbound(t: TestContext, lines: readonly string[]): Promise<Place> {
  const place = resolvers.unbound;
  const unbound = await startUnbound({
    place,
    // Never asked: all questions are of the stub's zone.
    root: { name: 'a.root.', address: meridian.address },
    lines: [
      'module-config: "subnetcache validator iterator"',
      `outgoing-interface: ${place.address}`,
      // It would ask for each step towards a name, and again for each client network.
      'qname-minimisation: no',
      ...lines,
    ],
    clauses: stubs,
  });
  t.after(unbound.stop);
  return place;
}

/** By default it keeps 100 networks of a name. */
const UNBOUND_KEEPS_ALL = ['max-ecs-tree-size-ipv4: 10000', 'max-ecs-tree-size-ipv6: 10000'];

test('unbound, with whole addresses', async (t) => {
  const resolver = await withUnbound(t, [
    'client-subnet-always-forward: yes',
    'max-client-subnet-ipv4: 32',
    'max-client-subnet-ipv6: 128',
    ...UNBOUND_KEEPS_ALL,
  ]);
  await judge(t, { resolver, bits: FULL });
});

test('unbound, with what resolvers usually send, and little room', async (t) => {
  const resolver = await withUnbound(t, [`client-subnet-zone: ${ZONE}`]);
  await judge(t, { resolver, bits: USUAL }, true);
});

async function withPowerdns(t: TestContext, lines: readonly string[]): Promise<Place> {
  const place = resolvers.powerdns;
  const subnets = ['use-incoming-edns-subnet=yes', `edns-subnet-allow-list=${ZONE}`];
  const options = { place, zone: ZONE, server: meridian, lines: [...subnets, ...lines] };
  const powerdns = await startPowerdns(options);
  t.after(powerdns.stop);
  return place;
}

test('PowerDNS Recursor, with whole addresses', async (t) => {
  const resolver = await withPowerdns(t, [
    ...['ecs-ipv4-bits=32', 'ecs-ipv4-cache-bits=32'],
    ...['ecs-ipv6-bits=128', 'ecs-ipv6-cache-bits=128'],
  ]);
  await judge(t, { resolver, bits: FULL });
});

test('PowerDNS Recursor, with what resolvers usually send', async (t) => {
  const resolver = await withPowerdns(t, []);
  await judge(t, { resolver, bits: USUAL });
});
