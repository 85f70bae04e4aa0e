import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { layerWithWays } from '../../src/clients/latency-layer.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import { composeGeo, type GeoDatabase, type GeoOverride } from '../../src/geo/database.ts';
import { distanceKm } from '../../src/geo/distance.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { formatPrefix, type Prefix } from '../../src/ip/prefix.ts';
import { clientOf } from '../../src/steering/client-facts.ts';
import { decide } from '../../src/steering/decide.ts';
import { createMapWorld, type MapSubject, type MapWorld } from '../../src/steering/map-chart.ts';
import { type MapReport, reportMap } from '../../src/steering/map-report.ts';
import { compilePolicy, preferenceOf } from '../../src/steering/policy.ts';
import type { Candidate, Chain } from '../../src/steering/step.ts';
import {
  arbitraryPrefix,
  edgesOf,
  fuzzParameters,
  networksOf,
  type Segment,
  toAddress,
} from '../ip/range-oracle.ts';
import { chainOf } from './deciding.ts';
import { candidate, places, stateOf, three } from './places.ts';

const OPTIONS = { margin: { km: 100, ms: 10 }, networksMax: 10, nowMs: 0 };
const NEAREST = chainOf('healthy', { kind: 'nearest', options: { toleranceKm: 0 } }, 'first');

const subjectOf = (
  world: MapWorld,
  chain: Chain = NEAREST,
  candidates: readonly Candidate[] = three,
): MapSubject => ({ world, policy: compilePolicy(chain), candidates, clientRegions: [] });
const worldOf = (...overrides: readonly GeoOverride[]): MapWorld =>
  createMapWorld(composeGeo([], overrides), undefined);
const percent = (part: number): number => Math.round(part * 1e4) / 100;
const sharesIn = ({ regions }: MapReport): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(
    regions.map(({ region, share }) => [region, [percent(share.ipv4), percent(share.ipv6)]]),
  );

/** 2^28 IPv4 addresses in New York, 2^28 in Paris, 2^29 in Tokyo. */
const world = worldOf(
  { networks: ['16.0.0.0/4', '2600::/12'], location: places.newYork },
  { networks: ['80.0.0.0/4', '2a00::/12', '2a10::/13'], location: places.paris },
  { networks: ['128.0.0.0/3', '2400::/12'], location: places.tokyo },
);

test('a report has the share of every region, those of nobody too', () => {
  const report = reportMap(subjectOf(world), OPTIONS);
  assert.deepEqual(sharesIn(report), {
    singapore: [50, 25],
    virginia: [25, 25],
    frankfurt: [25, 50],
  });
  assert.equal(report.located.ipv4Share, 0.25);
  assert.equal(report.located.ipv6Networks, 4);
  assert.equal(report.places, 3);
  assert.equal(report.classes, 3);
  assert.equal(report.locationsWithoutClass, 0);
  assert.deepEqual(report.unlocated, [{ region: 'virginia', share: 1 }]);
  assert.equal(report.changes, undefined);
  assert.equal(report.untilMs, undefined);
  const standby = chainOf('healthy', { kind: 'failover', options: { regions: ['frankfurt'] } });
  const alone = reportMap(subjectOf(world, [...standby, ...chainOf('first')]), OPTIONS);
  assert.deepEqual(sharesIn(alone), {
    frankfurt: [100, 100],
    virginia: [0, 0],
    singapore: [0, 0],
  });
  assert.deepEqual(alone.regions[0]!.scopes, { ipv4: 1, ipv6: 1 });
});

test('addresses that are answered by one that they carry are not counted', () => {
  const carried = worldOf(
    { networks: ['80.0.0.0/4', '2a00::/12', '2002::/16'], location: places.paris },
    { networks: ['2400::/12', '64:ff9b::/96', '2002:5000::/20'], location: places.tokyo },
  );
  const standby = chainOf('healthy', { kind: 'failover', options: { regions: ['virginia'] } });
  const { changes, located, regions } = reportMap(
    subjectOf(carried),
    OPTIONS,
    subjectOf(carried, standby),
  );
  assert.equal(located.ipv6Networks, 2);
  assert.equal(regions.find(({ region }) => region === 'singapore')!.share.ipv6, 0.5);
  assert.deepEqual(
    changes!.networks.map(({ network }) => network),
    ['80.0.0.0/4', '2400::/12', '2a00::/12'],
  );
});

