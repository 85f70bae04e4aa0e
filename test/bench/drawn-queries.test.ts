import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE_A, TYPE_AAAA } from '../../src/dns/constants.ts';
import { type DecodedMessage, decodeMessage } from '../../src/dns/decode.ts';
import { locate } from '../../src/geo/database.ts';
import { isPrivate, parseAddress } from '../../src/ip/address.ts';
import { opened, readCentroids, readCountries } from '../geo/fixtures.ts';
import { drawSubnets, withCookies } from './client-subnets.ts';
import { DRAW_BYTES, type Form, FRESH_LETTERS, fillIn, firstQueries } from './drawn-queries.ts';
import {
  drawNames,
  EMPTY_SHARE,
  MISSING_SHARE,
  NAMES,
  NAMES_ZONE,
  namesZone,
} from './many-names.ts';
import { createRandom } from './random.ts';

const geo = opened(readCountries(), readCentroids());

/** What a query asks; fails for one that is none. */
function read(query: Uint8Array): DecodedMessage {
  const decoded = decodeMessage(query);
  assert.ok(decoded.ok, Buffer.from(query).toString('hex'));
  assert.equal(decoded.message.question.length, 1);
  assert.equal(decoded.message.edns?.udpSize, 1232);
  return decoded.message;
}

test('drawSubnets(): queries from distinct known subnets, one of five of IPv6', () => {
  const count = 5_000;
  const messages = firstQueries(drawSubnets(geo, 'www.example', count, createRandom(1)), count).map(
    read,
  );
  const subnets = messages.map(({ edns, question }) => {
    assert.equal(question[0]!.name, 'www.example.');
    assert.equal(question[0]!.type, TYPE_A);
    const { address, family, scope, source } = edns!.ecs!;
    assert.deepEqual([source, scope], [family === 1 ? 24 : 56, 0]);
    const parsed = parseAddress(address)!;
    assert.ok(!isPrivate(parsed) && locate(geo, parsed) !== undefined, address);
    return `${address}/${source}`;
  });
  assert.equal(new Set(subnets).size, count);
  assert.equal(subnets.filter((subnet) => subnet.endsWith('/56')).length, count / 5);
});

test('withCookies(): the same subnets, each query with a client cookie of its own', () => {
  const draws = drawSubnets(geo, 'www.example', 5000, createRandom(4));
  const plain = firstQueries(draws, 5000).map(read);
  const messages = firstQueries(withCookies('www.example', draws), 5000).map(read);
  assert.deepEqual(
    messages.map(({ edns }) => edns!.ecs),
    plain.map(({ edns }) => edns!.ecs),
  );
  const cookies = messages.map(({ edns }) => Buffer.from(edns!.cookie!).toString('hex'));
  for (const cookie of cookies) assert.equal(cookie.length, 16);
  assert.equal(new Set(cookies).size, 5000);
});

test('drawSubnets() finds so many IPv6 subnets that there are more than networks', () => {
  const count = 1_000_000;
  const { bytes } = drawSubnets(geo, 'www.example', count, createRandom(2));
  const draws = new BigUint64Array(bytes.buffer);
  assert.equal(new Set(draws).size, count);
});

test('drawNames(): what is asked for is in the zone, or is not, as often as it should', () => {
  const count = 50_000;
  const zone = new Set(
    namesZone(300)
      .split('\n')
      .map((line) => line.split(' ')[0]),
  );
  const asked = new Map<string, number>();
  let [missing, empty] = [0, 0];
  for (const query of firstQueries(drawNames(createRandom(3)), count)) {
    const { name, type } = read(query).question[0]!;
    const [label] = name.split('.');
    assert.equal(name, `${label}.${NAMES_ZONE}.`);
    if (!zone.has(label)) missing += 1;
    else if (type === TYPE_AAAA) empty += 1;
    asked.set(name, (asked.get(name) ?? 0) + 1);
  }
  assert.ok(Math.abs(missing / count - MISSING_SHARE) < 0.01, `${missing}`);
  assert.ok(Math.abs(empty / count - EMPTY_SHARE) < 0.01, `${empty}`);
  const often = [...asked.values()].sort((a, b) => b - a);
  // Of 100,000 names the first is asked for in 1 of 12.1 (harmonic number), the second half as often.
  const first = (count * (1 - MISSING_SHARE)) / 12.09;
  assert.ok(Math.abs(often[0]! / first - 1) < 0.1, `${often[0]}`);
  assert.ok(Math.abs((2 * often[1]!) / often[0]! - 1) < 0.15, `${often[1]}`);
  assert.ok(often.filter((times) => times === 1).length > 5000);
});

test('namesZone() has so many names, each with an address of its own', () => {
  const hosts = namesZone(300)
    .split('\n')
    .filter((line) => line.startsWith('n') && line.includes(' A 10.'));
  assert.equal(new Set(hosts.map((line) => line.split(' ')[0])).size, NAMES);
  assert.equal(new Set(hosts.map((line) => line.split(' ')[2])).size, NAMES);
});

test('fillIn() writes other letters for each serial, and nothing around them', () => {
  const form: Form = { query: new Uint8Array(0), fillAt: 0, fillBytes: 0, freshAt: 1 };
  const bytes = new Uint8Array(FRESH_LETTERS + 2);
  const seen = new Set<string>();
  for (const start of [0, 2 ** 24, 2 ** 31 - 5000, 2 ** 32 - 5000]) {
    for (let serial = start; serial < start + 10_000; serial += 1) {
      fillIn(bytes, 0, form, new Uint8Array(DRAW_BYTES), 0, serial | 0);
      seen.add(Buffer.from(bytes).toString('latin1'));
    }
  }
  // The last 5000 serials are the first 5000 of all again: they are 32 bits.
  assert.equal(seen.size, 35_000);
  for (const text of seen) assert.match(text, /^\0[0-9a-v]{7}\0$/);
});
