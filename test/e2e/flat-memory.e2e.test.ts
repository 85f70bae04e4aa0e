import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { GROWTH_MAX, MB, passBodies, startBodies } from '../balancer/large-bodies.ts';
import { ENGINES, startBalancerProcess } from '../balancer/process.ts';
import { snapshotOf } from '../balancer/rig.ts';

/** What passes through is never held: a process that hands on a large body stays as small as before. */

const BODY_OCTETS = 256 * MB;

for (const engine of ENGINES) {
  test(`a download and an upload of ${BODY_OCTETS / MB} MiB leave memory flat, ${engine}`, async (t) => {
    const origin = await startBodies(BODY_OCTETS);
    const { port } = origin.address() as AddressInfo;
    const balancer = await startBalancerProcess(snapshotOf({ servers: [port] }), engine);
    t.after(() => Promise.all([balancer.kill(), origin.close()]));
    const grown = await passBodies(balancer, BODY_OCTETS);
    for (const [what, octets] of Object.entries(grown)) {
      t.diagnostic(`${what}: ${Math.round(octets / MB)} MiB more than before`);
      assert.ok(octets < GROWTH_MAX, `${what}: ${octets} octets more`);
    }
  });
}
