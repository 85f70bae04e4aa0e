import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import type { Size } from './plan.ts';
import { type SimulateOptions, simulate } from './simulate.ts';

/** A part of what `npm run sim` does, with seeds that stay: and proof that its checks can fail. */
const HOUR_MS = 3_600_000;
const FEW: readonly (readonly [Size, number, number])[] = [
  ['alone', 1, 4 * HOUR_MS],
  ['alone', 2, 4 * HOUR_MS],
  ['cluster', 3, HOUR_MS / 6],
  ['cluster', 4, HOUR_MS / 6],
  ['cluster', 5, HOUR_MS / 6],
];

for (const [size, seed, durationMaxMs] of FEW) {
  test(`invariants hold in a world of size "${size}", seed ${seed}`, async (t) => {
    const { counts, violation } = await simulate(seed, size, { durationMaxMs });
    t.diagnostic(`${counts.faults} faults, ${counts.probes} probes, ${counts.answers} answers`);
    assert.equal(violation, undefined, JSON.stringify(violation));
    assert.ok(counts.answers > 0 && counts.probes > 0);
  });
}

test('the same seed tells the same history', async () => {
  const options = { durationMaxMs: HOUR_MS / 12 };
  const [one, two] = [await simulate(6, 'cluster', options), await simulate(6, 'cluster', options)];
  assert.equal(one.historyHash, two.historyHash);
  assert.deepEqual(one.counts, two.counts);
  assert.notEqual((await simulate(7, 'cluster', options)).historyHash, one.historyHash);
});

/** What is broken on purpose, and the invariant that must tell. */
const BROKEN: Readonly<Record<string, readonly [Size, number, SimulateOptions]>> = {
  'answers follow health': ['alone', 1, { broken: { isDeaf: true } }],
  'words of people': ['cluster', 3, { broken: { isStubborn: true } }],
  'withdrawal limit': [
    'alone',
    2,
    {
      bend: everyPool((pool) => ({
        ...pool,
        withdrawals: { ...pool.withdrawals, shareMax: 1 },
      })),
    },
  ],
  'no false withdrawal': ['cluster', 4, { bend: everyPool((pool) => ({ ...pool, quorumMin: 1 })) }],
  'the dead leave': ['alone', 3, { bend: everyPool((pool) => ({ ...pool, quorumMin: 100 })) }],
};

for (const [invariant, [size, seed, options]] of Object.entries(BROKEN)) {
  test(`"${invariant}" does not hold when the core is broken`, async () => {
    const found = new Set<string>();
    for (let more = 0; more < TRIES && !found.has(invariant); more += 1) {
      const { violation } = await simulate(seed + more * 100, size, {
        ...options,
        durationMaxMs: size === 'alone' ? 8 * HOUR_MS : HOUR_MS / 3,
      });
      if (violation) found.add(violation.invariant);
    }
    assert.ok(found.has(invariant), `found only: ${[...found].join(', ')}`);
  });
}

/** A world need not have the fault that shows what is broken. */
const TRIES = 6;

type Pool = Config['pools'][string];

function everyPool(change: (pool: Pool) => Pool): (config: Config) => Config {
  return (config) => ({
    ...config,
    pools: Object.fromEntries(
      Object.entries(config.pools).map(([name, pool]) => [name, change(pool)]),
    ),
  });
}
