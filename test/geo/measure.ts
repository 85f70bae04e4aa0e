/**
 * Times and sizes of a geo database: `node test/geo/measure.ts [file]`, by default the places that come with the program.
 * Prints the best of several rounds; look-ups are of random addresses, in IPv6 also of random ranges of
 * the file, which lie densest where look-ups are slowest.
 */
import { readFileSync } from 'node:fs';
import { buildPrefixTable, lookup4, lookup6, type PrefixTable } from '../../src/ip/prefix-table.ts';
import { opened, readCentroids, readPlaces } from './fixtures.ts';

const ADDRESSES = 2 ** 16;
const path = process.argv[2];
const bytes = path ? readFileSync(path) : readPlaces();
const centroids = readCentroids();

const geo = best('openGeo ms', 3, 1e6, () => opened(bytes, centroids));
const table = best('buildPrefixTable ms', 3, 1e6, () => buildPrefixTable(geo.ranges));
const sizeOf = (arrays: object): number =>
  Object.values(arrays).reduce((sum, { byteLength = 0 }) => sum + byteLength, 0);
print('locations', geo.locations.length);
print('ranges IPv4', geo.ranges.values4.length);
print('ranges IPv6', geo.ranges.values6.length);
print('ranges MB', sizeOf(geo.ranges) / 1e6);
print('table MB', sizeOf(table) / 1e6);

const random = (): number => Math.floor(Math.random() * 2 ** 32);
const four = Int32Array.from({ length: ADDRESSES }, random);
const six = new Uint8Array(ADDRESSES * 16).map(random);
const dense = six.slice();
for (let i = 0; i < ADDRESSES; i++) {
  six[16 * i] = 0x20 | (random() & 15);
  const range = 4 * (random() % geo.ranges.values6.length);
  const view = new DataView(dense.buffer, 16 * i);
  for (let word = 0; word < 2; word++) view.setUint32(4 * word, geo.ranges.starts6[range + word]!);
}
best('lookup4 ns', 50, ADDRESSES, () => run4(table));
best('lookup6 ns', 50, ADDRESSES, () => run6(table, six));
best('lookup6 ns, dense networks', 50, ADDRESSES, () => run6(table, dense));

function run4(into: PrefixTable): number {
  let sum = 0;
  for (let i = 0; i < ADDRESSES; i++) sum = (sum + lookup4(into, four[i]!)) | 0;
  return sum;
}

function run6(into: PrefixTable, addresses: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < ADDRESSES; i++) sum = (sum + lookup6(into, addresses, 16 * i)) | 0;
  return sum;
}

function best<T>(name: string, rounds: number, divisor: number, f: () => T): T {
  let least = Infinity;
  let result = f();
  for (let i = 0; i < rounds; i++) {
    const start = process.hrtime.bigint();
    result = f();
    least = Math.min(least, Number(process.hrtime.bigint() - start) / divisor);
  }
  print(name, least);
  return result;
}

function print(name: string, value: number): void {
  console.log(`${name.padEnd(28)}${Math.round(value * 10) / 10}`);
}
