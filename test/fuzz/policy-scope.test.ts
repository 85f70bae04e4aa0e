import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { distanceKm } from '../../src/geo/distance.ts';
import type { Location } from '../../src/geo/location.ts';
import { NOWHERE, type WordOf, wordOf, writeExceptions } from '../../src/health/health-words.ts';
import { type Address, formatAddress, parseAddress, privateScope } from '../../src/ip/address.ts';
import { formatPrefix, networkOf, type Prefix } from '../../src/ip/prefix.ts';
import { candidateOf, decideState } from '../../src/nameserver/answer.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { type Explanation, explain } from '../../src/nameserver/explain.ts';
import { mapAt } from '../../src/nameserver/map-table.ts';
import { setHealth } from '../../src/nameserver/worker-state.ts';
import { clientOf } from '../../src/steering/client-facts.ts';
import { type Decision, decide } from '../../src/steering/decide.ts';
import { compilePolicy, preferenceOf, readsPlace } from '../../src/steering/policy.ts';
import {
  arbitraryAddress,
  edgesOf,
  fuzzParameters,
  toAddress,
  toBigInt,
} from '../ip/range-oracle.ts';
import { ask, startWorker } from '../nameserver/fixture.ts';
import { fuzzHits } from './effort.ts';
import { configOf, geoOf, NAME, networksOf, type World, worlds } from './policy-worlds.ts';

/**
 * The promise of the scope, for every kind of policy. Whoever is in the network that an answer is good for could have
 * had that answer at that instant: the same possible answers, and the same part of the clients where they stay in
 * parts. What is possible is found address by address from the lists that people wrote, not from the tables that
 * queries are answered from. Clients stand at the ends of all networks that somebody named, of private ones, of
 * those that carry IPv4 addresses, and anywhere in the scope.
 */
type Found = {
  readonly who: string;
  readonly answer: string;
  readonly scope: number;
  readonly said: Explanation;
  /** What the client may be answered, part and all. */
  readonly part: string;
  readonly possible: ReadonlySet<string>;
};

/** A name that is served, and what it is made of. */
function serve(world: World) {
  const [config, geo] = [configOf(world), geoOf(world)];
  const compiled = compileSnapshot(config, geo, 1, 1);
  assert.ok(compiled.ok);
  const { snapshot } = compiled;
  const health = {
    words: Uint32Array.from(world.words),
    exceptions: writeExceptions([world.exception]),
  };
  const worker = startWorker(snapshot);
  setHealth(worker, health, snapshot.generation);
  const map = mapAt(snapshot.maps, 0);
  const policy = compilePolicy(map.chain);
  const candidates = map.candidates.map((endpoint) => candidateOf(snapshot, endpoint));
  const places = Object.values(config.regions).map(({ location }) => location);
  const { nowMs, resolver } = world;
  const word: WordOf = wordOf(health);
  return {
    /** Without any map. */
    decisionFor(address: Address): Decision {
      const client = clientOf(geo, policy, undefined, address);
      const near = readsPlace(policy) ? nearest(places, client.location) : NOWHERE;
      const state = decideState(map, { near, variant: 0 }, word, {}, nowMs);
      return decide(policy, preferenceOf(policy, candidates, client), state);
    },
    answerTo(client: Address) {
      const subnet = hostText(client);
      const { data, scope } = ask(worker, NAME, 'A', { resolver, subnet, nowMs });
      return { answer: data.join(' '), scope: scope! };
    },
    explainFor(client: Address): Explanation {
      const question = { name: NAME, client: formatAddress(client), resolver };
      const said = explain({ snapshot, health, geo }, question, nowMs);
      assert.ok('draw' in said);
      return said;
    },
    addressesOf: (endpoints: readonly number[]): string =>
      endpoints
        .flatMap((endpoint) => snapshot.endpoints[endpoint]!.v4)
        .map((bytes) => formatAddress({ family: 4, bytes }))
        .join(' '),
    sorry: map.sorry4.map((bytes) => formatAddress({ family: 4, bytes })).join(' '),
    resolver: parseAddress(resolver)!,
  };
}
type Served = ReturnType<typeof serve>;

const hostText = (address: Address): string =>
  formatPrefix({ address, length: address.bytes.length * 8 });

function nearest(places: readonly Location[], from: Location | undefined): number {
  const far = places.map((place) => (from && distanceKm(from, place)) ?? Infinity);
  const least = Math.min(...far);
  return least === Infinity ? NOWHERE : far.indexOf(least);
}

