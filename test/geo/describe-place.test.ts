import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePlace } from '../../src/geo/describe-place.ts';

test('describePlace() tells what is known, with codes as policies have them', () => {
  const degrees = { latitude: 50.1109, longitude: -8.6821 };
  const cases = [
    [{ ...degrees, city: 'Frankfurt', country: 'DE', subdivision: 'HE', continent: 'EU' }],
    [{ country: 'DE', continent: 'EU' }],
    [{ continent: 'EU' }],
    [degrees],
    [{}],
    [undefined],
  ] as const;
  assert.deepEqual(
    cases.map(([location]) => describePlace(location)),
    [
      'Frankfurt, DE-HE, Germany',
      'Germany',
      'EU',
      '50.11, -8.68',
      'an unknown place',
      'an unknown place',
    ],
  );
});
