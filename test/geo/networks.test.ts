import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { locate } from '../../src/geo/database.ts';
import { openNetworks } from '../../src/geo/networks.ts';
import { formatAddress, parseAddress } from '../../src/ip/address.ts';
import { containsAddress, formatPrefix, networkOf, type Prefix } from '../../src/ip/prefix.ts';
import { centroids } from '../config/centroids.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const open = (text: string) => openNetworks(Buffer.from(text), centroids, 7);

function reason(text: string): string {
  const opened = open(text);
  assert.ok(!opened.ok);
  return opened.reason;
}

test('openNetworks() reads networks with codes and coordinates, the innermost first', () => {
  const opened = open(
    '# ours\n192.0.2.0/24, DE\r\n\n192.0.2.128/25,1.5,-2\n2001:db8::/32,DE\n192.0.2.200,DE',
  );
  assert.ok(opened.ok);
  const { geo } = opened;
  const at = (text: string) => locate(geo, parseAddress(text)!);
  assert.equal(at('192.0.2.1')?.country, 'DE');
  assert.equal(at('192.0.2.129')?.latitude, 1.5);
  assert.equal(at('192.0.2.200')?.country, 'DE');
  assert.equal(at('2001:db8:1::')?.country, 'DE');
  assert.equal(at('192.0.3.0'), undefined);
  assert.equal(at('2001:db9::'), undefined);
  assert.deepEqual([geo.networks, geo.builtAtMs], [4, 7]);
});

test('openNetworks() names the line that it cannot read', () => {
  assert.match(reason(''), /no network/);
  assert.match(reason('192.0.2.0/24'), /^line 1: "192\.0\.2\.0\/24" is no network with a place$/);
  assert.match(reason('192.0.2.0/24,DE\n# x\n192.0.2.1/24,DE'), /^line 3: .* is no network/);
  assert.match(reason('192.0.2.0/24,XX'), /^line 1: "XX" is no place/);
  assert.match(reason('192.0.2.0/24,91,0'), /^line 1: "91,0" is no place/);
  assert.match(reason('10.0.0.0/8,DE\n\n::/0,DE\n10.0.0.0/8,1,2'), /^line 4: .* there twice$/);
});

const family = fc.constantFrom(4, 6);
/** Few different bits, so that networks are often in each other, and reach the ends of the space. */
const drawnPrefix = fc
  .tuple(
    family,
    fc.array(fc.constantFrom(0, 1, 0x80, 0xff), { minLength: 16, maxLength: 16 }),
    fc.nat(128),
  )
  .map(([of, bytes, length]): Prefix => {
    const octets = Uint8Array.from(bytes.slice(0, of === 4 ? 4 : 16));
    return networkOf({ family: of as 4 | 6, bytes: octets }, length % (octets.length * 8 + 1));
  })
  // What carries IPv4 in IPv6 is answered by IPv4.
  .filter(({ address, length }) => address.family === 4 || (address.bytes[0] !== 0 && length > 0));

test('networks say what the longest of them that holds an address says', () => {
  fc.assert(
    fc.property(fc.uniqueArray(drawnPrefix, { selector: formatPrefix, minLength: 1 }), (drawn) => {
      const opened = open(drawn.map((each, i) => `${formatPrefix(each)},0,${i % 100}`).join('\n'));
      assert.ok(opened.ok, JSON.stringify(opened));
      for (const { address } of drawn) {
        for (const last of [0, 1, 0xff]) {
          const bytes = address.bytes.with(-1, last);
          const asked = { family: address.family, bytes };
          const holding = drawn
            .map((prefix, i) => ({ prefix, i }))
            .filter(({ prefix }) => containsAddress(prefix, asked))
            .sort((a, b) => b.prefix.length - a.prefix.length);
          const found: number | undefined = locate(opened.geo, asked)?.longitude;
          const expected = holding[0] === undefined ? undefined : holding[0].i % 100;
          assert.equal(found, expected, `${formatAddress(asked)} of ${drawn.map(formatPrefix)}`);
        }
      }
    }),
    { seed: fuzzSeed(45), numRuns: fuzzRuns(300) },
  );
});
