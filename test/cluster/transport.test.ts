import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinHostPort, openTransport, splitHostPort } from '../../src/cluster/transport.ts';

const log = { warn: (_event: string, message: string) => assert.fail(message) };

for (const host of ['127.0.0.1', '::1']) {
  test(`openTransport() carries datagrams over ${host}`, async (t) => {
    const [one, two] = await Promise.all(
      [1, 2].map(() => openTransport([{ address: host, port: 0 }], log)),
    );
    t.after(() => Promise.all([one!.close(), two!.close()]));
    const heard = new Promise<readonly [string, string]>((resolve) => {
      two!.onDatagram((bytes, from) => resolve([Buffer.from(bytes).toString(), from]));
    });
    // Nobody there: as good as lost.
    one!.send(Buffer.from('x'), joinHostPort(host, 9));
    one!.send(Buffer.from('hello'), two!.addresses[0]!);
    assert.deepEqual(await heard, ['hello', one!.addresses[0]]);
  });
}

test('openTransport() rejects an address that is taken, and leaves nothing open', async (t) => {
  const first = await openTransport([{ address: '127.0.0.1', port: 0 }], log);
  t.after(first.close);
  const { port } = splitHostPort(first.addresses[0]!);
  const both = [
    { address: '127.0.0.1', port: 0 },
    { address: '127.0.0.1', port },
  ];
  await assert.rejects(openTransport(both, log), { code: 'EADDRINUSE' });
});

test('splitHostPort() is the way back of joinHostPort()', () => {
  for (const [host, port] of [
    ['192.0.2.1', 1],
    ['2001:db8::1', 65_535],
    ['node-2.example', 53],
  ] as const) {
    assert.deepEqual(splitHostPort(joinHostPort(host, port)), { host, port });
  }
});
