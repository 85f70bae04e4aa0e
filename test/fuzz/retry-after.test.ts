import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRetryAfter, RETRY_AFTER_MAX_MS } from '../../src/resilience/retry-after.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Whatever a server sends, a wait within bounds comes out of it, or none. */
const parameters = { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(2000) };
const NOW_MS = Date.UTC(2026, 10, 22);
const pieces = fc.constantFrom(
  ...['Sun, ', 'Sunday, ', 'Sun ', '22 ', '31-', 'Feb', 'Nov ', ' 2026 ', '99', '-', ' ', '0'],
  ...['15:00:60', '24:60:61', ' GMT', '1e9', '\u0661', '\0'],
);
const values = fc.oneof(
  fc.string(),
  fc.array(pieces, { maxLength: 9 }).map((list) => list.join('')),
);

test('parseRetryAfter() never throws and never asks for more than the maximum', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 0, max: 4e12 }), (value, nowMs) => {
      for (const now of [NOW_MS, nowMs]) {
        const waitMs = parseRetryAfter(value, now);
        if (waitMs !== undefined) assert.ok(waitMs >= 0 && waitMs <= RETRY_AFTER_MAX_MS);
      }
    }),
    parameters,
  );
});
