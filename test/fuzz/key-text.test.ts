import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FileKey, fileKeyAt, readKeyPair } from '../../src/dns/dnssec/key-files.ts';
import { formatKeySet, newKeySet, parseKeySet, tagOf } from '../../src/dns/dnssec/key-set.ts';
import { ECDSA_P256, ED25519, generateKey, openKey } from '../../src/dns/dnssec/keys.ts';
import { parseName } from '../../src/dns/name.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Key sets out of a store and key files out of a folder: anything may stand there. */
const options = { seed: fuzzSeed(20261122), numRuns: fuzzRuns(1500) };
const APEX = parseName('example.')!;

/** Good text with something else in some places. */
function damaged(text: string): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat({ max: text.length }),
    length: fc.nat({ max: 8 }),
    by: fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom('"', '{', '}', '0', '-1', 'null', '1e400', '\n', ': ', '=', '(', '\\#'),
    ),
  });
  return fc.array(change, { maxLength: 4 }).map((changes) => {
    let out = text;
    for (const { at, by, length } of changes) out = out.slice(0, at) + by + out.slice(at + length);
    return out;
  });
}

test('parseKeySet() takes any text and gives nothing that cannot sign', () => {
  const text = formatKeySet(newKeySet('ksk-zsk', ECDSA_P256, 1));
  fc.assert(
    fc.property(fc.oneof(damaged(text), fc.string(), fc.json()), (given) => {
      const set = parseKeySet(given);
      if (set === undefined) return;
      assert.ok(set.keys.every((key) => tagOf(key) > 0));
      assert.deepEqual(parseKeySet(formatKeySet(set)), set);
    }),
    options,
  );
});

test('readKeyPair() takes any text and gives no key that is not the pair of its public one', () => {
  const pairs = ([ECDSA_P256, ED25519] as const).map((algorithm) => {
    const jwk = generateKey(algorithm);
    const { dnskey } = openKey(jwk, 256)!;
    const secret = Buffer.from(jwk.d!, 'base64url').toString('base64');
    const key = Buffer.from(dnskey.subarray(4)).toString('base64');
    return {
      publicText: `; a key\nexample. IN DNSKEY 256 3 ${algorithm} ${key}\n`,
      privateText: `Private-key-format: v1.3\nAlgorithm: ${algorithm} (X)\nPrivateKey: ${secret}\nPublish: 20261121172039\nActivate: 20261121172039\n`,
    };
  });
  let taken = 0;
  const pair = fc.constantFrom(...pairs).chain(({ privateText, publicText }) => {
    const whole = fc.tuple(fc.constant(publicText), damaged(privateText));
    return fc.oneof(
      whole,
      fc.tuple(damaged(publicText), fc.constant(privateText)),
      fc.tuple(damaged(publicText), damaged(privateText)),
      fc.tuple(fc.string(), fc.string()),
    );
  });
  fc.assert(
    fc.property(pair, fc.integer(), ([publicText, privateText], nowSeconds) => {
      const read = readKeyPair(APEX, publicText, privateText);
      if (!read.ok) {
        assert.ok(read.reason.length > 0);
        return;
      }
      taken += 1;
      const key: FileKey = read.key;
      assert.deepEqual(Buffer.from(openKey(key.jwk, key.flags)!.dnskey), Buffer.from(key.dnskey));
      fileKeyAt(key, nowSeconds);
    }),
    options,
  );
  assert.ok(taken > 10);
});
