/**
 * Places made coarse: all locations of a country or state within a cell of some degrees become one, at the mean place
 * of its addresses. Which of some regions is nearest does not hang on the suburb, and half a million places
 * become nine thousand.
 */
import { addressCounts, mapRanges, type Ranges } from '../ip/ranges.ts';
import type { GeoDatabase } from './database.ts';
import type { Location } from './location.ts';
import { addPlace, createPlaceSum, meanPlace, type PlaceSum } from './place-sum.ts';

/** @param degrees height and width of a cell */
export function coarsen(geo: GeoDatabase, degrees: number): GeoDatabase {
  const { locations, ranges } = geo;
  const four = addressCounts(ranges);
  const six = networkCounts48(ranges, locations.length);
  const cells = new Map<string, Cell>();
  const cellOf = locations.map((location, index) => {
    const { country, latitude, longitude, subdivision } = location;
    if (country === undefined) return undefined;
    const column = latitude === undefined ? '' : Math.floor(latitude / degrees);
    const row = longitude === undefined ? '' : Math.floor(longitude / degrees);
    const key = `${country} ${subdivision} ${column} ${row}`;
    const cell = cells.get(key) ?? { number: cells.size + 1, location, ...emptySums() };
    cells.set(key, cell);
    addPlace(cell.sum4, location, four[index] ?? 0);
    addPlace(cell.sum6, location, six[index] ?? 0);
    return cell;
  });
  return {
    ...geo,
    description: `${geo.description} in cells of ${degrees}°`,
    locations: [{}, ...[...cells.values()].map(locationOf)],
    ranges: mapRanges(ranges, (index) => cellOf[index]?.number ?? 0),
  };
}

type Cell = {
  readonly number: number;
  /** One of it. */
  readonly location: Location;
  readonly sum4: PlaceSum;
  readonly sum6: PlaceSum;
};

const emptySums = () => ({ sum4: createPlaceSum(), sum6: createPlaceSum() });

function locationOf({ location, sum4, sum6 }: Cell): Location {
  const { continent, country, subdivision } = location;
  return {
    ...(meanPlace(sum4) ?? meanPlace(sum6)),
    ...(continent === undefined ? {} : { continent }),
    ...(country === undefined ? {} : { country }),
    ...(subdivision === undefined ? {} : { subdivision }),
  };
}

/** The number of IPv6 /48 networks of each value. */
export function networkCounts48({ starts6, values6 }: Ranges, values: number): Float64Array {
  const counts = new Float64Array(values);
  const start48 = (i: number): number =>
    i < values6.length ? starts6[4 * i]! * 2 ** 16 + (starts6[4 * i + 1]! >>> 16) : 2 ** 48;
  for (const [i, value] of values6.entries()) counts[value]! += start48(i + 1) - start48(i);
  return counts;
}
