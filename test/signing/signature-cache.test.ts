import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSignatureCache } from '../../src/signing/signature-cache.ts';
import { wireName } from '../nameserver/fixture.ts';
import { NOW_SECONDS, signedWorld } from './signed-world.ts';

const [zone] = signedWorld('compact').ring.values();

function open(max: number) {
  const cache = createSignatureCache(max);
  /** Whether it had to be signed. */
  const isMade = (name: string): boolean => {
    const before = cache.made();
    const owner = Uint8Array.from(wireName(name));
    const rrset = { owner, type: 1, ttlSeconds: 60, rdata: [Uint8Array.of(192, 0, 2, 1)] };
    cache.sign(rrset, zone!, zone!.zoneKeys, NOW_SECONDS);
    return cache.made() > before;
  };
  return { cache, isMade };
}

test('the signatures that were asked for last are kept, and not many more', () => {
  const { cache, isMade } = open(20);
  for (let n = 0; n < 100; n += 1) {
    assert.ok(isMade(`n${n}.gslb.example`));
    assert.ok(cache.size() <= 40, String(cache.size()));
  }
  for (let n = 81; n < 100; n += 1) assert.ok(!isMade(`n${n}.gslb.example`), String(n));
  for (let n = 0; n < 50; n += 1) {
    assert.ok(isMade(`new${n}.gslb.example`));
    assert.ok(!isMade('n99.gslb.example'), 'it is asked for all the time');
  }
});

test('more are kept when more are served', () => {
  const { cache, isMade } = open(1);
  cache.keep(50);
  for (let n = 0; n < 50; n += 1) assert.ok(isMade(`n${n}.gslb.example`));
  for (let n = 0; n < 50; n += 1) assert.ok(!isMade(`n${n}.gslb.example`));
});
