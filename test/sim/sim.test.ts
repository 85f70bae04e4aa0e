import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openApart } from '../apart.ts';
import type { Size } from './plan.ts';
import type { Outcome, SimulateOptions } from './simulate.ts';

/** A part of what `npm run sim` does, with seeds that stay. */
const apart = openApart(new URL('./simulate.ts', import.meta.url));
after(apart.close);
const simulate = (seed: number, size: Size, options: SimulateOptions): Promise<Outcome> =>
  apart.call('simulate', seed, size, options);

const MINUTE_MS = 60_000;
const FEW: readonly (readonly [Size, readonly number[], number])[] = [
  ['alone', [2, 5, 10], 40 * MINUTE_MS],
  ['cluster', [2, 3, 6], 3 * MINUTE_MS],
];

for (const [size, seeds, durationMaxMs] of FEW) {
  test(`simulate() finds nothing wrong in short worlds of size "${size}"`, async (t) => {
    let faults = 0;
    for (const seed of seeds) {
      const { counts, violation } = await simulate(seed, size, { durationMaxMs });
      t.diagnostic(`seed ${seed}: ${counts.faults} faults, ${counts.probes} probes`);
      const again = `npm run sim -- --seed ${seed} --size ${size} --worlds 1`;
      assert.equal(violation, undefined, `${JSON.stringify(violation)} ${again}`);
      assert.ok(counts.answers > 0 && counts.probes > 0);
      faults += counts.faults;
    }
    assert.ok(faults > 0, 'nothing failed, and so nothing was shown');
  });
}

test('simulate() tells the same history for the same seed', async () => {
  const options = { durationMaxMs: 3 * MINUTE_MS };
  const [one, two] = [await simulate(6, 'cluster', options), await simulate(6, 'cluster', options)];
  assert.equal(one.historyHash, two.historyHash);
  assert.deepEqual(one.counts, two.counts);
  assert.notEqual((await simulate(7, 'cluster', options)).historyHash, one.historyHash);
});
