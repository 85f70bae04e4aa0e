import { countryName } from './centroids.ts';
import type { Location } from './location.ts';

/** `Frankfurt, DE-HE, Germany`, the codes as people write them in policies; less when less is known: of a point alone, its degrees. */
export function describePlace(location: Location | undefined): string {
  if (location === undefined) return 'an unknown place';
  const { city, subdivision, country, continent, latitude, longitude } = location;
  const code = subdivision === undefined ? undefined : `${country}-${subdivision}`;
  const parts = [city, code, country === undefined ? continent : countryName(country)];
  const known = parts.filter((part) => part !== undefined);
  if (known.length > 0) return known.join(', ');
  if (latitude === undefined || longitude === undefined) return 'an unknown place';
  return `${hundredths(latitude)}, ${hundredths(longitude)}`;
}

/** Of a degree: a kilometre, which is more than anybody knows of clients. */
const hundredths = (degrees: number): number => Math.round(degrees * 100) / 100;
