import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BREAKAGES, tryBroken } from './breakages.ts';

/** The checks can fail: each of these breaks one place of the core, and is noticed for what it is. */
for (const breakage of BREAKAGES.filter(({ isSlow }) => isSlow !== true)) {
  const { invariant, name } = breakage;
  test(`"${invariant}" does not hold when ${name}`, async () => {
    const found = await tryBroken(breakage);
    assert.ok(found.includes(invariant), `found only: ${found.join(', ')}`);
  });
}
