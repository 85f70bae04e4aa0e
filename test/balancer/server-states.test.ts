import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import { listenerOf, snapshotOf, upstreamOf } from '../layer4/rig.ts';

const PORTS = Array.from({ length: 500 }, (_, index) => 1000 + index);

test('setServers() heeds each word about many servers, and passes over those about none', () => {
  const upstreams = ['a', 'b'].map((name) => ({ ...upstreamOf(name, PORTS), name }));
  const snapshot = snapshotOf(upstreams, [listenerOf('tcp', [[[], 0]])]);
  const connect = () => assert.fail('nobody asks');
  const row = new SharedArrayBuffer(counterBytes(snapshot));
  const balancer = createBalancer(connect, () => 0, snapshot, row);
  const say = (usable: (port: number) => boolean, draining?: (port: number) => boolean) =>
    balancer.setServers([
      { upstream: 'none', server: 's1000', usable: false },
      { upstream: 'a', server: 'nobody', usable: false },
      ...PORTS.map((port) => ({
        upstream: 'a',
        server: `s${port}`,
        usable: usable(port),
        ...(draining && { draining: draining(port) }),
      })),
    ]);
  const usable = (index: number) => [...balancer.accounts().upstreams[index]!.usable];
  const isEven = (port: number): boolean => port % 2 === 0;
  say(isEven);
  assert.deepEqual(
    usable(0),
    PORTS.map((port) => Number(isEven(port))),
  );
  say(
    () => true,
    (port) => port >= 1400,
  );
  assert.deepEqual(
    usable(0),
    PORTS.map((port) => Number(port < 1400)),
  );
  assert.ok(
    usable(1).every((each) => each === 1),
    'nobody spoke of these',
  );
});
