import type { Location } from './location.ts';

/** Mean radius of the earth (IUGG). The earth's flattening changes distances by less than 0.6 %. */
const EARTH_RADIUS_KM = 6371.0088;

/** Great-circle distance in kilometres (haversine); undefined when a coordinate is unknown. */
export function distanceKm(a: Location, b: Location): number | undefined {
  if (a.latitude === undefined || a.longitude === undefined) return undefined;
  if (b.latitude === undefined || b.longitude === undefined) return undefined;
  const latitudeA = radians(a.latitude);
  const latitudeB = radians(b.latitude);
  const chord =
    Math.sin((latitudeB - latitudeA) / 2) ** 2 +
    Math.cos(latitudeA) *
      Math.cos(latitudeB) *
      Math.sin(radians(b.longitude - a.longitude) / 2) ** 2;
  // Rounding may push the chord of antipodes past 1.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord)));
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
