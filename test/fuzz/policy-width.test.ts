import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Address, formatAddress, privateScope } from '../../src/ip/address.ts';
import { steeringSteps } from '../../src/steering/steps/registry.ts';
import { edgesOf, fuzzParameters, toAddress, toBigInt } from '../ip/range-oracle.ts';
import { fuzzHits } from './effort.ts';
import { networksOf, type World, worlds } from './policy-worlds.ts';
import { CARRIERS, find, privateBlockOf, type ServedPolicy, serve } from './served-policy.ts';

/**
 * That scopes are the widest correct ones, for every kind of policy. The scope of an answer is, to the bit:
 *
 *   a private client           its private block (RFC 7871 11.1): its resolver decided
 *   one answer for the class   the widest network around the client in which everybody is of its class, and nobody
 *                              private where others are not
 *   by part of the clients     the same, but no wider than the network that is always in one part: an IPv4 /24, an
 *                              IPv6 /48; in ::/48, where all kinds of addresses lie, the /120 of a mapped client,
 *                              and any other address alone
 *
 * One bit less and somebody of another class, or of another part as soon as shares are others, would be in it. A /23
 * of which both halves happen to be in one part now is no exception: its scope would be another one with every
 * change of shares. What clients are answered changes only at the ends of networks that
 * somebody named: who has asked for both sides of each end has asked for everybody.
 */
type Point = { readonly address: Address; readonly value: bigint; readonly kind: string };

const BITS = [32, 128] as const;
type Bits = (typeof BITS)[number];

/** Both sides of all ends that there are, in order. */
function addressesOf(world: World, bits: Bits): readonly Address[] {
  const carriers = CARRIERS.map(({ prefix }) => prefix);
  const named = [...networksOf(world), ...carriers];
  const own = edgesOf(named, bits).map((value) => toAddress(value, bits));
  const inside = bits === 32 ? [] : edgesOf(named, 32).flatMap(carriedIn);
  const most = (1n << BigInt(bits)) - 1n;
  const all = [toAddress(0n, bits), toAddress(most, bits), ...own, ...inside];
  const distinct = new Map(all.map((address) => [toBigInt(address), address]));
  return [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => address);
}

/** The first and the last address that carries this one, in each network of such. */
function carriedIn(value: bigint): readonly Address[] {
  return CARRIERS.flatMap(({ at, prefix }) => {
    const shift = BigInt(8 * (12 - at));
    const first = toBigInt(prefix.address) + (value << shift);
    return [first, first + (1n << shift) - 1n].map((each) => toAddress(each, 128));
  });
}

/** Where nobody is told apart from anybody, private clients need no border: they get the same. */
function pointsOf(served: ServedPolicy, world: World): Readonly<Record<Bits, readonly Point[]>> {
  const found = BITS.map((bits) =>
    addressesOf(world, bits).map((address) => ({
      address,
      value: toBigInt(address),
      block: privateBlockOf(address),
      kind: served.lists.kindOf(address),
    })),
  );
  const isUniform = new Set(found.flat().map(({ kind }) => kind)).size === 1;
  const [four = [], six = []] = found.map((points) =>
    points.map(({ block, kind, ...rest }) => ({
      ...rest,
      kind: isUniform ? kind : `${kind} ${block}`,
    })),
  );
  return { 32: four, 128: six };
}

/** The length of the widest network around each point in which all are of its kind. */
function widths(points: readonly Point[], bits: Bits): readonly number[] {
  const lengths = points.map(() => 0);
  const look = (order: readonly number[]): void => {
    let before: Point | undefined;
    let other: Point | undefined;
    for (const index of order) {
      const point = points[index]!;
      if (before !== undefined && before.kind !== point.kind) other = before;
      if (other !== undefined) {
        lengths[index] = Math.max(lengths[index]!, commonBits(point.value, other.value, bits) + 1);
      }
      before = point;
    }
  };
  look([...points.keys()]);
  look([...points.keys()].reverse());
  return lengths;
}

const commonBits = (a: bigint, b: bigint, bits: Bits): number =>
  bits - (a ^ b).toString(2).replace(/^0$/, '').length;

/** Of an address, the network that is in one part of the clients, whatever shares become. */
function bucketLength({ bytes, family }: Address): number {
  if (family === 4) return 24;
  if (bytes.subarray(0, 6).some((octet) => octet !== 0)) return 48;
  const isMapped = /^::ffff:[0-9.]+$/.test(formatAddress({ bytes, family }));
  return isMapped ? 120 : 128;
}

/** How often the test came across what it is about. */
type Tally = { scopes: number; classes: number; buckets: number; beyond: number; private: number };

function checkWorld(world: World, tally: Tally): void {
  const served = serve(world);
  const points = pointsOf(served, world);
  for (const bits of BITS) {
    const lengths = widths(points[bits], bits);
    for (const [index, { address }] of points[bits].entries()) {
      const { isBucketed, scope, who } = find(served, address);
      const block = privateScope(address.family, address.bytes, 0);
      const width = lengths[index]!;
      const bucket = isBucketed ? bucketLength(address) : 0;
      assert.equal(scope, block < 0 ? Math.max(width, bucket) : block, `the scope for ${who}`);
      tally.scopes += 1;
      if (block >= 0) tally.private += 1;
      else if (!isBucketed && width > 0) tally.classes += 1;
      else if (isBucketed && width < bucket) tally.buckets += 1;
      else if (isBucketed) tally.beyond += 1;
    }
  }
}

const RUNS = 16;
/** Of each at least so many in a world, on the average. */
const EACH_RUN: Tally = { scopes: 100, classes: 15, buckets: 2, beyond: 0.2, private: 10 };

test('every scope is as wide as it may be, whatever the policy', () => {
  const tally: Tally = { scopes: 0, classes: 0, buckets: 0, beyond: 0, private: 0 };
  fc.assert(
    fc.property(worlds, (world) => checkWorld(world, tally)),
    fuzzParameters(RUNS),
  );
  for (const [what, least] of Object.entries(EACH_RUN)) {
    const found = tally[what as keyof Tally];
    assert.ok(found > fuzzHits(RUNS, RUNS) * least, `${what}: only ${found}`);
  }
});

const SAMPLES = 300;

test('the drawn policies have every kind of step', () => {
  const drawn = fc.sample(worlds, { ...fuzzParameters(SAMPLES), numRuns: SAMPLES });
  const kinds = new Set(
    drawn.flatMap(({ chain, other, third }) =>
      [...chain, ...other, ...third].map(({ kind }) => kind),
    ),
  );
  const missing = steeringSteps.map(({ kind }) => kind).filter((kind) => !kinds.has(kind));
  assert.deepEqual(missing, [], 'steps that policy-worlds.ts does not draw');
});