test('regions that share clients have their weights, and reach all of them', () => {
  const list = [
    candidate(0, 'virginia', places.virginia, 3),
    candidate(1, 'frankfurt', places.frankfurt, 1),
  ];
  const chain = chainOf('healthy', 'weighted', 'first');
  const { classes, regions } = reportMap(subjectOf(world, chain, list), OPTIONS);
  assert.equal(classes, 1);
  assert.deepEqual(
    regions.map(({ reach, region, share }) => [region, share.ipv4, reach.ipv4]),
    [
      ['virginia', 0.75, 1],
      ['frankfurt', 0.25, 1],
    ],
  );
});

test('close choices come with their networks, places and pairs', () => {
  const [virginia, frankfurt] = [places.virginia, places.frankfurt];
  const middle = { latitude: 53.5, longitude: -39.3, country: 'GL' };
  const [near, far] = [distanceKm(middle, virginia)!, distanceKm(middle, frankfurt)!];
  assert.ok(Math.abs(near - far) < 90, `${near} and ${far}`);
  const own = worldOf(
    { networks: ['16.0.0.0/8', '2600::/16'], location: places.newYork },
    { networks: ['80.0.0.0/9', '81.0.0.0/9', '2a00::/16'], location: middle },
  );
  const { close } = reportMap(subjectOf(own), OPTIONS);
  assert.deepEqual(close.share, { ipv4: 0.5, ipv6: 0.5 });
  assert.deepEqual(close.pairs, [{ regions: ['frankfurt', 'virginia'], share: close.share }]);
  assert.deepEqual(
    close.networks.map(({ ipv4Share, network, place }) => [network, place, ipv4Share]),
    [
      ['80.0.0.0/9', 'Greenland', 0.25],
      ['81.0.0.0/9', 'Greenland', 0.25],
      ['2a00::/16', 'Greenland', undefined],
    ],
  );
  const [{ best, bestWay, difference, secondWay, unit }] = close.networks as [
    (typeof close.networks)[number],
  ];
  assert.deepEqual(
    [best, unit, bestWay, secondWay],
    near < far ? ['virginia', 'km', near, far] : ['frankfurt', 'km', far, near],
  );
  assert.equal(difference, Math.abs(near - far));
  const none = reportMap(subjectOf(own), { ...OPTIONS, margin: { km: 0, ms: 0 } });
  assert.deepEqual([none.close.share.ipv4, none.close.networks], [0, []]);
});

test('with a latency map, choices are close by what was measured', () => {
  const geo = composeGeo([], [{ networks: ['80.0.0.0/16'], location: places.paris }]);
  const row = (text: string, waysMs: readonly number[]) => ({
    network: networkKey(parseAddress(text)!),
    ...{ order: 0, waysMs, sources: 1 },
  });
  const layer = layerWithWays({
    ...{ generation: 3, madeAtMs: 1, regions: ['virginia', 'frankfurt', 'singapore'] },
    orders: [[0, 1, 2]],
    rows: [row('80.0.2.0', [20, 25]), row('80.0.4.0', [20, 90]), row('99.9.9.0', [20, 25])],
  });
  const chain = chainOf('latency', 'healthy', 'first');
  const { close, regions } = reportMap(subjectOf(createMapWorld(geo, layer), chain), OPTIONS);
  assert.equal(regions.find(({ region }) => region === 'virginia')!.share.ipv4, 2 / 256);
  assert.equal(close.share.ipv4, 1 / 256, 'of what is located');
  assert.deepEqual(
    close.networks.map(({ best, network, second, unit }) => [network, best, second, unit]),
    [['80.0.2.0/24', 'virginia', 'frankfurt', 'ms']],
  );
});

