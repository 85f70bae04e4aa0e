import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeGeo } from '../../src/geo/database.ts';
import type { Location } from '../../src/geo/location.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { clientOf } from '../../src/steering/client-facts.ts';
import type { NetworkSet } from '../../src/steering/step.ts';
import {
  bestFit,
  type ClientLists,
  compileFits,
  describeLists,
  factsOf,
  networkList,
  placeLists,
  saysWho,
  systemsOf,
} from '../../src/steering/steps/client-match.ts';

/** Which rule means a client: the narrowest list that has it, the first of equals. */
const BERLIN: Location = { continent: 'EU', country: 'DE', subdivision: 'BE' };
const HOME = '203.0.113.9';

/** The index of the rule for a client at HOME, or at an address. */
function ruleFor(
  rules: readonly ClientLists[],
  { location = BERLIN, system = 0, address = HOME } = {},
): number {
  const networks: NetworkSet[] = [];
  const fits = compileFits(rules, (set) => networks.push(set) - 1);
  const nowhere = composeGeo([], []);
  const { marks } = clientOf(
    nowhere,
    { networks, systems: new Set(), reads: new Set() },
    undefined,
    parseAddress(address)!,
  );
  return bestFit(fits, { location, system, marks });
}

test('of equal networks in several rules the first rule has the client', () => {
  const rules = [
    { networks: ['203.0.113.0/24'] },
    { networks: ['203.0.113.0/24', '203.0.0.0/16'] },
    { networks: ['203.0.0.0/16'] },
  ];
  assert.equal(ruleFor(rules), 0);
  assert.equal(ruleFor(rules, { address: '203.0.112.1' }), 1);
});

test('a client has every list that holds it, and none that does not', () => {
  for (const [lists, isMeant] of [
    [{ continents: ['EU'] }, true],
    [{ continents: ['AF', 'NA'] }, false],
    [{ countries: ['FR', 'DE'] }, true],
    [{ countries: ['FR'] }, false],
    [{ subdivisions: ['DE-BE'] }, true],
    [{ subdivisions: ['DE-BY', 'FR-BE', 'BE-BE'] }, false],
    [{ systems: [64496] }, true],
    [{ systems: [64497] }, false],
    [{ networks: ['203.0.113.0/24'] }, true],
    [{ networks: ['203.0.112.0/24', '2001:db8::/32'] }, false],
    [{ countries: ['FR'], systems: [64496] }, true],
    [{}, false],
  ] satisfies [ClientLists, boolean][]) {
    assert.equal(ruleFor([lists], { system: 64496 }), isMeant ? 0 : -1, JSON.stringify(lists));
  }
});

test('the narrowest list decides: network, system, subdivision, country, continent', () => {
  const rules: ClientLists[] = [
    { continents: ['EU'] },
    { countries: ['DE'] },
    { subdivisions: ['DE-BE'] },
    { systems: [64496] },
    { networks: ['203.0.113.0/24'] },
  ];
  for (let count = 1; count <= rules.length; count += 1) {
    const some = rules.slice(0, count);
    assert.equal(ruleFor(some, { system: 64496 }), count - 1);
    const turned = some.toReversed();
    assert.equal(ruleFor(turned, { system: 64496 }), 0, 'in whatever order they stand');
  }
});

test('of lists that are equally narrow the first rule has the client', () => {
  assert.equal(ruleFor([{ countries: ['FR'] }, { countries: ['DE'] }, { countries: ['DE'] }]), 1);
  assert.equal(
    ruleFor([{ systems: [1] }, { systems: [2, 3] }, { systems: [3] }], { system: 3 }),
    1,
  );
});

test('of nested networks the longest has the client, of whatever rule', () => {
  const rules = [
    { networks: ['203.0.113.0/24', '2001:db8::/32'] },
    { networks: ['203.0.0.0/16', '203.0.113.8/32', '2001:db8:1::/48'] },
    { networks: ['203.0.113.0/28'] },
  ];
  const ruleAt = (address: string): number => ruleFor(rules, { address });
  assert.equal(ruleAt('203.0.113.77'), 0);
  assert.equal(ruleAt('203.0.200.1'), 1);
  assert.equal(ruleAt('203.0.113.8'), 1);
  assert.equal(ruleAt('203.0.113.9'), 2);
  assert.equal(ruleAt('204.0.0.1'), -1);
  assert.equal(ruleAt('2001:db8:2::1'), 0);
  assert.equal(ruleAt('2001:db8:1::1'), 1);
  assert.equal(ruleAt('::ffff:203.0.113.9'), 2, 'an IPv4 client, however it is written');
  assert.equal(ruleAt('64:ff9b::203.0.113.9'), 2);
});

test('what is not known of a client is in no list', () => {
  const rules = [{ continents: ['EU'], countries: ['DE'], subdivisions: ['DE-BE'], systems: [7] }];
  const nowhere = { location: {} as Location };
  assert.equal(ruleFor(rules, nowhere), -1);
  assert.equal(ruleFor(rules, { location: { subdivision: 'BE' } }), -1, 'of an unknown country');
  assert.equal(ruleFor([...rules, { networks: ['203.0.113.0/24'] }], nowhere), 1);
});

test('rules are described by the first things they name', () => {
  assert.equal(describeLists({ continents: ['EU'], systems: [64496] }), 'EU, AS64496');
  const countries = ['DE', 'FR', 'IT', 'ES'];
  assert.equal(describeLists({ countries }), 'DE, FR, IT, ES');
  const text = 'DE, FR, IT, ES and others';
  assert.equal(describeLists({ countries, networks: ['192.0.2.0/24'] }), text);
});

test('rules say what has to be known of clients', () => {
  assert.deepEqual(factsOf([{ continents: ['EU'] }, { subdivisions: ['US-VA'] }]), ['location']);
  assert.deepEqual(factsOf([{ systems: [1] }, { networks: ['192.0.2.0/24'] }]), [
    'system',
    'networks',
  ]);
  assert.deepEqual(factsOf([{ countries: [] }]), []);
  assert.deepEqual(systemsOf([{ systems: [1, 2] }, {}, { systems: [3] }]), [1, 2, 3]);
  assert.equal(saysWho({ countries: [], systems: [] }), false);
  assert.equal(saysWho({ countries: [], networks: ['192.0.2.0/24'] }), true);
});

test('systems may be written as AS numbers, networks in any form of theirs', () => {
  const systems = placeLists.systems.parse(['AS64496', 64497, 4294967295]);
  assert.deepEqual(systems, [64496, 64497, 4294967295]);
  for (const wrong of [0, 2 ** 32, 'AS0', 'as1', '64496', 'AS4294967296', 'AS12345678901', 1.5]) {
    assert.equal(placeLists.systems.safeParse([wrong]).success, false, String(wrong));
  }
  const networks = ['2001:DB8:0::/32', '192.0.2.7'];
  assert.deepEqual(networkList.parse(networks), ['2001:db8::/32', '192.0.2.7/32']);
  for (const wrong of ['192.0.2.1/24', '192.0.2.0/33', 'home', '']) {
    assert.equal(networkList.safeParse([wrong]).success, false, wrong);
  }
});
