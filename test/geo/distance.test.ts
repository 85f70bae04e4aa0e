import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distanceKm } from '../../src/geo/distance.ts';

const at = (latitude: number, longitude: number) => ({ latitude, longitude });

test('distanceKm() is within half a percent of surveyed distances', () => {
  const cases = [
    [at(50.1109, 8.6821), at(39.0438, -77.4874), 6540], // Frankfurt to Ashburn
    [at(1.3521, 103.8198), at(35.6762, 139.6503), 5312], // Singapore to Tokyo
    [at(0, 179.5), at(0, -179.5), 111.2], // one degree, over the antimeridian
    [at(90, 0), at(-90, 0), 20_015],
    [at(10, 20), at(-10, -160), 20_015],
    [at(48, 2), at(48, 2), 0],
  ] as const;
  for (const [a, b, expected] of cases) {
    for (const distance of [distanceKm(a, b)!, distanceKm(b, a)!]) {
      assert.ok(Math.abs(distance - expected) <= expected * 0.005, `${distance} for ${expected}`);
    }
  }
});

test('distanceKm() is undefined when a coordinate is missing', () => {
  assert.equal(distanceKm({}, at(1, 2)), undefined);
  assert.equal(distanceKm(at(1, 2), { country: 'DE' }), undefined);
  assert.equal(distanceKm(at(1, 2), { latitude: 3 }), undefined);
});
