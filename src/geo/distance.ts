import type { Location } from './location.ts';

/** Mean radius of the earth (IUGG). The earth's flattening changes distances by less than 0.6 %. */
const EARTH_RADIUS_KM = 6371.0088;

/** Great-circle distance in kilometres (haversine); undefined when a coordinate is unknown. */
export function distanceKm(a: Location, b: Location): number | undefined {
  if (a.latitude === undefined || a.longitude === undefined) return undefined;
  if (b.latitude === undefined || b.longitude === undefined) return undefined;
  const latitudeA = radians(a.latitude);
  const latitudeB = radians(b.latitude);
  const north = Math.sin((latitudeB - latitudeA) / 2);
  const east = Math.sin(radians(b.longitude - a.longitude) / 2);
  // Products: as powers they take twice as long, and a city database asks for millions of distances.
  const chord = north * north + Math.cos(latitudeA) * Math.cos(latitudeB) * east * east;
  // Rounding may push the chord of antipodes past 1.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** A point of the unit sphere. Of two places the nearer one is that whose point is nearer. */
export type SpherePoint = { readonly x: number; readonly y: number; readonly z: number };

/** Undefined when a coordinate is unknown. */
export function spherePoint({ latitude, longitude }: Location): SpherePoint | undefined {
  if (latitude === undefined || longitude === undefined) return undefined;
  const [north, east] = [radians(latitude), radians(longitude)];
  const x = Math.cos(north) * Math.cos(east);
  return { x, y: Math.cos(north) * Math.sin(east), z: Math.sin(north) };
}

/** The square of the straight line between two points: to compare distances, at a tenth of their cost. */
export function squaredChord(a: SpherePoint, b: SpherePoint): number {
  const [x, y, z] = [a.x - b.x, a.y - b.y, a.z - b.z];
  return x * x + y * y + z * z;
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
