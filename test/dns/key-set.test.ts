import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DIGEST_SHA256, keyDigest } from '../../src/dns/dnssec/key-digest.ts';
import { advanceRoll, type RollFacts, startRoll } from '../../src/dns/dnssec/key-roll.ts';
import {
  formatKeySet,
  type KeySet,
  newKeySet,
  parseKeySet,
  publishedRrsets,
  schemeOf,
  signingKeysOf,
  tagOf,
} from '../../src/dns/dnssec/key-set.ts';
import { ECDSA_P256, ED25519, openKey } from '../../src/dns/dnssec/keys.ts';
import { parseName } from '../../src/dns/name.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';

const NOW = 1_790_000_000_000;
const TIMES = { validitySeconds: 1000, refreshSeconds: 500, jitterSeconds: 100 };
const FACTS: RollFacts = { keyTtlSeconds: 3600, longestTtlSeconds: 7200, propagationSeconds: 60 };

function rollStarted(set: KeySet, key: 'csk' | 'ksk' | 'zsk'): KeySet {
  const result = startRoll(set, key, schemeOf(set), NOW + 1, FACTS);
  assert.ok(result.ok);
  return result.set;
}

test('newKeySet() makes one key of each role, all active', () => {
  const csk = newKeySet('csk', ECDSA_P256, NOW);
  assert.deepEqual(
    csk.keys.map(({ role, stage, sinceMs }) => ({ role, stage, sinceMs })),
    [{ role: 'csk', stage: 'active', sinceMs: NOW }],
  );
  assert.equal(schemeOf(csk), 'csk');
  const split = newKeySet('ksk-zsk', ED25519, NOW);
  assert.deepEqual(
    split.keys.map(({ role }) => role),
    ['ksk', 'zsk'],
  );
  assert.equal(schemeOf(split), 'ksk-zsk');
  assert.notEqual(tagOf(split.keys[0]!), tagOf(split.keys[1]!));
});

test('parseKeySet() reads what formatKeySet() writes, at every step of a roll', () => {
  for (const algorithm of [ECDSA_P256, ED25519] as const) {
    for (const scheme of ['csk', 'ksk-zsk'] as const) {
      let set = newKeySet(scheme, algorithm, NOW);
      assert.deepEqual(parseKeySet(formatKeySet(set)), set);
      assert.equal(JSON.stringify(parseKeySet(formatKeySet(set))?.keys), JSON.stringify(set.keys));
      set = rollStarted(set, scheme === 'csk' ? 'csk' : 'ksk');
      let nowMs = NOW;
      while (set.roll !== undefined) {
        assert.deepEqual(parseKeySet(formatKeySet(set)), set);
        nowMs += 10 * 86_400_000;
        const next = advanceRoll(set, nowMs, FACTS, set.roll.dsSeen ? undefined : {});
        assert.ok(next.ok);
        assert.equal(next.set.revision, set.revision + 1);
        set = next.set;
      }
      assert.deepEqual(parseKeySet(formatKeySet(set)), set);
    }
  }
});

test('parseKeySet() takes nothing that does not hold together', () => {
  const set = newKeySet('ksk-zsk', ECDSA_P256, NOW);
  const [ksk, zsk] = set.keys as [KeySet['keys'][0], KeySet['keys'][0]];
  const { d: _, ...publicOnly } = zsk.jwk;
  const other = newKeySet('csk', ED25519, NOW).keys[0]!;
  const wrong: readonly unknown[] = [
    { ...set, keys: [] },
    { ...set, keys: [ksk] },
    { ...set, keys: [zsk] },
    { ...set, keys: [ksk, zsk, zsk] },
    { ...set, keys: [ksk, { ...zsk, stage: 'retired' }] },
    { ...set, keys: [ksk, { ...zsk, jwk: publicOnly }] },
    { ...set, keys: [ksk, { ...zsk, jwk: { ...zsk.jwk, d: 'AAAA' } }] },
    { ...set, keys: [ksk, { ...zsk, jwk: { ...zsk.jwk, crv: 'P-384' } }] },
    { ...set, keys: [ksk, { ...zsk, role: 'xsk' }] },
    { ...set, keys: [ksk, zsk, { ...zsk, jwk: other.jwk }] },
    { ...set, keys: [...set.keys, { ...other, stage: 'published' }] },
    { ...set, algorithm: 8 },
    { ...set, revision: -1 },
    { ...set, more: 1 },
    { ...set, roll: { replaces: 'zsk', step: 'introduced', sinceMs: 1, untilMs: 2 } },
    { ...rollStarted(set, 'zsk'), roll: undefined },
  ];
  for (const value of wrong) {
    assert.equal(parseKeySet(JSON.stringify({ version: 1, ...(value as object) })), undefined);
  }
  const text = formatKeySet(set);
  assert.equal(parseKeySet(text.replace('"version":1', '"version":2')), undefined);
  assert.equal(parseKeySet(`${text} `.repeat(2)), undefined);
  assert.equal(parseKeySet(' '.repeat(20_000)), undefined);
  for (const text of ['', 'null', '[]', '{}', '1', '"x"'])
    assert.equal(parseKeySet(text), undefined);
});

