import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalRdata, signedLabels } from '../../src/dns/dnssec/canonical.ts';
import { nextName } from '../../src/dns/dnssec/denial.ts';
import { dsRdata, keyTag } from '../../src/dns/dnssec/key-digest.ts';
import {
  ECDSA_P256,
  ED25519,
  FLAGS_KSK,
  FLAGS_ZSK,
  generateKey,
  openKey,
} from '../../src/dns/dnssec/keys.ts';
import { signRrset, verifyRrset } from '../../src/dns/dnssec/sign.ts';
import { INCEPTION_MARGIN_SECONDS, isDue, validityAt } from '../../src/dns/dnssec/validity.ts';
import { compareNames, parseName } from '../../src/dns/name.ts';
import { formatRdata, parseRdata } from '../../src/dns/rdata/registry.ts';
import { typeNumber } from '../../src/dns/type-names.ts';

const name = (text: string): Uint8Array => parseName(text)!;

function rdata(type: string, text: string): Uint8Array {
  const parsed = parseRdata(type, text);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message);
  return parsed.rdata;
}

function rrset(owner: string, type: string, ttlSeconds: number, ...data: string[]) {
  return {
    owner: name(owner),
    type: typeNumber(type)!,
    ttlSeconds,
    rdata: data.map((text) => rdata(type, text)),
  };
}

/** The examples of RFC 6605 6.1 and RFC 8080 6.1. */
const EXAMPLES = [
  {
    owner: 'example.net.',
    dnskey:
      '257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==',
    ds: '55648 13 2 B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17',
    rrset: rrset('www.example.net.', 'A', 3600, '192.0.2.1'),
    rrsig:
      'A 13 3 3600 20100909100439 20100812100439 55648 example.net. qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==',
  },
  {
    owner: 'example.com.',
    dnskey: '257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=',
    ds: '3613 15 2 3AA5AB37EFCE57F737FC1627013FEE07BDF241BD10F3B1964AB55C78E79A304B',
    rrset: rrset('example.com.', 'MX', 3600, '10 mail.example.com.'),
    rrsig:
      'MX 15 2 3600 1440021600 1438207200 3613 example.com. oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==',
  },
] as const;

test('key tags, DS digests and signatures are those of the RFCs', () => {
  for (const { dnskey, ds, owner, rrset: signed, rrsig } of EXAMPLES) {
    const key = rdata('DNSKEY', dnskey);
    assert.equal(keyTag(key), Number(ds.split(' ')[0]));
    assert.equal(formatRdata(43, dsRdata(name(owner), key)), ds);
    const signature = rdata('RRSIG', rrsig);
    assert.ok(verifyRrset(signed, signature, key));
    const other = { ...signed, owner: name(`x.${owner}`) };
    assert.ok(!verifyRrset(other, signature, key));
  }
});

test('what is signed is verified, whatever the order and the case of names', () => {
  const validity = { inception: 1_700_000_000, expiration: 1_701_000_000 };
  for (const algorithm of [ECDSA_P256, ED25519] as const) {
    const key = openKey(generateKey(algorithm), FLAGS_ZSK)!;
    const signed = rrset('Www.Example.net.', 'MX', 60, '10 Mail.example.net.', '5 a.', '5 a.');
    const rrsig = signRrset(signed, name('Example.NET.'), key, validity);
    assert.match(
      formatRdata(46, rrsig),
      new RegExp(
        `^MX ${algorithm} 3 60 20231126120000 20231114221320 ${key.tag} example\\.net\\. `,
      ),
    );
    const same = rrset('www.example.net.', 'MX', 30, '5 a.', '10 mail.example.net.');
    assert.ok(verifyRrset(same, rrsig, key.dnskey));
    const less = rrset('www.example.net.', 'MX', 60, '5 a.');
    assert.ok(!verifyRrset(less, rrsig, key.dnskey));
    rrsig[rrsig.length - 1]! ^= 1;
    assert.ok(!verifyRrset(same, rrsig, key.dnskey));
  }
});

