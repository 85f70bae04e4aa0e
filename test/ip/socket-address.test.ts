import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSocketAddress, parseSocketAddress } from '../../src/ip/socket-address.ts';

test('formatSocketAddress() puts IPv6 in brackets, and is read back', () => {
  for (const text of ['192.0.2.1:53', '[2001:db8::1]:65535']) {
    assert.equal(formatSocketAddress(parseSocketAddress(text)!), text);
  }
});

test('parseSocketAddress() wants brackets around IPv6 and a port', () => {
  assert.deepEqual(parseSocketAddress('192.0.2.1:53'), { address: '192.0.2.1', port: 53 });
  assert.deepEqual(parseSocketAddress('[::1]:65535'), { address: '::1', port: 65535 });
  for (const text of [
    '192.0.2.1',
    '::1:53',
    '[192.0.2.1]:53',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    'host:53',
    '',
  ]) {
    assert.equal(parseSocketAddress(text), undefined, text);
  }
});
