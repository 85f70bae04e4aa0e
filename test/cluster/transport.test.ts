import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinHostPort, openTransport, splitHostPort } from '../../src/cluster/transport.ts';
import { freePort } from '../node/free-addresses.ts';

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

test('openTransport() on both wildcards hears either family as others write it', async (t) => {
  for (const places of [['::'], ['0.0.0.0', '::']]) {
    const port = places.length === 1 ? 0 : await freePort('::');
    const both = await openTransport(
      places.map((address) => ({ address, port })),
      log,
    );
    const at = splitHostPort(both.addresses[0]!).port;
    for (const host of ['127.0.0.1', '::1']) {
      const one = await openTransport([{ address: host, port: 0 }], log);
      t.after(one.close);
      const came = new Promise<string>((resolve) => {
        both.onDatagram((bytes, from, via) => {
          resolve(from);
          both.send(bytes, from, via);
        });
      });
      const back = new Promise<string>((resolve) => {
        one.onDatagram((_, from) => resolve(from));
      });
      one.send(Buffer.from('x'), joinHostPort(host, at));
      assert.equal(await came, one.addresses[0]);
      assert.equal(await back, joinHostPort(host, at));
    }
    await both.close();
  }
});

test('openTransport() answers from the socket that heard', async (t) => {
  const places = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, port: 0 }));
  const two = await openTransport(places, log);
  const one = await openTransport([{ address: '127.0.0.1', port: 0 }], log);
  t.after(() => Promise.all([one.close(), two.close()]));
  two.onDatagram((bytes, from, via) => two.send(bytes, from, via));
  for (const address of two.addresses) {
    const back = new Promise<string>((resolve) => one.onDatagram((_, from) => resolve(from)));
    one.send(Buffer.from('x'), address);
    assert.equal(await back, address);
  }
});

test('resolve() gives addresses in the form that datagrams come from', async (t) => {
  const one = await openTransport([{ address: '127.0.0.1', port: 0 }], log);
  t.after(one.close);
  assert.deepEqual(await one.resolve?.('[2001:DB8:0::1]:53'), ['[2001:db8::1]:53']);
  assert.deepEqual(await one.resolve?.('[::ffff:192.0.2.1]:53'), ['192.0.2.1:53']);
  assert.ok(
    (await one.resolve?.('localhost:53'))?.some((each) => /^(127\.0\.0\.1|\[::1\]):53$/.test(each)),
  );
  // A name is not looked up for every datagram.
  one.send(Buffer.from('x'), 'localhost:9');
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
