import type { Centroids } from '../../src/geo/centroids.ts';

/** A small world: enough for the country and subdivision codes that the tests write. */
export const centroids: Centroids = {
  attribution: 'for tests',
  countries: new Map([
    ['DE', { latitude: 50.9, longitude: 9.2, continent: 'EU', addresses: 1 }],
    ['SG', { latitude: 1.35, longitude: 103.8, continent: 'AS', addresses: 1 }],
    ['US', { latitude: 38.5, longitude: -92.1, continent: 'NA', addresses: 1 }],
  ]),
  subdivisions: new Map([
    ['US-VA', { latitude: 38.8, longitude: -77.4 }],
    ['US-OR', { latitude: 45.6, longitude: -121.2 }],
  ]),
  subdivisionNames: () => undefined,
};
