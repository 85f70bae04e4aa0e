import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancingAlgorithms } from '../../src/balancing/registry.ts';
import { startRawOrigin, startRig, talk } from './rig.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

for (const { kind } of balancingAlgorithms) {
  test(`${kind}: a server that drains gets nobody new, not even as the last`, async (t) => {
    const origin = (name: string) =>
      startRawOrigin((socket, text) => {
        const isAsked = text.endsWith('\r\n\r\n');
        if (isAsked) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${name}`);
      });
    const [a, b] = [await origin('a'), await origin('b')];
    const rig = await startRig({ servers: [a.port, b.port], algorithm: kind });
    t.after(async () => {
      await rig.close();
      a.close();
      b.close();
    });
    const say = (port: number, usable: boolean, draining: boolean): void =>
      rig.balancer.setServers([{ upstream: 'web', server: `127.0.0.1:${port}`, usable, draining }]);
    say(a.port, true, true);
    for (let times = 0; times < 6; times += 1) {
      assert.match((await talk(rig.port, GET)).text, /\r\n\r\nb$/);
    }
    say(b.port, false, false);
    assert.match((await talk(rig.port, GET)).text, /^HTTP\/1\.1 503 /);
    rig.balancer.serve({ ...rig.snapshot, generation: 2 }, new SharedArrayBuffer(65_536));
    assert.match((await talk(rig.port, GET)).text, /^HTTP\/1\.1 503 /, 'a snapshot keeps that');
    say(a.port, true, false);
    assert.match((await talk(rig.port, GET)).text, /\r\n\r\na$/);
  });
}

test('of many servers only those that change are worked out anew', async (t) => {
  let draws = 0;
  const servers = Array.from({ length: 500 }, (_, index) => 10_000 + index);
  const draw = (): number => {
    draws += 1;
    return 0.5;
  };
  const rig = await startRig({ servers, draw });
  t.after(() => rig.close());
  // As the node tells it after each verdict: all of them.
  const say = (down: readonly number[]): void =>
    rig.balancer.setServers(
      servers.map((port) => ({
        upstream: 'web',
        server: `127.0.0.1:${port}`,
        usable: !down.includes(port),
      })),
    );
  const drawsOf = (down: readonly number[]): number => {
    const before = draws;
    say(down);
    return draws - before;
  };
  assert.equal(drawsOf([]), 0, 'all are up before anybody says so');
  assert.equal(drawsOf([10_007]), 1);
  assert.equal(drawsOf([10_007]), 0);
  assert.equal(drawsOf([10_008]), 2);
});
