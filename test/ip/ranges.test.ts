import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../src/ip/prefix.ts';
import {
  addressCounts,
  buildRanges,
  mapRanges,
  overlayPrefixes,
  uniformRanges,
} from '../../src/ip/ranges.ts';

const overlay = (text: string, value: number) => ({ prefix: parsePrefix(text)!, value });

test('buildRanges() merges neighbours of equal value and starts with 0 where nothing was added', () => {
  const builder = buildRanges();
  builder.add4(10, 1);
  builder.add4(20, 1);
  builder.add4(30, 2);
  builder.add4(30, 3);
  builder.add4(40, 4);
  builder.add4(40, 3);
  builder.add6(0, 0, 0, 0, 7);
  builder.add6(0, 0, 0, 1, 7);
  builder.add6(0, 0, 1, 0, 8);
  const ranges = builder.finish();
  assert.deepEqual([...ranges.starts4], [0, 10, 30]);
  assert.deepEqual([...ranges.values4], [0, 1, 3]);
  assert.deepEqual([...ranges.starts6], [0, 0, 0, 0, 0, 0, 1, 0]);
  assert.deepEqual([...ranges.values6], [7, 8]);
  assert.ok(ranges.starts4.buffer instanceof SharedArrayBuffer);
});

test('mapRanges() calls the function once for each distinct value', () => {
  const ranges = overlayPrefixes(uniformRanges(0), [
    overlay('10.0.0.0/8', 1),
    overlay('12.0.0.0/8', 1),
  ]);
  const seen: number[] = [];
  const mapped = mapRanges(ranges, (value) => {
    seen.push(value);
    return 5;
  });
  assert.deepEqual(seen, [0, 1]);
  assert.deepEqual([...mapped.values4], [5]);
});

test('overlayPrefixes() lets the later of two equal networks win', () => {
  const ranges = overlayPrefixes(uniformRanges(0), [
    overlay('10.0.0.0/8', 1),
    overlay('10.0.0.0/8', 2),
  ]);
  assert.deepEqual([...ranges.values4], [0, 2, 0]);
});

test('overlayPrefixes() ends at the end of the space when a network reaches it', () => {
  const ranges = overlayPrefixes(uniformRanges(0), [
    overlay('255.0.0.0/8', 1),
    overlay('255.255.255.255', 2),
    overlay('ff00::/8', 3),
    overlay('0.0.0.0/1', 4),
  ]);
  assert.deepEqual([...ranges.starts4], [0, 0x80000000, 0xff000000, 0xffffffff]);
  assert.deepEqual([...ranges.values4], [4, 0, 1, 2]);
  assert.deepEqual([...ranges.values6], [0, 3]);
});

test('overlayPrefixes() takes a hundred thousand nested networks in a moment', () => {
  const overlays = Array.from({ length: 100_000 }, (_, i) => {
    const text =
      i % 2
        ? `10.${(i >> 9) & 255}.${(i >> 1) & 255}.0/24`
        : `2001:db8:${(i & 0xffff).toString(16)}::/48`;
    return overlay(i % 7 ? text : '0.0.0.0/0', i % 3);
  });
  // It takes a fifth of a second; anything quadratic takes minutes, so a generous bound is enough.
  const start = process.hrtime.bigint();
  assert.ok(overlayPrefixes(uniformRanges(0), overlays).values6.length > 10_000);
  assert.ok(process.hrtime.bigint() - start < 5_000_000_000n);
});

test('addressCounts() adds up to the whole space', () => {
  const ranges = overlayPrefixes(uniformRanges(1), [
    overlay('10.0.0.0/8', 3),
    overlay('1.2.3.4', 0),
  ]);
  assert.deepEqual([...addressCounts(ranges)], [1, 2 ** 32 - 2 ** 24 - 1, 0, 2 ** 24]);
});
