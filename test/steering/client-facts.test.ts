import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { composeGeo, type GeoDatabase } from '../../src/geo/database.ts';
import { createSystemNumbers, type SystemTable } from '../../src/geo/systems.ts';
import { type Address, formatAddress, parseAddress } from '../../src/ip/address.ts';
import { containsAddress, formatPrefix, type Prefix, parsePrefix } from '../../src/ip/prefix.ts';
import { buildPrefixTable, lookupAddress, rangeValueOf } from '../../src/ip/prefix-table.ts';
import { overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import { clientFacts, clientOf } from '../../src/steering/client-facts.ts';
import type { NetworkSet } from '../../src/steering/step.ts';
import {
  arbitraryAddress,
  arbitraryPrefix,
  edgesOf,
  fuzzParameters,
  toAddress,
} from '../ip/range-oracle.ts';
import { places } from './places.ts';

/** No layer over the places. */
const NOTHING = new Set<never>();

/** What is known of clients: by ranges for maps, by address for explanations, and by reading lists. */
type Facts = {
  readonly placed: readonly Prefix[];
  readonly systems: readonly { readonly prefix: Prefix; readonly value: number }[];
  readonly known: readonly number[];
  readonly sets: readonly NetworkSet[];
};

const LOCATIONS = [places.virginia, places.frankfurt, places.singapore];
const SYSTEMS = [64496, 64497, 64498, 4_200_000_000];

function systemTable(networks: Facts['systems']): SystemTable {
  const { indexOf, systems } = createSystemNumbers();
  const overlays = networks.map(({ prefix, value }) => ({
    prefix,
    value: indexOf({ number: SYSTEMS[value % SYSTEMS.length]!, name: '' }),
  }));
  return { systems, ranges: overlayPrefixes(uniformRanges(0), overlays) };
}

function geoOf({ placed, systems }: Facts): GeoDatabase {
  const overrides = placed.map((prefix, index) => ({
    networks: [formatPrefix(prefix)],
    location: LOCATIONS[index % LOCATIONS.length]!,
  }));
  return { ...composeGeo([], overrides), systems: systemTable(systems) };
}

/** IPv6 addresses that carry an IPv4 address are that client. */
function own(address: Address): Address {
  const text = formatAddress(address);
  const [, mapped] = /^::ffff:([0-9.]+)$/.exec(text) ?? [];
  if (mapped !== undefined) return parseAddress(mapped)!;
  const { bytes } = address;
  const carried = (from: number): Address => ({ family: 4, bytes: bytes.slice(from, from + 4) });
  if (containsAddress(parsePrefix('2002::/16')!, address)) return carried(2);
  return containsAddress(parsePrefix('64:ff9b::/96')!, address) ? carried(12) : address;
}

/** The value of the longest network around an address, the last of equals; 0 = of none. */
function longest(set: NetworkSet, address: Address): number {
  let best: NetworkSet[number] | undefined;
  for (const each of set) {
    if (!containsAddress(each.prefix, own(address))) continue;
    if (best === undefined || each.prefix.length >= best.prefix.length) best = each;
  }
  return best?.value ?? 0;
}

const network = fc.oneof(arbitraryPrefix(32), arbitraryPrefix(128));
const set = fc.array(fc.record({ prefix: network, value: fc.integer({ min: 1, max: 4 }) }), {
  minLength: 1,
  maxLength: 6,
});
const facts: fc.Arbitrary<Facts> = fc.record({
  placed: fc.array(network, { maxLength: 6 }),
  systems: fc.array(fc.record({ prefix: network, value: fc.nat(3) }), { maxLength: 6 }),
  known: fc.subarray([...SYSTEMS, 7]),
  sets: fc.array(set, { maxLength: 3 }),
});
const addresses = fc.tuple(
  fc.array(arbitraryAddress(32), { minLength: 10, maxLength: 10 }),
  fc.array(arbitraryAddress(128), { minLength: 10, maxLength: 10 }),
);

function checkFacts(drawn: Facts, at: readonly Address[]): number {
  const geo = geoOf(drawn);
  const policy = { networks: drawn.sets, systems: new Set(drawn.known), reads: NOTHING };
  const { clientAt, count, isLocated, ranges } = clientFacts(geo, policy, undefined);
  const table = buildPrefixTable(ranges);
  for (const address of at) {
    const number = rangeValueOf(lookupAddress(table, address));
    assert.ok(number < count);
    const client = clientAt(number);
    const text = formatAddress(address);
    assert.deepEqual(client, clientOf(geo, policy, undefined, address), text);
    assert.equal(isLocated(number), client.location !== undefined, text);
    const placed = drawn.placed.map((prefix, index) => ({ prefix, value: index + 1 }));
    const place = longest(placed, address);
    const location = place === 0 ? undefined : LOCATIONS[(place - 1) % LOCATIONS.length];
    assert.deepEqual(client.location, location, text);
    const numbers = drawn.systems.map(({ prefix, value }) => ({ prefix, value: SYSTEMS[value]! }));
    const system = longest(numbers, address);
    assert.equal(client.system, drawn.known.includes(system) ? system : 0, text);
    assert.deepEqual(
      client.marks,
      drawn.sets.map((each) => longest(each, address)),
      text,
    );
  }
  return count;
}

test('clientFacts(), clientOf() and the lists themselves agree on every client', () => {
  let most = 0;
  fc.assert(
    fc.property(facts, addresses, (drawn, [four, six]) => {
      const prefixes = [
        ...drawn.placed,
        ...drawn.systems.map(({ prefix }) => prefix),
        ...drawn.sets.flat().map(({ prefix }) => prefix),
      ];
      const at = ([32, 128] as const).flatMap((bits) =>
        [...(bits === 32 ? four : six), ...edgesOf(prefixes, bits)].map((value) =>
          toAddress(value, bits),
        ),
      );
      // As IPv4 clients stand in the addresses of others.
      const carried = at
        .filter(({ family }) => family === 4)
        .flatMap((address) => {
          const text = formatAddress(address);
          return [`::ffff:${text}`, `64:ff9b::${text}`].map((each) => parseAddress(each)!);
        });
      most = Math.max(most, checkFacts(drawn, [...at, ...carried]));
    }),
    fuzzParameters(120),
  );
  assert.ok(most > 12, `${most} kinds of clients at most`);
});

test('a policy that goes by places alone has the ranges of the places, untouched', () => {
  const geo = geoOf({ placed: [parsePrefix('80.0.0.0/8')!], systems: [], known: [], sets: [] });
  const { clientAt, count, isLocated, ranges } = clientFacts(
    geo,
    { networks: [], systems: new Set(), reads: NOTHING },
    undefined,
  );
  assert.equal(ranges, geo.ranges);
  assert.deepEqual([count, isLocated(0), isLocated(1)], [2, false, true]);
  assert.deepEqual(clientAt(0), { location: undefined, system: 0, marks: [] });
  assert.deepEqual(clientAt(1), { location: places.virginia, system: 0, marks: [] });
});

test('systems that nobody tells apart do not part the world', () => {
  const systems = ['16.0.0.0/8', '80.0.0.0/8', '81.0.0.0/8'].map((text, value) => ({
    prefix: parsePrefix(text)!,
    value,
  }));
  const geo = geoOf({ placed: [], systems, known: [], sets: [] });
  const counts = [[], [1], [64497], [64497, 64498]].map(
    (known) =>
      clientFacts(geo, { networks: [], systems: new Set(known), reads: NOTHING }, undefined).count,
  );
  assert.deepEqual(counts, [1, 1, 2, 3]);
});
