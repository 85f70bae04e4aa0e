import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { connectRelay, openRelay } from '../../src/io/datagram-relay.ts';

const LOOPBACK = '127.0.0.1';
const isLinux = process.platform === 'linux';

// Linux refuses to connect to a broadcast address at once, as it does where there is no route.
test('a server that there is no way to is a problem, not an exception', {
  skip: !isLinux,
}, async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const relay = connectRelay(
    { address: '255.255.255.255', port: 53 },
    () => assert.fail(),
    resolve,
  );
  relay.send(Uint8Array.of(1));
  await promise;
  relay.send(Uint8Array.of(2));
  relay.close();
});

test('an address that cannot be had is an error, and leaves no socket', {
  skip: !isLinux,
}, async () => {
  const taken = await openRelay({ address: LOOPBACK, port: 0 }, () => assert.fail());
  const sockets = (): number => readdirSync('/proc/self/fd').length;
  const before = sockets();
  for (let round = 0; round < 20; round += 1) {
    await assert.rejects(
      openRelay({ address: '192.0.2.1', port: 0 }, () => assert.fail()),
      {
        code: 'EADDRNOTAVAIL',
      },
    );
  }
  await new Promise((done) => setImmediate(done));
  assert.equal(sockets(), before);
  await taken.close();
});
