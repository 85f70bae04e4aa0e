import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { openPortableUdp } from '../../src/io/udp-portable.ts';

const LOOPBACK = { address: '127.0.0.1', port: 0, fd: undefined };

test('send() sends a late reply from the socket that the query came to', async (t) => {
  const engine = await openPortableUdp(
    LOOPBACK,
    (_packet, address, port) => {
      setImmediate(() => engine.send(Uint8Array.from([1, 2, 3]), port, address));
      return 0;
    },
    () => {},
  );
  t.after(() => engine.close());
  const client = dgram.createSocket('udp4');
  t.after(() => client.close());
  // Connected: a reply from another address would not be delivered.
  client.connect(engine.port, '127.0.0.1');
  await once(client, 'connect');
  client.send('query');
  const [reply] = (await once(client, 'message')) as [Buffer];
  assert.deepEqual([...reply], [1, 2, 3]);
});

test('send() after close() is silence', async () => {
  const engine = await openPortableUdp(
    LOOPBACK,
    () => 0,
    () => {},
  );
  await engine.close();
  engine.send(Uint8Array.from([1]), 9, '127.0.0.1');
});
