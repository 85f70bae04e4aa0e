import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import {
  addressFromUint32,
  addressFromWords,
  addressToUint32,
  bytesToUint32,
  formatAddress,
  isLoopback,
  isPrivate,
  PRIVATE_NETWORKS,
  parseAddress,
  privateScope,
} from '../../src/ip/address.ts';
import { containsAddress, parsePrefix } from '../../src/ip/prefix.ts';

const parsed = (text: string) => {
  const address = parseAddress(text);
  assert.ok(address, text);
  return address;
};

test('formatAddress() gives the RFC 5952 form when parseAddress() read any form', () => {
  const cases: [string, string][] = [
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['192.0.2.1', '192.0.2.1'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::FFFF:C000:0201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ];
  for (const [text, canonical] of cases) {
    assert.equal(formatAddress(parsed(text)), canonical, text);
    assert.notEqual(isIP(text), 0, `${text} is a case of its own`);
  }
});

test('parseAddress() gives undefined when the text is no address or is ambiguous', () => {
  const cases = [
    '',
    ' 1.2.3.4',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    '1.2.3.-4',
    '0x1.2.3.4',
    '1.2.3.4/32',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::1::',
    '12345::',
    'g::',
    '::1.2.3',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::ffff:01.2.3.4',
    'fe80::1%eth0',
    '[::1]',
    ':1',
    '1:',
    `${'0'.repeat(60)}::1`,
  ];
  for (const text of cases) assert.equal(parseAddress(text), undefined, text);
});

test('privateScope() gives the length of the special-use block that holds the address', () => {
  const cases: [string, number][] = [
    ['10.255.0.1', 8],
    ['172.15.255.255', -1],
    ['172.16.0.0', 12],
    ['172.31.255.255', 12],
    ['172.32.0.0', -1],
    ['192.168.1.1', 16],
    ['192.169.0.0', -1],
    ['127.0.0.1', 8],
    ['0.0.0.0', 8],
    ['169.254.1.1', 16],
    ['169.255.0.0', -1],
    ['100.63.255.255', -1],
    ['100.64.0.0', 10],
    ['100.127.255.255', 10],
    ['100.128.0.0', -1],
    ['198.51.100.1', -1],
    ['8.8.8.8', -1],
    ['fc00::1', 7],
    ['fdff::1', 7],
    ['fe00::1', -1],
    ['fe80::1', 10],
    ['febf::1', 10],
    ['fec0::1', -1],
    ['::', 128],
    ['::1', 128],
    ['::2', -1],
    ['::ffff:10.0.0.1', 104],
    ['::ffff:8.8.8.8', -1],
    ['2001:db8::1', -1],
  ];
  for (const [text, expected] of cases) {
    const address = parsed(text);
    const shifted = Buffer.concat([Buffer.from([9, 9, 9]), address.bytes]);
    assert.equal(privateScope(address.family, shifted, 3), expected, text);
    assert.equal(isPrivate(address), expected >= 0, text);
  }
});

test('PRIVATE_NETWORKS are the blocks that privateScope() knows, from the first to the last address', () => {
  for (const text of PRIVATE_NETWORKS) {
    const { address, length } = parsePrefix(text)!;
    const { family, bytes } = address;
    const last = bytes.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, length - 8 * i))));
    for (const end of [bytes, last]) assert.equal(privateScope(family, end, 0), length, text);
  }
  const known = PRIVATE_NETWORKS.map((text) => parsePrefix(text)!);
  for (let high = 0; high < 2 ** 16; high++) {
    const bytes = Uint8Array.of(high >> 8, high & 255, 1, 2);
    const network = known.find((prefix) => containsAddress(prefix, { family: 4, bytes }));
    assert.equal(privateScope(4, bytes, 0), network?.length ?? -1, bytes.join('.'));
  }
});

test('isLoopback() knows both families and mapped addresses', () => {
  for (const text of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
    assert.equal(isLoopback(parsed(text)), true, text);
  }
  for (const text of ['128.0.0.1', '::', '::2', '1::1', '::ffff:10.0.0.1']) {
    assert.equal(isLoopback(parsed(text)), false, text);
  }
});

test('bytesToUint32() and its inverses agree when the top bit is set', () => {
  const address = parsed('255.1.2.254');
  assert.equal(addressToUint32(address), 0xff0102fe);
  assert.deepEqual(addressFromUint32(0xff0102fe), address);
  const six = parsed('ff02:1:fffe:3:80:5:6:7');
  const words = [0, 4, 8, 12].map((at) => bytesToUint32(six.bytes, at));
  assert.deepEqual(addressFromWords(Uint32Array.from(words)), six);
});
