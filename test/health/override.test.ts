import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEGRADED,
  healthWord,
  isDegraded,
  isDown,
  isForced,
  TTL_MASK,
  wordTtlSeconds,
} from '../../src/health/health-word.ts';
import {
  activeOverride,
  applyToWord,
  drainedRegions,
  nextExpiry,
  type Override,
} from '../../src/health/override.ts';

const ENDPOINT = { name: 'web/virginia', pool: 'web', region: 'virginia' };
const REGION = { kind: 'region', name: 'virginia' } as const;
const POOL = { kind: 'pool', name: 'web' } as const;
const SELF = { kind: 'endpoint', name: 'web/virginia' } as const;

function override(target: Override['target'], more: Partial<Override> = {}): Override {
  return { target, action: 'drain', reason: 'maintenance', by: 'ada', setAtMs: 1000, ...more };
}

test('activeOverride() finds what concerns the endpoint', () => {
  assert.equal(activeOverride([], ENDPOINT, 0), undefined);
  for (const target of [REGION, POOL, SELF]) {
    const one = override(target);
    assert.equal(activeOverride([one], ENDPOINT, 0), one);
    assert.equal(activeOverride([override({ ...target, name: 'other' })], ENDPOINT, 0), undefined);
  }
});

test('activeOverride() prefers manual to drill, then the narrower, then the later', () => {
  const region = override(REGION);
  const pool = override(POOL);
  const endpoint = override(SELF);
  const laterRegion = override(REGION, { setAtMs: 2000 });
  const drill = override(SELF, { drill: 'd1', setAtMs: 9000 });
  assert.equal(activeOverride([endpoint, pool, region], ENDPOINT, 0), endpoint);
  assert.equal(activeOverride([pool, region], ENDPOINT, 0), pool);
  assert.equal(activeOverride([laterRegion, region], ENDPOINT, 0), laterRegion);
  assert.equal(activeOverride([region, laterRegion], ENDPOINT, 0), laterRegion);
  assert.equal(activeOverride([drill, region], ENDPOINT, 0), region, 'manual > drill');
  assert.equal(activeOverride([drill], ENDPOINT, 0), drill);
});

test('activeOverride() forgets what has lapsed, and uncovers what is beneath', () => {
  const short = override(SELF, { action: 'up', expiresAtMs: 5000 });
  const long = override(REGION);
  assert.equal(activeOverride([short, long], ENDPOINT, 4999), short);
  assert.equal(activeOverride([short, long], ENDPOINT, 5000), long);
});

test('nextExpiry() gives the next instant at which something lapses', () => {
  const list = [1000, 5000, 3000].map((expiresAtMs) => override(REGION, { expiresAtMs }));
  assert.equal(nextExpiry(list, 0), 1000);
  assert.equal(nextExpiry(list, 1000), 3000);
  assert.equal(nextExpiry(list, 5000), undefined);
  assert.equal(nextExpiry([override(POOL)], 0), undefined);
});

test('applyToWord() forces without an override being asked twice', () => {
  const degraded = healthWord(DEGRADED, 7);
  assert.equal(applyToWord(degraded, undefined, 0), degraded);
  for (const action of ['drain', 'down'] as const) {
    const word = applyToWord(degraded, override(SELF, { action }), 0);
    assert.ok(isDown(word) && isForced(word) && !isDegraded(word));
    assert.equal(wordTtlSeconds(word), TTL_MASK);
  }
  const up = applyToWord(healthWord(0x80000000, 7), override(SELF, { action: 'up' }), 0);
  assert.ok(!isDown(up) && isForced(up));
});

test('applyToWord() shortens the TTL to the end of the override', () => {
  const word = applyToWord(0, override(SELF, { expiresAtMs: 12_900 }), 1000);
  assert.equal(wordTtlSeconds(word), 11);
});

test('drainedRegions() names the regions that a word on the whole region takes out', () => {
  const on = (kind: 'region' | 'pool', name: string, action: 'drain' | 'up' | 'down') => ({
    target: { kind, name },
    action,
    reason: '',
    by: 'test',
    setAtMs: 1,
    expiresAtMs: 100,
  });
  const drill = { ...on('region', 'c', 'drain'), drill: 'd1' };
  const words = [on('region', 'a', 'drain'), on('region', 'b', 'down'), on('pool', 'p', 'drain')];
  assert.deepEqual([...drainedRegions([...words, drill], 50)], ['a', 'b', 'c']);
  assert.deepEqual([...drainedRegions([drill, on('region', 'c', 'up')], 50)], []);
  assert.deepEqual([...drainedRegions(words, 100)], []);
});
