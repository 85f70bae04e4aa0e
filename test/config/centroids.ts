import { parseCloudRegions } from '../../src/geo/cloud-regions.ts';
import type { Places } from '../../src/geo/places.ts';

/** A small world: enough for the country and subdivision codes and the cloud regions that the tests write. */
export const centroids: Places = {
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
  cloudRegions: parseCloudRegions({
    aws: {
      'ap-southeast-1': [1.35, 103.82, 'SG', 'Singapore'],
      'eu-central-1': [50.11, 8.68, 'DE', 'Frankfurt'],
      'us-east-1': [39.04, -77.49, 'US-VA', 'Ashburn'],
      'us-west-2': [45.84, -119.7, 'US-OR', 'Boardman'],
    },
    gcp: { 'europe-west3': [50.11, 8.68, 'DE', 'Frankfurt'] },
  }),
};
