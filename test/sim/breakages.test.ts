import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BREAKAGES } from './breakages.ts';
import { loadBroken } from './broken-core.ts';

/** The checks can fail: each of these breaks one place of the core, and is noticed for what it is. */
const HOUR_MS = 3_600_000;
/** The worlds that are named show it in the first; a change of the core that draws otherwise moves that. */
const TRIES = 4;

for (const breakage of BREAKAGES) {
  const { invariant, name, seed, size } = breakage;
  test(`"${invariant}" does not hold when ${name}`, async () => {
    const { simulate } = await loadBroken(breakage);
    const durationMaxMs = size === 'alone' ? 4 * HOUR_MS : HOUR_MS / 9;
    const found: string[] = [];
    while (!found.includes(invariant) && found.length < TRIES) {
      const { violation } = await simulate(seed + found.length, size, { durationMaxMs });
      found.push(violation?.invariant ?? 'nothing');
    }
    assert.ok(found.includes(invariant), `found only: ${found.join(', ')}`);
  });
}
