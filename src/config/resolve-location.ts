import { completeLocation } from '../geo/centroids.ts';
import { REGION_SEPARATOR } from '../geo/cloud-regions.ts';
import type { Location } from '../geo/location.ts';
import { locationOfName, type Places } from '../geo/places.ts';
import type { ConfigPath, Report } from './issue.ts';
import type { ConfigFile } from './schema.ts';
import { didYouMean, nearestWord } from './spelling.ts';

/** A place as the file has it, by name or by its coordinates, as one location with all that follows from it. */

type LocationFile = NonNullable<ConfigFile['regions'][string]['location']>;

const COORDINATES_HINT = 'write { latitude: …, longitude: … } instead';

export function resolveLocation(
  location: LocationFile,
  path: ConfigPath,
  places: Places,
  error: Report,
): Location {
  if (typeof location !== 'string') {
    const known = Object.entries(location).filter(([, value]) => value !== undefined);
    return completeLocation(Object.fromEntries(known), places);
  }
  const found = locationOfName(location, places);
  if (found) return found;
  if (location.includes(REGION_SEPARATOR)) reportRegion(location, path, places, error);
  else reportCode(location, path, places, error);
  return {};
}

function reportCode(code: string, path: ConfigPath, places: Places, error: Report): void {
  const [country = ''] = code.split('-');
  const codes = places.countries.has(country) ? subdivisionsOf(country, places) : [];
  const hint = didYouMean(code, codes) ?? COORDINATES_HINT;
  error(path, `"${code}" is not a known country or subdivision`, hint);
}

function reportRegion(name: string, path: ConfigPath, places: Places, error: Report): void {
  const [provider = '', region = ''] = name.split(REGION_SEPARATOR);
  const regions = places.cloudRegions.get(provider);
  if (regions !== undefined) {
    const hint = didYouMean(region, [...regions.keys()]) ?? COORDINATES_HINT;
    error(path, `"${region}" is not a known region of ${provider}`, hint);
    return;
  }
  const providers = [...places.cloudRegions.keys()];
  const nearest = nearestWord(provider, providers);
  const hint =
    nearest === undefined ? `known: ${providers.join(', ')}` : `did you mean "${nearest}"?`;
  error(path, `"${provider}" is not a known cloud provider`, hint);
}

function subdivisionsOf(country: string, { subdivisions }: Places): readonly string[] {
  return [...subdivisions.keys()].filter((code) => code.startsWith(`${country}-`));
}
