import type { Location } from './location.ts';

/**
 * Numbers for distinct locations, 0 for the unknown one `{}`. A hash table of its own: a city database has half a
 * million locations, and to write each down as the key of a map took longer than to read it.
 */
export type LocationNumbers = {
  /** By number. */
  readonly locations: readonly Location[];
  numberOf(location: Location): number;
};

const FIRST_SLOTS = 1024;
const FREE = -1;
/** Coordinates are rounded to so many parts of a degree (mmdb-record.ts); others only collide. */
const PARTS_OF_DEGREE = 10_000;
const NO_DEGREES = 1000;

export function createLocationNumbers(): LocationNumbers {
  const locations: Location[] = [];
  const hashes: number[] = [];
  let slots = new Int32Array(FIRST_SLOTS).fill(FREE);
  const slotOf = (location: Location, hash: number): number => {
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (let number = slots[slot]!; number !== FREE; number = slots[slot]!) {
      if (hashes[number] === hash && isSame(locations[number]!, location)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  const grow = (): void => {
    const mask = slots.length * 2 - 1;
    slots = new Int32Array(mask + 1).fill(FREE);
    for (let number = 0; number < hashes.length; number += 1) {
      let slot = hashes[number]! & mask;
      while (slots[slot] !== FREE) slot = (slot + 1) & mask;
      slots[slot] = number;
    }
  };
  const numberOf = (location: Location): number => {
    const hash = hashOf(location);
    const slot = slotOf(location, hash);
    if (slots[slot] !== FREE) return slots[slot]!;
    const number = locations.push(location) - 1;
    hashes.push(hash);
    slots[slot] = number;
    if (locations.length * 2 > slots.length) grow();
    return number;
  };
  numberOf({});
  return { locations, numberOf };
}

function hashOf({ city, continent, country, latitude, longitude, subdivision }: Location): number {
  let hash = Math.round((latitude ?? NO_DEGREES) * PARTS_OF_DEGREE) | 0;
  hash = mix(hash, Math.round((longitude ?? NO_DEGREES) * PARTS_OF_DEGREE) | 0);
  hash = mixText(hash, country);
  hash = mixText(hash, continent);
  hash = mixText(hash, subdivision);
  return mixText(hash, city);
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

function mixText(hash: number, text: string | undefined): number {
  if (text === undefined) return mix(hash, 0);
  let mixed = hash;
  for (let at = 0; at < text.length; at += 1) mixed = mix(mixed, text.charCodeAt(at));
  return mixed;
}

function isSame(a: Location, b: Location): boolean {
  return (
    a.latitude === b.latitude &&
    a.longitude === b.longitude &&
    a.country === b.country &&
    a.continent === b.continent &&
    a.subdivision === b.subdivision &&
    a.city === b.city
  );
}
