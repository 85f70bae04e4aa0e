import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENGINES, startBalancerProcess } from './process.ts';
import { connectRaw, snapshotOf, startRawOrigin, talk } from './rig.ts';

/** Processes that die and come back, on the same port. */

const LAST_GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const BUSY = 200;

for (const engine of ENGINES) {
  test(`a killed process leaves its port to the next one, with clients under way, ${engine}`, async (t) => {
    const origin = await startRawOrigin((socket, text) => {
      if (text.endsWith('\r\n\r\n') && !text.includes('/hang')) socket.write(OK);
    });
    const base = snapshotOf({ servers: [origin.port] });
    let balancer = await startBalancerProcess(base, engine);
    t.after(() => Promise.all([balancer.kill(), origin.close()]));
    const { port } = balancer;
    const snapshot = { ...base, listeners: base.listeners.map((at) => ({ ...at, port })) };
    for (let round = 0; round < 3; round++) {
      const busy = Array.from({ length: BUSY }, () => {
        const client = connectRaw(port);
        client.send('GET /hang HTTP/1.1\r\nHost: x\r\n\r\n');
        return client;
      });
      while ((await balancer.counters()).listeners[0]!.requests < BUSY);
      await balancer.kill();
      // At once: what the kernel still does for the dead ring must not hold, nor take, anything.
      balancer = await startBalancerProcess(snapshot, engine);
      assert.equal(balancer.port, port);
      for (const { text } of await Promise.all(
        Array.from({ length: 50 }, () => talk(port, LAST_GET)),
      )) {
        assert.match(text, /^HTTP\/1.1 200 OK[\s\S]*ok$/);
      }
      for (const client of busy) await client.ended();
    }
  });
}