test('against another map, a report tells who goes from where to where', () => {
  const before = worldOf(
    { networks: ['16.0.0.0/4', '2600::/12'], location: places.newYork },
    { networks: ['80.0.0.0/4', '2a00::/12'], location: places.paris },
    { networks: ['96.0.0.0/4'], location: places.paris },
  );
  const now = worldOf(
    { networks: ['16.0.0.0/4', '2600::/12'], location: places.newYork },
    { networks: ['80.0.0.0/5', '2a00::/12'], location: places.paris },
    { networks: ['88.0.0.0/5', '160.0.0.0/4'], location: places.tokyo },
  );
  const { changes } = reportMap(subjectOf(now), OPTIONS, subjectOf(before));
  assert.ok(changes);
  // Of four networks of /4: a half is elsewhere, one has no place any more, one has one now.
  assert.deepEqual(changes.share, { ipv4: 2.5 / 4, ipv6: 0 });
  assert.deepEqual(changes.foundShare, { ipv4: 0.25, ipv6: 0 });
  assert.deepEqual(changes.lostShare, { ipv4: 0.25, ipv6: 0 });
  assert.deepEqual(
    changes.moves.map(({ from, share, to }) => `${from} -> ${to} ${share.ipv4}`),
    ['frankfurt -> virginia 0.25', 'virginia -> singapore 0.25', 'frankfurt -> singapore 0.125'],
  );
  assert.deepEqual(
    changes.networks.map(({ network, place, placeBefore }) => [network, placeBefore, place]),
    [
      ['96.0.0.0/4', 'France', 'an unknown place'],
      ['160.0.0.0/4', 'an unknown place', 'Japan'],
      ['88.0.0.0/5', 'France', 'Japan'],
    ],
  );
  assert.deepEqual(changes.networks[2]!.before, [{ region: 'frankfurt', share: 1 }]);
  assert.deepEqual(changes.networks[2]!.now, [{ region: 'singapore', share: 1 }]);
  assert.equal(changes.nextShare.ipv4, 0);
  assert.equal(changes.unlocatedShare.ipv4, 0);
});

test('a change of what comes behind, and of who has no place, is told apart', () => {
  const to = (...regions: readonly string[]): Chain =>
    chainOf('healthy', { kind: 'failover', options: { regions } }, 'first');
  const [one, two] = [to('virginia', 'frankfurt'), to('virginia', 'singapore')];
  const { changes } = reportMap(subjectOf(world, two), OPTIONS, subjectOf(world, one));
  assert.deepEqual(changes?.share, { ipv4: 0, ipv6: 0 });
  assert.deepEqual(changes.nextShare, { ipv4: 1, ipv6: 1 });
  assert.deepEqual(changes.networks, []);
  // The pool's first region is for those without a place: nobody else sees another one first.
  const reordered = [three[1]!, three[0]!, three[2]!];
  const moved = reportMap(subjectOf(world, NEAREST, reordered), OPTIONS, subjectOf(world)).changes;
  assert.deepEqual([moved?.share.ipv4, moved?.unlocatedShare.ipv4], [0, 1]);
  assert.deepEqual(moved?.networks, [], 'none of which nothing is known');
});

test('a report of a policy that goes by the clock says how long it holds', () => {
  const windows = [{ from: '09:00', to: '17:00' }];
  const chain = chainOf(
    'healthy',
    { kind: 'schedule', options: { windows, regions: ['singapore'] } },
    'first',
  );
  const nowMs = Date.UTC(2026, 10, 18, 12);
  const { regions, untilMs } = reportMap(subjectOf(world, chain), { ...OPTIONS, nowMs });
  assert.equal(regions[0]!.region, 'singapore');
  assert.equal(untilMs, Date.UTC(2026, 10, 18, 17));
});

/* What follows holds for any geo data and policies. */

type Drawn = { readonly placed: readonly Prefix[]; readonly chain: Chain };

const PLACES = [
  // Nearly as far from Frankfurt as from Virginia.
  { latitude: 53.5, longitude: -39.3, country: 'GL' },
  ...[places.newYork, places.paris, places.tokyo, places.frankfurt],
];
/** Where IPv6 addresses carry no others. */
const own6 = arbitraryPrefix(128).map(({ address, length }): Prefix => {
  const bytes = address.bytes.slice();
  bytes[0] = 0x26;
  return { address: { family: 6, bytes }, length: Math.max(8, length) };
});
const network = fc.oneof(arbitraryPrefix(32), own6);
const officeOf = (prefix: Prefix): Chain[number] => ({
  kind: 'subnet',
  options: { rules: [{ networks: [formatPrefix(prefix)], regions: ['singapore'] }] },
});
const chains: fc.Arbitrary<Chain> = fc.oneof(
  fc.constantFrom(
    NEAREST,
    chainOf('healthy', { kind: 'nearest', options: { toleranceKm: 5000 } }, 'weighted', 'first'),
    chainOf(
      'healthy',
      { kind: 'canary', options: { percent: 10, regions: ['frankfurt'] } },
      'nearest',
      'first',
    ),
    chainOf('healthy', { kind: 'nearest', options: { toleranceKm: 5000 } }),
  ),
  network.map((prefix) => [officeOf(prefix), ...NEAREST]),
);
const drawn: fc.Arbitrary<Drawn> = fc.record({
  placed: fc.array(network, { minLength: 1, maxLength: 8 }),
  chain: chains,
});