function find(served: Served, client: Address): Found {
  const { answer, scope } = served.answerTo(client);
  const said = served.explainFor(client);
  const isPrivate = privateScope(client.family, client.bytes, 0) >= 0;
  const { outcomes, stages } = served.decisionFor(isPrivate ? served.resolver : client);
  const who = formatAddress(client);
  assert.deepEqual(
    said.outcomes.map(({ endpoints, share }) => `${endpoints} ${share.toFixed(9)}`),
    outcomes.length === 0
      ? [` ${(1).toFixed(9)}`]
      : outcomes.map(
          (each) => `${each.candidates.map(({ name }) => name)} ${each.share.toFixed(9)}`,
        ),
    `${who}: the classes of the map are those of the lists`,
  );
  assert.equal(said.scope.prefixLength, scope, who);
  if (isPrivate) assert.equal(scope, privateScope(client.family, client.bytes, 0), who);
  const part = said.draw!.part.name;
  const own = stages[0]!.parts.find(({ key }) => key === part);
  assert.ok(own !== undefined && stages.length === 1, `${who} is in the part "${part}"`);
  const lists = own.outcomes.map(({ candidates }) =>
    served.addressesOf(candidates.map(({ endpoint }) => endpoint)),
  );
  const possible = new Set(lists.length === 0 ? [served.sorry] : lists);
  assert.ok(possible.has(answer), `${who} got ${answer}, not one of ${[...possible].join(', ')}`);
  return { who, answer, scope, said, part, possible };
}

/** Both sides of the ends of all networks, and IPv4 clients as they are carried; so many of them as are drawn. */
function pointsOf(world: World, bits: 32 | 128, random: readonly bigint[], at: () => number) {
  const named = networksOf(world);
  const edges = edgesOf(named, bits).map((value) => toAddress(value, bits));
  const carried = edgesOf(named, 32).flatMap((value) => {
    const text = formatAddress(toAddress(value, 32));
    return [`::ffff:${text}`, `64:ff9b::${text}`].map((each) => parseAddress(each)!);
  });
  const all = bits === 32 ? edges : [...edges, ...carried];
  const drawn = all.map((address) => ({ address, at: at() })).sort((a, b) => a.at - b.at);
  const some = drawn.slice(0, POINTS_MAX).map(({ address }) => address);
  return [...some, ...random.map((value) => toAddress(value, bits))];
}
const POINTS_MAX = 60;

const isIn = ({ address, length }: Prefix, other: Address): boolean => {
  const shift = BigInt(other.bytes.length * 8 - length);
  return toBigInt(other) >> shift === toBigInt(address) >> shift;
};

/** Anywhere in a network. */
function within({ address, length }: Prefix, draw: bigint): Address {
  const bits = address.bytes.length * 8;
  const room = (1n << BigInt(bits - length)) - 1n;
  return toAddress(toBigInt(address) + (draw & room), bits);
}

/** How often the test came across what it is about. */
type Tally = { others: number; inParts: number; lengthened: number; private: number };

function checkWorld(
  world: World,
  bits: 32 | 128,
  random: readonly bigint[],
  tally: Tally,
  at: () => number,
) {
  const served = serve(world);
  const points = pointsOf(world, bits, random, at);
  const known = new Map<string, Found>();
  const foundAt = (address: Address): Found => {
    const found = known.get(formatAddress(address)) ?? find(served, address);
    known.set(found.who, found);
    return found;
  };
  const seen = new Set<string>();
  for (const address of points) {
    const found = foundAt(address);
    const network = networkOf(address, found.scope);
    const text = formatPrefix(network);
    if (seen.has(text)) continue;
    seen.add(text);
    if (found.said.scope.why.includes('one part of the class')) tally.lengthened += 1;
    if (found.said.scope.why.includes('private')) tally.private += 1;
    const others = points.filter((each) => each !== address && isIn(network, each));
    for (const other of [...others, within(network, BigInt(at()) ** 4n)]) {
      const theirs = foundAt(other);
      const who = `${theirs.who} has the scope of ${text}`;
      assert.equal(theirs.part, found.part, who);
      assert.deepEqual([...theirs.possible].sort(), [...found.possible].sort(), who);
      assert.ok(theirs.possible.has(found.answer), who);
      tally.others += 1;
      if (found.said.draw!.part.of > 1) tally.inParts += 1;
    }
  }
}

const RUNS = 24;
/** Of each at least so many in a world, on the average. */
const EACH_RUN: Tally = { others: 60, inParts: 10, lengthened: 4, private: 4 };

test('whoever is in the scope of an answer could have had it, and is in the same part', () => {
  const random = fc.tuple(
    fc.array(arbitraryAddress(32), { minLength: 8, maxLength: 8 }),
    fc.array(arbitraryAddress(128), { minLength: 8, maxLength: 8 }),
  );
  const draws = fc.infiniteStream(fc.nat());
  const tally: Tally = { others: 0, inParts: 0, lengthened: 0, private: 0 };
  fc.assert(
    fc.property(worlds, random, draws, (world, [four, six], drawn) => {
      const at = (): number => drawn.next().value!;
      checkWorld(world, 32, four, tally, at);
      checkWorld(world, 128, six, tally, at);
    }),
    fuzzParameters(RUNS),
  );
  for (const [what, least] of Object.entries(EACH_RUN)) {
    const found = tally[what as keyof Tally];
    assert.ok(found > fuzzHits(RUNS, RUNS) * least, `${what}: only ${found}`);
  }
});
