import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeGeo, locate } from '../../src/geo/database.ts';
import { coarsen } from '../../src/geo/grid.ts';
import { parseAddress } from '../../src/ip/address.ts';

const at = (latitude: number, longitude: number, subdivision = 'BE') => ({
  ...{ country: 'DE', continent: 'EU', subdivision, city: `${latitude} ${longitude}` },
  ...{ latitude, longitude },
});
const geo = composeGeo(
  [],
  [
    { networks: ['192.0.2.0/25'], location: at(52.2, 13.2) },
    { networks: ['192.0.2.128/26'], location: at(52.8, 13.8) },
    { networks: ['198.51.100.0/24'], location: at(52.8, 13.8, 'BB') },
    { networks: ['203.0.113.0/24'], location: at(53.1, 13.2) },
    { networks: ['2001:db8::/32'], location: at(10.5, 10.5) },
    { networks: ['2001:dba::/31'], location: at(10.2, 10.5) },
    { networks: ['100.0.0.0/8'], location: { country: 'DE' } },
  ],
);
const grid = coarsen(geo, 1);
const place = (text: string) => locate(grid, parseAddress(text)!);

test('coarsen() joins what is in one cell of one state, at the mean place of its addresses', () => {
  const joined = place('192.0.2.1');
  assert.deepEqual(place('192.0.2.129'), joined);
  // Two thirds of the addresses are in the south-west.
  const { latitude, longitude, ...rest } = joined!;
  assert.deepEqual(rest, { country: 'DE', continent: 'EU', subdivision: 'BE' });
  assert.ok(Math.abs(latitude! - 52.4) < 0.02 && Math.abs(longitude! - 13.4) < 0.02);
  assert.equal(place('198.51.100.1')?.subdivision, 'BB');
  assert.equal(place('203.0.113.1')?.latitude, 53.1);
  assert.deepEqual(place('100.1.1.1'), { country: 'DE' });
});

test('coarsen() weighs places without IPv4 addresses by their IPv6 networks', () => {
  assert.equal(place('2001:db8::1')?.latitude, 10.3);
  assert.deepEqual(place('2001:dba::1'), place('2001:db8::1'));
});

test('coarsen() keeps what is known of networks, and what is not', () => {
  assert.equal(grid.description, `${geo.description} in cells of 1°`);
  assert.equal(place('8.8.8.8'), undefined);
  assert.ok(grid.locations.length < geo.locations.length);
});