const geoOf = ({ placed }: Drawn): GeoDatabase =>
  composeGeo(
    [],
    placed.map((prefix, index) => ({
      networks: [formatPrefix(prefix)],
      location: PLACES[index % PLACES.length]!,
    })),
  );

/** What somebody finds out who asks for one address after the other. */
function asked(given: Drawn, geo: GeoDatabase, bits: 32 | 128, at: bigint) {
  const policy = compilePolicy(given.chain);
  const client = clientOf(geo, policy, undefined, toAddress(at, bits));
  const { outcomes } = decide(policy, preferenceOf(policy, three, client), stateOf([]));
  const shares: Record<string, number> = {};
  for (const { candidates, share } of outcomes) {
    for (const { region } of candidates) {
      shares[region] = (shares[region] ?? 0) + share / candidates.length;
    }
  }
  return { client, shares, isLocated: client.location !== undefined };
}

/** The address space between all places where anything begins or ends. */
function stretches(all: readonly Prefix[], bits: 32 | 128): readonly bigint[] {
  return [...new Set([0n, ...edgesOf(all, bits)])].sort((a, b) => (a < b ? -1 : 1));
}

const prefixesOf = ({ chain, placed }: Drawn): readonly Prefix[] => [
  ...placed,
  ...compilePolicy(chain).networks.flatMap((set) => set.map(({ prefix }) => prefix)),
];

type Compared = {
  readonly size: number;
  readonly before: ReturnType<typeof asked>;
  readonly now: ReturnType<typeof asked>;
};

/** Both maps, looked up piece by piece; pieces of IPv6 are counted in networks. */
function compared(before: Drawn, now: Drawn, bits: 32 | 128): readonly Compared[] {
  const [old, geo] = [geoOf(before), geoOf(now)];
  const starts = stretches([...prefixesOf(before), ...prefixesOf(now)], bits);
  const found: Compared[] = [];
  const numbers = new Map<string, number>();
  const segments: Segment[] = [];
  for (const start of starts) {
    const [was, is] = [asked(before, old, bits, start), asked(now, geo, bits, start)];
    const key = JSON.stringify([was.client, is.client]);
    const value = numbers.get(key) ?? found.push({ size: 0, before: was, now: is }) - 1;
    numbers.set(key, value);
    // What cannot be told apart is one.
    if (segments.at(-1)?.value !== value) segments.push({ start, value });
  }
  const sizes = found.map(() => 0);
  for (const { prefix, value } of networksOf(segments, bits)) {
    sizes[value]! += bits === 32 ? 2 ** (32 - prefix.length) : 1;
  }
  return found.map((each, index) => ({ ...each, size: sizes[index]! }));
}

/** Of the pieces that count, the part that something holds for. */
function partOf(
  all: readonly Compared[],
  isCounted: (each: Compared) => boolean,
  part: (each: Compared) => number,
): number {
  const counted = all.filter(isCounted);
  const whole = counted.reduce((sum, { size }) => sum + size, 0);
  return whole === 0 ? 0 : counted.reduce((sum, each) => sum + each.size * part(each), 0) / whole;
}

