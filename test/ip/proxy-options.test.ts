import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../src/ip/crc32c.ts';
import { encodeProxyHeader } from '../../src/ip/proxy-encode.ts';
import { areOptionsSound, NO_PROXY_OPTIONS, readProxyOptions } from '../../src/ip/proxy-options.ts';
import {
  createProxiedClient,
  PROXY_MALFORMED,
  readProxyHeader,
} from '../../src/ip/proxy-protocol.ts';

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');

test('crc32c() gives the values of RFC 3720 B.4, and counts a hole as zeros', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
  const cases = [
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [ascending, 0x46dd794e],
    [ascending.toReversed(), 0x113fdb5c],
    [text('123456789'), 0xe3069283],
  ] as const;
  for (const [bytes, expected] of cases) assert.equal(crc32c(bytes, bytes.length, -1), expected);
  const holed = Uint8Array.from(ascending).fill(0, 8, 12);
  assert.equal(crc32c(ascending, 32, 8), crc32c(holed, 32, -1));
});

/** As AWS's network load balancer sends it: a checksum, an option of its own, and padding. */
const AWS = hex(`
  0d0a0d0a000d0a515549540a21110054 ac1f0771ac1f0a1fc8f20050 030004e8d6892d
  ea001701767063652d3038643262663135666163353030316339 040024`);
const FROM_AWS = Buffer.concat([AWS, new Uint8Array(36)]);
const OPTIONS_AT = 28;

const ENDS = {
  remoteAddress: '203.0.113.7',
  remotePort: 1234,
  localAddress: '192.0.2.1',
  localPort: 80,
};

const read = (bytes: Uint8Array): number =>
  readProxyHeader(createProxiedClient(), bytes, bytes.length);

test('a header is refused when its checksum is wrong, whichever octet was changed', () => {
  assert.equal(read(FROM_AWS), FROM_AWS.length);
  for (let at = 16; at < FROM_AWS.length; at += 1) {
    // Without its type it is no checksum any more.
    if (at === OPTIONS_AT) continue;
    const changed = Uint8Array.from(FROM_AWS);
    changed[at]! ^= 0x04;
    assert.ok(read(changed) === PROXY_MALFORMED, `octet ${at}`);
  }
});

test('options are told on as they were put, in any selection', () => {
  const all = { alpn: text('h2'), authority: text('www.example.com'), uniqueId: hex('00ff10') };
  for (const hasChecksum of [false, true]) {
    for (const options of [all, { ...NO_PROXY_OPTIONS, authority: all.authority }, undefined]) {
      for (const isDatagrams of [false, true]) {
        const extras = { hasChecksum, isDatagrams, ...(options ? { options } : {}) };
        const header = encodeProxyHeader('v2', ENDS, extras);
        assert.equal(header[13], isDatagrams ? 0x12 : 0x11);
        const client = createProxiedClient();
        assert.equal(readProxyHeader(client, header, header.length), header.length);
        assert.equal(client.optionsAt, OPTIONS_AT);
        const got = readProxyOptions(header, client.optionsAt, header.length);
        for (const [kind, value] of Object.entries(options ?? NO_PROXY_OPTIONS)) {
          assert.deepEqual(
            got[kind as keyof typeof got] && Buffer.from(got[kind as keyof typeof got]!),
            value && Buffer.from(value),
          );
        }
      }
    }
  }
});

test('options that are cut off, or can be read in two ways, are refused', () => {
  const sound = ['', '040000', 'ee0001ff', '05000100', '020000', `050080${'aa'.repeat(128)}`];
  for (const options of sound) {
    const bytes = hex(options);
    assert.ok(areOptionsSound(bytes, 0, bytes.length), options);
  }
  const broken = [
    '04',
    '0400',
    '040001',
    'ee0002ff',
    'eeffff00',
    '030000',
    '0300030a0b0c',
    '03000400000000 03000400000000',
    `050081${'aa'.repeat(129)}`,
  ];
  for (const options of broken) {
    const bytes = hex(options);
    assert.ok(!areOptionsSound(bytes, 0, bytes.length), options);
  }
});

test('of two names the first counts, and none is told on that TLS could not carry', () => {
  const twice = hex('02000161 02000162');
  assert.deepEqual(
    Buffer.from(readProxyOptions(twice, 0, twice.length).authority!),
    Buffer.from('a'),
  );
  const long = Buffer.concat([hex('020100'), Buffer.alloc(256, 'a')]);
  assert.equal(readProxyOptions(long, 0, long.length).authority, undefined);
});
