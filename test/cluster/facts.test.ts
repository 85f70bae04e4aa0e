import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openFacts } from '../../src/cluster/facts.ts';
import type { Reach } from '../../src/cluster/store-sync.ts';
import { memory } from '../../src/store/memory.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';

test('a store in the node’s own memory tells a node with peers nothing about the time', async (t) => {
  const openClock = async (reach: Reach) => {
    const clock = createMovedClock();
    const facts = openFacts({
      node: 'one',
      store: await memory.open({}, clock),
      keyTexts: [],
      clock,
      draw: () => 0,
      drawBytes: (count) => new Uint8Array(count),
      hasPeers: () => false,
      reach,
      log: { info() {}, warn() {} },
    });
    t.after(facts.close);
    return facts.clock;
  };
  assert.equal((await openClock('store')).status().source, 'store');
  const clock = await openClock('peers');
  assert.deepEqual([clock.status().source, clock.isAgreed()], ['own', false]);
  clock.heardPeer('two', -7_200_000);
  clock.heardPeer('three', -7_200_000);
  assert.deepEqual([clock.status().source, clock.status().offsetMs], ['peers', -7_200_000]);
});
