import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createProxiedClient,
  PROXY_HEADER_LENGTH_MAX,
  PROXY_INCOMPLETE,
  PROXY_MALFORMED,
  readProxyHeader,
} from '../../src/ip/proxy-protocol.ts';

const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];
const IPV4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0, 53];

function header(command: number, family: number, rest: readonly number[]): number[] {
  return [...SIGNATURE, command, family, rest.length >> 8, rest.length & 255, ...rest];
}

function read(bytes: readonly number[], length = bytes.length) {
  const client = createProxiedClient();
  const end = readProxyHeader(client, Uint8Array.from(bytes), length);
  const { address, family, isTold, port } = client;
  return { end, isTold, family, port, address: [...address.subarray(0, family === 4 ? 4 : 16)] };
}

test('readProxyHeader() reads the client behind a proxy, and how long the header is', () => {
  const bytes = [...header(0x21, 0x11, IPV4), 9, 9, 9];
  assert.deepEqual(read(bytes), {
    end: 28,
    isTold: true,
    family: 4,
    port: 0x1234,
    address: [192, 0, 2, 1],
  });
  const source = Array.from({ length: 16 }, (_, index) => index);
  const ipv6 = [...source, ...source, 1, 2, 3, 4, 4, 0, 1, 0];
  assert.deepEqual(read(header(0x21, 0x22, ipv6)), {
    end: 56,
    isTold: true,
    family: 6,
    port: 0x0102,
    address: source,
  });
});

test('readProxyHeader() leaves the address of a proxy that speaks for itself', () => {
  for (const [command, family, rest] of [
    [0x20, 0x00, []],
    [0x20, 0x11, IPV4],
    [0x21, 0x00, [1, 2, 3]],
    [0x21, 0x31, new Array<number>(216).fill(0)],
  ] as const) {
    const got = read(header(command, family, rest));
    assert.deepEqual([got.end, got.isTold], [16 + rest.length, false]);
  }
});

test('readProxyHeader() waits for the rest of a header, and for no more than that', () => {
  const bytes = header(0x21, 0x11, IPV4);
  for (let length = 0; length < bytes.length; length += 1) {
    assert.equal(read(bytes, length).end, PROXY_INCOMPLETE, `${length} octets`);
  }
});

test('readProxyHeader() refuses what is no header, as soon as it shows', () => {
  const cases = [
    [0x16, 0x03],
    [...SIGNATURE.slice(0, 11), 11],
    header(0x11, 0x11, IPV4),
    header(0x22, 0x11, IPV4),
    header(0x21, 0x11, IPV4.slice(1)),
    header(0x21, 0x21, IPV4),
    header(0x21, 0x41, IPV4),
    header(0x21, 0xf1, IPV4).slice(0, 16),
    header(0x21, 0x13, IPV4),
    header(0x21, 0x11, new Array<number>(PROXY_HEADER_LENGTH_MAX).fill(0)),
  ];
  for (const bytes of cases) assert.equal(read(bytes).end, PROXY_MALFORMED, bytes.join(' '));
});

test('readProxyHeader() takes an IPv4 client in IPv6 form for an IPv4 client', () => {
  const mapped = [...new Array<number>(10).fill(0), 255, 255, 192, 0, 2, 1];
  const told = read(header(0x21, 0x21, [...mapped, ...mapped, 0x12, 0x34, 0, 53]));
  assert.deepEqual(told, {
    end: 52,
    isTold: true,
    family: 4,
    port: 0x1234,
    address: [192, 0, 2, 1],
  });
  const near = mapped.with(10, 254);
  assert.equal(read(header(0x21, 0x21, [...near, ...near, 0x12, 0x34, 0, 53])).family, 6);
});
