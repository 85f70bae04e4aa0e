import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DOWN,
  FORCED,
  healthWord,
  isDegraded,
  isDown,
  isForced,
  isUnknown,
  TTL_MASK,
  UNKNOWN,
  wordTtlSeconds,
} from '../../src/health/health-word.ts';

test('healthWord() packs flags and TTL, and survives a Uint32Array', () => {
  for (const ttl of [0, 1, 30, TTL_MASK]) {
    const word = new Uint32Array([healthWord((DOWN | FORCED) >>> 0, ttl)])[0]!;
    assert.ok(isDown(word) && isForced(word) && !isUnknown(word) && !isDegraded(word));
    assert.equal(wordTtlSeconds(word), ttl);
  }
});

test('healthWord() bounds the TTL when it is out of range', () => {
  assert.equal(wordTtlSeconds(healthWord(UNKNOWN, -3)), 0);
  assert.equal(wordTtlSeconds(healthWord(UNKNOWN, 2.9)), 2);
  assert.equal(healthWord(UNKNOWN, Number.POSITIVE_INFINITY), (UNKNOWN | TTL_MASK) >>> 0);
});