function assertClose(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${what}: ${actual}, and should be ${expected}`);
}

/** The part of the clients that one answer has in a region and the other has not. */
const lostIn = ({ before, now }: Compared, region: string): number =>
  Math.max(0, (before.shares[region] ?? 0) - (now.shares[region] ?? 0));
const REGIONS = three.map(({ region }) => region);
const movedIn = (each: Compared): number =>
  REGIONS.reduce((sum, region) => sum + lostIn(each, region), 0);
const isChanged = (each: Compared): boolean => movedIn(each) > 1e-9;

test('shares of regions are 1 together, and what one finds who asks for every address', () => {
  fc.assert(
    fc.property(drawn, (given) => {
      const report = reportMap(
        subjectOf(createMapWorld(geoOf(given), undefined), given.chain),
        OPTIONS,
      );
      for (const [family, bits] of [
        ['ipv4', 32],
        ['ipv6', 128],
      ] as const) {
        const all = compared(given, given, bits);
        const isLocated = ({ now }: Compared): boolean => now.isLocated;
        const sum = report.regions.reduce((total, { share }) => total + share[family], 0);
        assertClose(sum, all.some(isLocated) ? 1 : 0, `the sum, ${family}`);
        for (const { reach, region, share } of report.regions) {
          const own = partOf(all, isLocated, ({ now }) => now.shares[region] ?? 0);
          assertClose(share[family], own, `${region}, ${family}`);
          const may = partOf(all, isLocated, ({ now }) => Number((now.shares[region] ?? 0) > 0));
          assertClose(reach[family], may, `reach of ${region}, ${family}`);
        }
      }
    }),
    fuzzParameters(40),
  );
});

test('against itself nothing changes', () => {
  fc.assert(
    fc.property(drawn, (given) => {
      const [one, other] = [geoOf(given), geoOf(given)].map((geo) =>
        createMapWorld(geo, undefined),
      );
      for (const before of [one!, other!]) {
        const { changes } = reportMap(
          subjectOf(one!, given.chain),
          OPTIONS,
          subjectOf(before, given.chain),
        );
        const nothing = { ipv4: 0, ipv6: 0 };
        assert.deepEqual(changes, {
          ...{ share: nothing, moves: [], nextShare: nothing, foundShare: nothing },
          ...{ lostShare: nothing, unlocatedShare: nothing, networks: [] },
        });
      }
    }),
    fuzzParameters(20),
  );
});

test('what changes is what one finds who asks both maps for every address', () => {
  let most = 0;
  fc.assert(
    fc.property(drawn, drawn, (before, now) => {
      const { changes } = reportMap(
        subjectOf(createMapWorld(geoOf(now), undefined), now.chain),
        { ...OPTIONS, networksMax: 10_000 },
        subjectOf(createMapWorld(geoOf(before), undefined), before.chain),
      );
      assert.ok(changes);
      for (const [family, bits] of [
        ['ipv4', 32],
        ['ipv6', 128],
      ] as const) {
        const all = compared(before, now, bits);
        const isIn = (each: Compared): boolean => each.before.isLocated || each.now.isLocated;
        const check = (actual: number, what: string, part: (each: Compared) => number): void =>
          assertClose(actual, partOf(all, isIn, part), `${what}, ${family}`);
        check(changes.share[family], 'changed', (each) => Number(isChanged(each)));
        check(changes.foundShare[family], 'found', (each) => Number(!each.before.isLocated));
        check(changes.lostShare[family], 'lost', (each) => Number(!each.now.isLocated));
        for (const region of REGIONS) {
          const from = changes.moves.filter((move) => move.from === region);
          const sum = from.reduce((total, { share }) => total + share[family], 0);
          check(sum, `from ${region}`, (each) => lostIn(each, region));
        }
        const outside = partOf(
          all,
          (each) => !isIn(each),
          (each) => Number(isChanged(each)),
        );
        assertClose(changes.unlocatedShare[family], outside, `without a place, ${family}`);
      }
      most = Math.max(most, changes.moves.length);
    }),
    fuzzParameters(40),
  );
  assert.ok(most >= 3, `${most} kinds of moves at most`);
});

test('close choices are those that measuring finds', () => {
  let found = 0;
  fc.assert(
    fc.property(fc.array(network, { minLength: 1, maxLength: 8 }), (placed) => {
      const given = { placed, chain: NEAREST };
      const report = reportMap(subjectOf(createMapWorld(geoOf(given), undefined)), OPTIONS);
      for (const [family, bits] of [
        ['ipv4', 32],
        ['ipv6', 128],
      ] as const) {
        const expected = partOf(
          compared(given, given, bits),
          ({ now }) => now.isLocated,
          ({ now }) => {
            const km = three.map(({ location }) => distanceKm(now.client.location!, location!)!);
            const [first, second] = km.sort((a, b) => a - b);
            return Number(second! - first! < OPTIONS.margin.km);
          },
        );
        assertClose(report.close.share[family], expected, family);
        found += expected > 0 ? 1 : 0;
      }
    }),
    fuzzParameters(40),
  );
  assert.ok(found > 5, `${found} with close choices`);
});
