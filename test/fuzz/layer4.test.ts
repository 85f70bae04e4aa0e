import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '../../src/ip/address.ts';
import { encodeProxyHeader } from '../../src/ip/proxy-encode.ts';
import { readEitherProxyHeader } from '../../src/ip/proxy-line.ts';
import { createProxiedClient, PROXY_INCOMPLETE } from '../../src/ip/proxy-protocol.ts';
import { readServerName } from '../../src/layer4/client-hello.ts';
import { arbitraryAddress, fuzzParameters, toAddress } from '../ip/range-oracle.ts';
import { helloOf, inRecords } from '../layer4/hello.ts';

/** What strangers send before anybody has looked at it: PROXY headers and TLS hellos. */

const hello = await helloOf({ servername: 'www.example.com' });
const parameters = fuzzParameters(2000);

const octets = fc.uint8Array({ maxLength: 300 });

test('readServerName() never throws, and what more bytes cannot mend stays malformed', () => {
  const changes = fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 4 });
  const mutated = fc
    .tuple(changes, fc.integer({ min: 1, max: 600 }), fc.nat(hello.length * 2))
    .map(([list, length, end]) => {
      const copy = Uint8Array.from(hello);
      for (const [at, octet] of list) copy[at] = octet;
      return inRecords(copy, length).subarray(0, end);
    });
  fc.assert(
    fc.property(fc.oneof(octets, mutated), octets, (bytes, more) => {
      const first = readServerName(bytes);
      const then = readServerName(Buffer.concat([bytes, more]));
      if (first.kind !== 'incomplete') assert.deepEqual(then, first);
      if (first.kind === 'hello') assert.match(first.serverName, /^[a-z0-9._-]*$/);
    }),
    parameters,
  );
});

const address = fc.oneof(
  arbitraryAddress(32).map((value) => formatAddress(toAddress(value, 32))),
  arbitraryAddress(128).map((value) => formatAddress(toAddress(value, 128))),
);
const port = fc.integer({ min: 0, max: 65_535 });
const version = fc.constantFrom('v1' as const, 'v2' as const);

test('what encodeProxyHeader() writes, readEitherProxyHeader() reads, whole and in pieces', () => {
  const ends = fc.record({
    remoteAddress: address,
    remotePort: port,
    localAddress: address,
    localPort: port,
  });
  fc.assert(
    fc.property(version, ends, octets, (chosen, about, rest) => {
      const header = encodeProxyHeader(chosen, about);
      const client = createProxiedClient();
      for (let end = 0; end < header.length; end += 1) {
        assert.equal(readEitherProxyHeader(client, header, end), PROXY_INCOMPLETE);
      }
      const all = Buffer.concat([header, rest]);
      assert.equal(readEitherProxyHeader(client, all, all.length), header.length);
      const { family, isTold } = client;
      const bytes = client.address.slice(0, family === 4 ? 4 : 16);
      assert.ok(isTold);
      // An address in IPv6 form is read as the IPv4 one that it is.
      const expected = about.remoteAddress.replace(/^::ffff:(?=.*\.)/, '');
      assert.equal(formatAddress({ family, bytes }), expected);
      assert.equal(client.port, about.remotePort);
    }),
    parameters,
  );
});

test('readEitherProxyHeader() never throws, and never takes more than there is', () => {
  const line = fc.string({
    unit: fc.constantFrom(...'PROXY TCP46UNKOW0159.:f\r\n'),
    maxLength: 120,
  });
  const near = line.map((text) => Buffer.from(`PROXY ${text}`, 'latin1'));
  fc.assert(
    fc.property(fc.oneof(octets, near), (bytes) => {
      const length = readEitherProxyHeader(createProxiedClient(), bytes, bytes.length);
      assert.ok(length >= -1 && length <= bytes.length);
    }),
    parameters,
  );
});
