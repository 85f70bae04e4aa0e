import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress } from '../../src/ip/address.ts';
import { encodeProxyHeader } from '../../src/ip/proxy-encode.ts';
import { PROXY_LINE_LENGTH_MAX, readProxyLine } from '../../src/ip/proxy-line.ts';
import {
  createProxiedClient,
  PROXY_INCOMPLETE,
  PROXY_MALFORMED,
} from '../../src/ip/proxy-protocol.ts';

function read(text: string) {
  const client = createProxiedClient();
  const bytes = Buffer.from(text, 'latin1');
  const length = readProxyLine(client, bytes, bytes.length);
  const octets = client.address.slice(0, client.family === 4 ? 4 : 16);
  const address = formatAddress({ family: client.family, bytes: octets });
  return { length, told: client.isTold ? `${address} ${client.port}` : '' };
}

test('readProxyLine() reads the examples of the specification', () => {
  const line4 = 'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n';
  assert.deepEqual(read(`${line4}GET /`), { length: 56, told: '255.255.255.255 65535' });
  const all = 'ffff:f...f:ffff'.replace('f...f', Array.from({ length: 6 }, () => 'ffff').join(':'));
  const line6 = `PROXY TCP6 ${all} ${all} 65535 65535\r\n`;
  assert.deepEqual(read(line6), { length: 104, told: `${all} 65535` });
  const unknown = `PROXY UNKNOWN ${all} ${all} 65535 65535\r\n`;
  assert.equal(unknown.length, PROXY_LINE_LENGTH_MAX);
  assert.deepEqual(read(unknown), { length: 107, told: '' });
  assert.deepEqual(read('PROXY UNKNOWN\r\n'), { length: 15, told: '' });
  const mapped = 'PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n';
  assert.equal(read(mapped).told, '192.0.2.1 1');
});

test('readProxyLine() repairs nothing', () => {
  const wrong = [
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n',
    'PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n',
    'PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n',
    'PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n',
    'PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY TCP6 2001:db8::1 192.0.2.2 1 2\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n',
    'proxy tcp4 192.0.2.1 192.0.2.2 1 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(PROXY_LINE_LENGTH_MAX)}\r\n`,
    'POST',
  ];
  for (const text of wrong) assert.equal(read(text).length, PROXY_MALFORMED, text);
  assert.equal(read('PRO').length, PROXY_INCOMPLETE);
  assert.equal(read('PROXY TCP4 192.0').length, PROXY_INCOMPLETE);
});

test('encodeProxyHeader() writes what the specification shows', () => {
  const ends = {
    remoteAddress: '192.0.2.1',
    remotePort: 256,
    localAddress: '198.51.100.2',
    localPort: 443,
  };
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  assert.equal(
    text(encodeProxyHeader('v1', ends)),
    'PROXY TCP4 192.0.2.1 198.51.100.2 256 443\r\n',
  );
  assert.equal(
    Buffer.from(encodeProxyHeader('v2', ends)).toString('hex'),
    '0d0a0d0a000d0a515549540a2111000cc0000201c6336402010001bb',
  );
  const mixed = { ...ends, remoteAddress: '2001:db8::1' };
  assert.equal(
    text(encodeProxyHeader('v1', mixed)),
    'PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 256 443\r\n',
  );
  const nobody = { ...ends, remoteAddress: '' };
  assert.equal(text(encodeProxyHeader('v1', nobody)), 'PROXY UNKNOWN\r\n');
  assert.equal(encodeProxyHeader('v2', nobody).length, 16);
});
