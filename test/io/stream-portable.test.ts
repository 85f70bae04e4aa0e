import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { Connection } from '../../src/io/stream.ts';
import { createPortableEngine } from '../../src/io/stream-portable.ts';
import { testStreamEngine } from './stream-conformance.ts';

testStreamEngine(createPortableEngine);

test('gives its socket away while a connection is handed over, and tells of its end alone', async () => {
  const heard: string[] = [];
  const taken = Promise.withResolvers<net.Socket>();
  const gone = Promise.withResolvers<void>();
  const where = { address: '127.0.0.1', port: 0 };
  const listener = await createPortableEngine().listen(where, (connection) => {
    taken.resolve(connection.takeSocket!()!);
    return {
      onData: () => void heard.push('data'),
      onEnd: () => void heard.push('end'),
      onDrain: () => void heard.push('drain'),
      onClose: () => gone.resolve(),
    };
  });
  const client = net.connect(listener.port, '127.0.0.1');
  client.write('for the other');
  const [bytes] = await once(await taken.promise, 'data');
  assert.equal(String(bytes), 'for the other');
  client.resetAndDestroy();
  await gone.promise;
  assert.deepEqual(heard, []);
  await listener.close();
});

test('keeps a socket once it reads it', async (t) => {
  const accepted = Promise.withResolvers<Connection>();
  const where = { address: '127.0.0.1', port: 0 };
  const listener = await createPortableEngine().listen(where, (connection) => ({
    onData: () => accepted.resolve(connection),
    onEnd() {},
    onDrain() {},
    onClose() {},
  }));
  const client = net.connect(listener.port, '127.0.0.1');
  t.after(() => {
    client.destroy();
    return listener.close();
  });
  client.write('first');
  assert.equal((await accepted.promise).takeSocket!(), undefined);
});
