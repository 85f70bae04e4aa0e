import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Location } from '../../src/geo/location.ts';
import { createLocationNumbers } from '../../src/geo/location-numbers.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const some = <T>(...values: readonly T[]) =>
  fc.option(fc.constantFrom(...values), { nil: undefined });
const location = fc
  .record({
    latitude: some(1, 1.00001, -1),
    longitude: some(1, 2),
    continent: some('EU', 'NA'),
    country: some('DE', 'FR'),
    subdivision: some('A', 'AB'),
    city: some('A', 'BA', 'B A'),
  })
  .map((fields): Location => JSON.parse(JSON.stringify(fields)));

test('locations have the same number when they say the same, and only then', () => {
  fc.assert(
    fc.property(fc.array(location, { maxLength: 3000, size: 'max' }), (all) => {
      const numbers = createLocationNumbers();
      const byText = new Map<string, number>([['{}', 0]]);
      for (const each of all) {
        const text = JSON.stringify(each);
        const number = numbers.numberOf({ ...each });
        assert.equal(number, byText.get(text) ?? byText.size, text);
        byText.set(text, number);
        assert.deepEqual(numbers.locations[number], each);
      }
      assert.equal(numbers.locations.length, byText.size);
    }),
    fuzzParameters(30),
  );
});
