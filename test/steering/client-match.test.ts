import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeGeo } from '../../src/geo/database.ts';
import type { Location } from '../../src/geo/location.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { clientOf } from '../../src/steering/client-facts.ts';
import type { NetworkSet } from '../../src/steering/step.ts';
import { bestFit, type ClientLists, compileFits } from '../../src/steering/steps/client-match.ts';

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
  const { marks } = clientOf(nowhere, { networks, systems: new Set() }, parseAddress(address)!);
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
