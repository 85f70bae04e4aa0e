import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createEngine, useRing } from '../balancer/engine.ts';
import { fuzzHits, fuzzRuns, fuzzSeed } from './effort.ts';
import { exchange } from './engine-exchange.ts';
import { type Outcome, play } from './engine-play.ts';

/**
 * Whichever stream engine moves the octets, the same ones come out at both sides of the balancer, and connections end in
 * the same way: any requests and answers, sound and broken, cut anywhere, with peers that do not read for a while and
 * that leave in any way.
 */

const RUNS = 200;
const portable = createEngine();
// Sleeping in the kernel is for those whom something wakes: what these tests wait for is often in Node alone.
const ring = (await useRing({ waits: false })) ? createEngine() : undefined;
const skip = ring === undefined && 'this machine lets us have no io_uring';

test('both stream engines bring the same octets out', { skip }, async () => {
  const seen = { alike: 0, resets: 0, down: [0, 0], up: [0, 0] };
  await fc.assert(
    fc.asyncProperty(exchange, async (drawn) => {
      const outcomes = [await play(drawn, portable), await play(drawn, ring!)] as const;
      assertAlike(...outcomes);
      if (!outcomes.some(({ isRaced }) => isRaced)) seen.alike += 1;
      if (outcomes[0].clientEnd === 'reset') seen.resets += 1;
      for (const [index, { holds }] of outcomes.entries()) {
        if (holds.down > 0) seen.down[index]! += 1;
        if (holds.up > 0) seen.up[index]! += 1;
      }
    }),
    // Of a lost octet everybody waits for ever: to look for a shorter exchange would take minutes.
    { seed: fuzzSeed(20_261_123), numRuns: fuzzRuns(RUNS), endOnFailure: true },
  );
  const told = JSON.stringify(seen);
  assert.ok(seen.alike >= fuzzHits(130, RUNS), told);
  assert.ok(seen.resets >= fuzzHits(3, RUNS), told);
  // Both were held back, in both directions.
  for (const count of [...seen.down, ...seen.up]) assert.ok(count >= fuzzHits(4, RUNS), told);
});

function assertAlike(left: Outcome, right: Outcome): void {
  const isRaced = left.isRaced || right.isRaced;
  assertSame(left.client, right.client, isRaced, 'the client');
  for (const [index, octets] of left.servers.entries()) {
    assertSame(
      octets,
      right.servers[index] ?? NOTHING,
      isRaced,
      `connection ${index} of the server`,
    );
  }
  if (isRaced) return;
  assert.equal(left.servers.length, right.servers.length, 'connections to the server');
  assert.equal(left.clientEnd, right.clientEnd, 'how the connection of the client ended');
}

/** @param isPrefix one of them may have got no further than this */
function assertSame(left: Buffer, right: Buffer, isPrefix: boolean, who: string): void {
  const length = Math.min(left.length, right.length);
  const [all, others] = isPrefix
    ? [left.subarray(0, length), right.subarray(0, length)]
    : [left, right];
  if (all.equals(others)) return;
  const at = all.findIndex((octet, index) => octet !== others[index]);
  const from = at < 0 ? length : at;
  const around = (octets: Buffer): string =>
    `${JSON.stringify(octets.toString('latin1', Math.max(0, from - 80), from + 80))} of ${octets.length}`;
  assert.fail(`${who} has different octets from ${from} on: ${around(left)}, ${around(right)}`);
}

const NOTHING = Buffer.alloc(0);
