import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApart } from '../apart.ts';
import { BREAKAGES } from './breakages.ts';

/** The checks can fail: each of these breaks one place of the core, and is noticed for what it is. */
const apart = openApart(new URL('./breakages.ts', import.meta.url));
after(apart.close);

for (const breakage of BREAKAGES.filter(({ isSlow }) => isSlow !== true)) {
  const { invariant, name } = breakage;
  test(`"${invariant}" does not hold when ${name}`, async () => {
    const found = await apart.call<readonly string[]>('tryBroken', breakage);
    assert.ok(found.includes(invariant), `found only: ${found.join(', ')}`);
  });
}
