import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affinityKey } from '../../src/balancer/affinity-key.ts';
import { keySourceOf } from '../../src/balancing/hash-key.ts';
import { bytesOf } from '../../src/http/ascii.ts';
import { createRequestHead, parseRequestHead } from '../../src/http/head.ts';

type Peer = { readonly remoteAddress: string; readonly remotePort: number };
const PEER: Peer = { remoteAddress: '192.0.2.7', remotePort: 4711 };

function keyOf(
  source: string | { readonly prefix4: number; readonly prefix6: number },
  { target = '/', fields = '', peer = PEER } = {},
): number {
  const bytes = bytesOf(`GET ${target} HTTP/1.1\r\nHost: www.example\r\n${fields}\r\n`);
  const head = createRequestHead();
  assert.equal(parseRequestHead(bytes, 0, bytes.length, head), undefined);
  const from =
    typeof source === 'string' ? keySourceOf(source) : { kind: 'client' as const, ...source };
  const rest = {
    write: () => true,
    end() {},
    destroy() {},
    reset() {},
    pause() {},
    resume() {},
    taken: () => 0,
  };
  return affinityKey(from, head, { ...peer, ...rest });
}

test('affinityKey() is that of the client, or of its network', () => {
  const other = { ...PEER, remoteAddress: '192.0.2.8', remotePort: 1 };
  assert.notEqual(keyOf('client'), keyOf('client', { peer: other }));
  assert.equal(keyOf('client'), keyOf('client', { peer: { ...PEER, remotePort: 1 } }));
  const network = { prefix4: 24, prefix6: 56 };
  assert.equal(keyOf(network), keyOf(network, { peer: other }));
  const far = { ...PEER, remoteAddress: '192.0.3.7' };
  assert.notEqual(keyOf(network), keyOf(network, { peer: far }));
  const [six, neighbour] = ['2001:db8:0:1::1', '2001:db8:0:2::9'].map((remoteAddress) => ({
    ...PEER,
    remoteAddress,
  }));
  assert.notEqual(keyOf('client', { peer: six! }), keyOf('client', { peer: neighbour! }));
  assert.equal(keyOf(network, { peer: six! }), keyOf(network, { peer: neighbour! }));
});

test('affinityKey() is that of one connection', () => {
  const other = { ...PEER, remotePort: 1 };
  assert.notEqual(keyOf('connection'), keyOf('connection', { peer: other }));
});

test('affinityKey() is that of the path, with or without the query', () => {
  assert.equal(keyOf('path', { target: '/a?x=1' }), keyOf('path', { target: '/a?x=2' }));
  assert.notEqual(keyOf('path', { target: '/a' }), keyOf('path', { target: '/b' }));
  assert.notEqual(keyOf('uri', { target: '/a?x=1' }), keyOf('uri', { target: '/a?x=2' }));
});

test('affinityKey() is that of a header, a cookie or a query parameter, and 0 without it', () => {
  const cases = [
    [
      'header:X-User',
      { fields: 'x-user: 5\r\n' },
      { fields: 'X-USER:   5\r\n' },
      { fields: 'X-User: 6\r\n' },
    ],
    [
      'cookie:id',
      { fields: 'Cookie: a=1; id=5\r\n' },
      { fields: 'Cookie: id=5; b=2\r\n' },
      { fields: 'Cookie: id=6\r\n' },
    ],
    ['query:id', { target: '/?a=1&id=5' }, { target: '/x?id=5' }, { target: '/?id=55' }],
  ] as const;
  for (const [source, one, same, other] of cases) {
    assert.equal(keyOf(source, one), keyOf(source, same), source);
    assert.notEqual(keyOf(source, one), keyOf(source, other), source);
    assert.equal(keyOf(source), 0, source);
  }
  assert.equal(keyOf('cookie:id', { fields: 'Cookie: xid=5; idx=5\r\n' }), 0, 'another name');
});
