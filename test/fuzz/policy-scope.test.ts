import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Address, formatAddress, parseAddress } from '../../src/ip/address.ts';
import { formatPrefix, networkOf, type Prefix } from '../../src/ip/prefix.ts';
import {
  arbitraryAddress,
  edgesOf,
  fuzzParameters,
  toAddress,
  toBigInt,
} from '../ip/range-oracle.ts';
import { fuzzHits } from './effort.ts';
import { networksOf, type World, worlds } from './policy-worlds.ts';
import { type Found, find, serve } from './served-policy.ts';

/**
 * The promise of the scope, for every kind of policy. Whoever is in the network that an answer is good for could have
 * had that answer at that instant: the same possible answers, and the same part of the clients where they stay in
 * parts. What is possible is found address by address from the lists that people wrote, not from the tables that
 * queries are answered from. Clients stand at the ends of all networks that somebody named, of private ones, of
 * those that carry IPv4 addresses, and anywhere in the scope. How wide scopes are is in policy-width.test.ts.
 */

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
type Tally = {
  others: number;
  inParts: number;
  returning: number;
  lengthened: number;
  private: number;
};

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
      if (found.isBucketed) tally.inParts += 1;
      else if (found.said.draw!.part.of > 1) tally.returning += 1;
    }
  }
}

const RUNS = 24;
/** Of each at least so many in a world, on the average. */
const EACH_RUN: Tally = { others: 60, inParts: 10, returning: 2, lengthened: 4, private: 4 };

test('whoever is in the scope of an answer could have had it, and is in the same part', () => {
  const random = fc.tuple(
    fc.array(arbitraryAddress(32), { minLength: 8, maxLength: 8 }),
    fc.array(arbitraryAddress(128), { minLength: 8, maxLength: 8 }),
  );
  const draws = fc.infiniteStream(fc.nat());
  const tally: Tally = { others: 0, inParts: 0, returning: 0, lengthened: 0, private: 0 };
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
