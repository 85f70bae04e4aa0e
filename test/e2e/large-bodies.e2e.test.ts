import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { GROWTH_MAX, MB, passBodies, startBodies } from '../balancer/large-bodies.ts';
import { ENGINES, startBalancerProcess } from '../balancer/process.ts';
import { snapshotOf } from '../balancer/rig.ts';

/** A gibibyte, and twice: what a process holds does not grow with what has passed through it. */

const BODY_OCTETS = 1024 * MB;
/** The second time nothing is new any more; what is left is when the collector has its turn. */
const SECOND_GROWTH_MAX = 64 * MB;

for (const engine of ENGINES) {
  test(`downloads and uploads of 1 GiB leave memory flat, ${engine}`, async (t) => {
    const origin = await startBodies(BODY_OCTETS);
    const { port } = origin.address() as AddressInfo;
    const balancer = await startBalancerProcess(snapshotOf({ servers: [port] }), engine);
    t.after(() => Promise.all([balancer.kill(), origin.close()]));
    for (const [time, growthMax] of [GROWTH_MAX, SECOND_GROWTH_MAX].entries()) {
      const grown = await passBodies(balancer, BODY_OCTETS);
      for (const [what, octets] of Object.entries(grown)) {
        t.diagnostic(`${what} ${time + 1}: ${Math.round(octets / MB)} MiB more than before`);
        assert.ok(octets < growthMax, `${what} ${time + 1}: ${octets} octets more`);
      }
    }
  });
}