test('a wildcard signs without its asterisk', () => {
  assert.equal(signedLabels(name('*.example.net.')), 2);
  assert.equal(signedLabels(name('example.net.')), 2);
  assert.equal(signedLabels(name('.')), 0);
});

test('names are lowered in the types that demand it, and in no others (RFC 6840 5.1)', () => {
  assert.deepEqual(canonicalRdata(33, rdata('SRV', '1 2 3 A.B.')), rdata('SRV', '1 2 3 a.b.'));
  assert.deepEqual(
    canonicalRdata(6, rdata('SOA', 'A. B. 1 2 3 4 5')),
    rdata('SOA', 'a. b. 1 2 3 4 5'),
  );
  for (const [type, text] of [
    ['NSEC', 'A.B. A MX'],
    ['HTTPS', '1 A.B. alpn=h2'],
    ['TXT', '"A.B."'],
  ] as const) {
    assert.deepEqual(canonicalRdata(typeNumber(type)!, rdata(type, text)), rdata(type, text));
  }
});

test('keys are kept as they were made, and nothing else is taken for one', () => {
  const jwk = generateKey(ECDSA_P256);
  assert.deepEqual(openKey(jwk, FLAGS_KSK)!.dnskey, openKey({ ...jwk }, FLAGS_KSK)!.dnskey);
  const { d: _, ...half } = jwk;
  assert.equal(openKey(half, FLAGS_KSK), undefined);
  assert.equal(openKey({ ...jwk, crv: 'P-384' }, FLAGS_KSK), undefined);
  assert.equal(openKey({ ...jwk, x: 'AA' }, FLAGS_KSK), undefined);
});

test('nothing fits between a name and the next one', () => {
  const longest = name(`${`${'a'.repeat(63)}.`.repeat(3)}${'b'.repeat(61)}.`);
  const full = name(`${'\\255'.repeat(63)}.${`${'a'.repeat(63)}.`.repeat(2)}${'b'.repeat(61)}.`);
  const cases: readonly (readonly [Uint8Array, Uint8Array])[] = [
    [name('Example.com.'), name('\\000.example.com.')],
    [name('.'), name('\\000.')],
    [longest, name(`${'a'.repeat(62)}b.${`${'a'.repeat(63)}.`.repeat(2)}${'b'.repeat(61)}.`)],
  ];
  for (const [before, next] of cases) {
    assert.deepEqual(nextName(before), next);
    assert.ok(compareNames(before, next) < 0);
  }
  assert.equal(longest.length, 255);
  assert.ok(compareNames(full, nextName(full)) < 0);
});

test('the end of a signature is spread, and it is made anew in time', () => {
  const times = { validitySeconds: 1000, refreshSeconds: 300, jitterSeconds: 100 };
  const early = validityAt(50_000, 0.99, times);
  assert.deepEqual(validityAt(50_000, 0, times), { inception: 46_400, expiration: 51_000 });
  assert.deepEqual(early.expiration, 50_901);
  const validity = validityAt(50_000, 0, times);
  assert.ok(!isDue(validity, 50_700, times));
  assert.ok(isDue(validity, 50_701, times));
});

test('a signature that would not be made now is made anew', () => {
  const times = { validitySeconds: 10_000, refreshSeconds: 300, jitterSeconds: 5000 };
  const { validitySeconds } = times;
  const early = validityAt(50_000, 0.99, times);
  assert.ok(!isDue(early, 50_000 - INCEPTION_MARGIN_SECONDS, times));
  assert.ok(isDue(early, 50_000 - INCEPTION_MARGIN_SECONDS - 1, times));
  const validity = validityAt(50_000, 0, times);
  // The clock is set back: resolvers' late clocks would not take it.
  assert.ok(!isDue(validity, 50_000 - INCEPTION_MARGIN_SECONDS, times));
  assert.ok(isDue(validity, 50_000 - INCEPTION_MARGIN_SECONDS - 1, times));
  // Signatures are to last less long than when it was made.
  const shorter = { ...times, validitySeconds: validitySeconds - INCEPTION_MARGIN_SECONDS - 1 };
  assert.ok(isDue(validity, 50_000, shorter));
  assert.ok(!isDue(validity, 50_001, shorter));
});
