/** All places that people can name: countries, subdivisions, and the regions of cloud providers. */
import { type Centroids, completeLocation, locationOfCode } from './centroids.ts';
import { type CloudRegions, findCloudRegion, REGION_SEPARATOR } from './cloud-regions.ts';
import type { Location } from './location.ts';

export type Places = Centroids & { readonly cloudRegions: CloudRegions };

/** The location of `DE`, `US-VA` or `aws/eu-west-1`; undefined when the name is not known. */
export function locationOfName(name: string, places: Places): Location | undefined {
  if (!name.includes(REGION_SEPARATOR)) return locationOfCode(name, places);
  const region = findCloudRegion(name, places.cloudRegions);
  return region && completeLocation(region, places);
}
