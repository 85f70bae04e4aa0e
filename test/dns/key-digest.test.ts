import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dsText, keyDigest, keyTag } from '../../src/dns/dnssec/key-digest.ts';
import { parseName } from '../../src/dns/name.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';

const OLD_KEY =
  '256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==';
const P384_KEY =
  '257 3 14 xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40';

const rdata = (text: string): Uint8Array => {
  const result = parseRdata('DNSKEY', text);
  assert.ok(result.ok);
  return result.rdata;
};

test('key tags and digests are those of the RFCs', () => {
  const cases: readonly (readonly [string, string, number, number, string])[] = [
    // RFC 4034 5.4.
    ['dskey.example.com.', OLD_KEY, 60485, 1, '2BB183AF5F22588179A53B0A98631FAD1A292118'],
    // RFC 4509 2.3.
    [
      'dskey.example.com.',
      OLD_KEY,
      60485,
      2,
      'D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A',
    ],
    // RFC 6605 6.2.
    [
      'example.net.',
      P384_KEY,
      10771,
      4,
      '72D7B62976CE06438E9C0BF319013CF801F09ECC84B8D7E9495F27E305C6A9B0563A9B5F4D288405C3008A946DF983D6',
    ],
  ];
  for (const [owner, text, tag, type, digest] of cases) {
    const key = rdata(text);
    assert.equal(keyTag(key), tag);
    for (const name of [owner, owner.toUpperCase()]) {
      const found = keyDigest(type, parseName(name)!, key);
      assert.equal(Buffer.from(found!).toString('hex').toUpperCase(), digest, `${name} ${type}`);
    }
  }
});

test('digests of unknown types are unknown, and the text is of SHA-256', () => {
  const key = rdata(OLD_KEY);
  const owner = parseName('dskey.example.com.')!;
  assert.equal(keyDigest(3, owner, key), undefined);
  assert.equal(keyDigest(0, owner, key), undefined);
  assert.equal(
    dsText(owner, key),
    '60485 5 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A',
  );
});
