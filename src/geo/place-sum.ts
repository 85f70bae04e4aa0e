/**
 * Mean places, of unit vectors: Fiji, on both sides of the antimeridian, does not end up in Africa.
 */
import { spherePoint } from './distance.ts';
import type { Location } from './location.ts';

export type PlaceSum = { x: number; y: number; z: number; weight: number };

export const createPlaceSum = (): PlaceSum => ({ x: 0, y: 0, z: 0, weight: 0 });

/** What has no coordinates changes nothing. */
export function addPlace(sum: PlaceSum, location: Location, weight: number): void {
  const point = spherePoint(location);
  if (point === undefined || weight === 0) return;
  sum.x += point.x * weight;
  sum.y += point.y * weight;
  sum.z += point.z * weight;
  sum.weight += weight;
}

/** The mean place, to a hundredth of a degree, about a kilometre; undefined = of nothing. */
export function meanPlace({
  weight,
  x,
  y,
  z,
}: PlaceSum): { readonly latitude: number; readonly longitude: number } | undefined {
  if (weight === 0) return undefined;
  const latitude = (Math.atan2(z, Math.hypot(x, y)) * 180) / Math.PI;
  const longitude = (Math.atan2(y, x) * 180) / Math.PI;
  return { latitude: hundredth(latitude), longitude: hundredth(longitude) };
}

const hundredth = (degrees: number): number => Math.round(degrees * 100) / 100;