test('publishedRrsets() has DNSKEY, and CDS and CDNSKEY of what the parent is to know', () => {
  const set = newKeySet('ksk-zsk', ECDSA_P256, NOW);
  const [dnskey, cds, cdnskey] = publishedRrsets(set, 'gslb.example.', 3600);
  assert.deepEqual([dnskey?.type, cds?.type, cdnskey?.type], ['DNSKEY', 'CDS', 'CDNSKEY']);
  assert.deepEqual([dnskey?.owner, dnskey?.ttl], ['gslb.example.', 3600]);
  assert.equal(dnskey?.data.length, 2);
  assert.match(dnskey?.data[0] ?? '', /^257 3 13 /);
  assert.match(dnskey?.data[1] ?? '', /^256 3 13 /);
  assert.deepEqual(cdnskey?.data, [dnskey?.data[0]]);
  const parsed = parseRdata('DNSKEY', dnskey!.data[0]!);
  assert.ok(parsed.ok);
  const digest = keyDigest(DIGEST_SHA256, parseName('gslb.example.')!, parsed.rdata)!;
  assert.deepEqual(cds?.data, [
    `${tagOf(set.keys[0]!)} 13 2 ${Buffer.from(digest).toString('hex').toUpperCase()}`,
  ]);
});

/** By tag: in DNSKEY, in CDS, signing records, signing DNSKEY. */
function roles(set: KeySet): Record<'dnskey' | 'cds' | 'records' | 'keys', readonly string[]> {
  const names = new Map(set.keys.map((key, index) => [tagOf(key), `${key.role}${index}`]));
  const [dnskey, cds] = publishedRrsets(set, 'example.', 60);
  const { entryKeys, zoneKeys } = signingKeysOf(set, 'example', TIMES);
  const opened = (list: typeof zoneKeys) =>
    list.map(({ jwk, flags }) => names.get(openKey(jwk, flags)!.tag)!);
  const tags = (dnskey?.data ?? []).map((text) => {
    const parsed = parseRdata('DNSKEY', text);
    const key = set.keys.find(
      (each) =>
        parsed.ok &&
        text.startsWith(each.role === 'zsk' ? '256' : '257') &&
        isSame(each, parsed.rdata),
    );
    return names.get(tagOf(key!))!;
  });
  return {
    dnskey: tags,
    cds: (cds?.data ?? []).map((text) => names.get(Number(text.split(' ')[0]))!),
    records: opened(zoneKeys),
    keys: opened(entryKeys),
  };
}

function isSame(key: KeySet['keys'][0], rdata: Uint8Array): boolean {
  const { dnskey } = openKey(key.jwk, key.role === 'zsk' ? 256 : 257)!;
  return Buffer.from(dnskey).equals(rdata);
}

test('what a key does follows from its stage', () => {
  const split = newKeySet('ksk-zsk', ECDSA_P256, NOW);
  const rest = { cds: ['ksk0'], keys: ['ksk0'] };
  assert.deepEqual(roles(split), { ...rest, dnskey: ['ksk0', 'zsk1'], records: ['zsk1'] });
  const zsk = rollStarted(split, 'zsk');
  assert.deepEqual(roles(zsk), { ...rest, dnskey: ['ksk0', 'zsk1', 'zsk2'], records: ['zsk1'] });
  const ksk = rollStarted(split, 'ksk');
  assert.deepEqual(roles(ksk), {
    ...{ dnskey: ['ksk0', 'zsk1'], records: ['zsk1'] },
    ...{ cds: ['ksk0', 'ksk2'], keys: ['ksk0'] },
  });
  const csk = rollStarted(newKeySet('csk', ECDSA_P256, NOW), 'csk');
  assert.deepEqual(roles(csk), {
    ...{ dnskey: ['csk0', 'csk1'], records: ['csk0'] },
    ...{ cds: ['csk0', 'csk1'], keys: ['csk0', 'csk1'] },
  });
  assert.equal(signingKeysOf(csk, 'example', TIMES).zone, 'example');
});
