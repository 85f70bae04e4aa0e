/**
 * Where the regions of cloud providers are, by the names that the providers give them: people know in which region
 * their servers run, and have to look up where on earth that is. The data is `geo/cloud-regions.json`, kept by hand.
 */
import type { Location } from './location.ts';
import { shippedData } from './shipped-data.ts';

/** By provider (`aws`), then by the provider's own id (`eu-west-1`). */
export type CloudRegions = ReadonlyMap<string, ReadonlyMap<string, Location>>;

/** Between provider and id. */
export const REGION_SEPARATOR = '/';

/** A country, or a subdivision where the centroids know those of the country. */
const PLACE_CODE = /^([A-Z]{2})(?:-([A-Z0-9]{1,3}))?$/;

const { coordinates, malformed, record, row } = shippedData('geo/cloud-regions.json');

/** Reads the parsed `geo/cloud-regions.json`. */
export function parseCloudRegions(json: unknown): CloudRegions {
  const providers = new Map<string, ReadonlyMap<string, Location>>();
  for (const [provider, rows] of Object.entries(record(json, 'providers'))) {
    const regions = new Map<string, Location>();
    for (const [id, entry] of Object.entries(record(rows, provider))) {
      regions.set(id, parseRegion(entry, `${provider}${REGION_SEPARATOR}${id}`));
    }
    providers.set(provider, regions);
  }
  return providers;
}

function parseRegion(entry: unknown, name: string): Location {
  const [latitude, longitude, code, city] = row(entry, name);
  const place = coordinates(latitude, longitude, name);
  if (typeof code !== 'string' || typeof city !== 'string' || city === '') throw malformed(name);
  const [, country, subdivision] = PLACE_CODE.exec(code) ?? [];
  if (country === undefined) throw malformed(name);
  return { ...place, country, ...(subdivision !== undefined && { subdivision }), city };
}

/** The region called `aws/eu-west-1`; undefined when there is none in the data. */
export function findCloudRegion(name: string, regions: CloudRegions): Location | undefined {
  const [provider = '', id = '', ...rest] = name.split(REGION_SEPARATOR);
  return rest.length > 0 ? undefined : regions.get(provider)?.get(id);
}
