import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '../../src/ip/address.ts';
import { encodeProxyHeader } from '../../src/ip/proxy-encode.ts';
import { readEitherProxyHeader } from '../../src/ip/proxy-line.ts';
import { areOptionsSound, readProxyOptions } from '../../src/ip/proxy-options.ts';
import {
  createProxiedClient,
  PROXY_INCOMPLETE,
  PROXY_MALFORMED,
  readProxyHeader,
} from '../../src/ip/proxy-protocol.ts';
import { CLIENT_HELLO_BYTES_MAX, readServerName } from '../../src/layer4/client-hello.ts';
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

const value = fc.uint8Array({ maxLength: 140 });
const option = fc.tuple(fc.oneof(fc.constantFrom(1, 2, 4, 5, 0x20), fc.nat(255)), value);
const encoded = fc
  .array(option, { maxLength: 6 })
  .map((list) =>
    Buffer.concat(
      list.map(([kind, of]) => Buffer.from([kind, of.length >> 8, of.length & 0xff, ...of])),
    ),
  );
const changes = fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 3 });

function changed(bytes: Uint8Array, list: readonly (readonly [number, number])[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (const [at, octet] of list) if (at < copy.length) copy[at] = octet;
  return copy;
}

type PlainOption = readonly [kind: number, value: readonly number[]];

/** All options as slowly and plainly as can be; undefined when they are not whole. */
function optionsOracle(bytes: readonly number[]): readonly PlainOption[] | undefined {
  if (bytes.length === 0) return [];
  const [kind, high, low, ...rest] = bytes;
  if (low === undefined) return undefined;
  const length = 256 * high! + low;
  if (rest.length < length) return undefined;
  const behind = optionsOracle(rest.slice(length));
  return behind && [[kind!, rest.slice(0, length)], ...behind];
}

test('options of PROXY headers are whole when a plain reader says so, and read alike', () => {
  fc.assert(
    fc.property(fc.oneof(octets, encoded), changes, (bytes, list) => {
      const options = changed(bytes, list);
      const oracle: readonly PlainOption[] | undefined = optionsOracle([...options]);
      const isSound = areOptionsSound(options, 0, options.length);
      if (oracle === undefined) assert.ok(!isSound);
      if (!isSound) return;
      const got = readProxyOptions(options, 0, options.length);
      for (const [kind, found] of [
        [1, got.alpn],
        [2, got.authority],
        [5, got.uniqueId],
      ] as const) {
        const first = oracle?.find(([of, { length }]) => of === kind && length > 0 && length < 256);
        const expected: readonly number[] | undefined = first?.[1];
        assert.deepEqual(found && [...found], expected);
      }
    }),
    parameters,
  );
});

const HEAD_LENGTH = 16;

test('a header with a checksum that was changed on its way is never believed', () => {
  const ends = fc.record({
    remoteAddress: address,
    remotePort: port,
    localAddress: address,
    localPort: port,
  });
  const told = fc.record({ authority: value, uniqueId: fc.uint8Array({ maxLength: 128 }) });
  fc.assert(
    fc.property(
      ends,
      told,
      fc.nat(1000),
      fc.integer({ min: 1, max: 255 }),
      (about, given, at, by) => {
        const options = { ...given, alpn: undefined };
        const header = encodeProxyHeader('v2', about, { options, hasChecksum: true });
        const client = createProxiedClient();
        assert.equal(readProxyHeader(client, header, header.length), header.length);
        // What says that there is a checksum cannot be guarded by it.
        const room = header.length - HEAD_LENGTH - 7;
        const place = HEAD_LENGTH + (at % room);
        const broken = changed(header, [[place, header[place]! ^ by]]);
        const length = readProxyHeader(client, broken, broken.length);
        // A length that swallows the checksum's own type leaves none to be wrong.
        const isSwallowed = length === header.length && lastOption(broken, client.optionsAt) !== 3;
        assert.ok(length === PROXY_MALFORMED || isSwallowed);
      },
    ),
    parameters,
  );
});

/** The type of the last option. */
function lastOption(header: Uint8Array, start: number): number {
  return optionsOracle([...header.subarray(start)])?.at(-1)?.[0] ?? -1;
}

const vector = (octetsOfLength: number, bytes: Uint8Array): Buffer => {
  const head = Buffer.alloc(octetsOfLength);
  head.writeUIntBE(bytes.length, 0, octetsOfLength);
  return Buffer.concat([head, bytes]);
};
const label = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_'), minLength: 1, maxLength: 20 });
const serverName = fc
  .array(label, { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join('.'));
const otherExtension = fc
  .tuple(fc.integer({ min: 1, max: 65_535 }), fc.uint8Array({ maxLength: 200 }))
  .map(([kind, bytes]) => Buffer.concat([Buffer.from([kind >> 8, kind & 0xff]), vector(2, bytes)]));
/** A hello by the grammar of RFC 8446 4.1.2, with its name among any other extensions, or without. */
const grammatical = fc
  .record({
    name: fc.option(serverName, { nil: undefined }),
    before: fc.array(otherExtension, { maxLength: 5 }),
    behind: fc.array(otherExtension, { maxLength: 5 }),
    session: fc.uint8Array({ maxLength: 32 }),
    suites: fc.uint8Array({ minLength: 2, maxLength: 100 }),
    recordLength: fc.integer({ min: 1, max: 3000 }),
  })
  .map(({ before, behind, name, recordLength, session, suites }) => {
    const list = vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name ?? ''))]));
    const named = Buffer.concat([Buffer.from([0, 0]), vector(2, list)]);
    const extensions = Buffer.concat([...before, ...(name ? [named] : []), ...behind]);
    const body = Buffer.concat([
      Buffer.alloc(34, 3),
      vector(1, session),
      vector(2, suites),
      vector(1, Buffer.from([0])),
      vector(2, extensions),
    ]);
    const message = Buffer.concat([Buffer.from([1]), vector(3, body)]);
    const bytes = inRecords(Buffer.concat([Buffer.alloc(5), message]), recordLength);
    return { bytes, name: name?.toLowerCase() ?? '' };
  });

test('readServerName() finds the name of any hello, wherever it stands and however it is cut', () => {
  fc.assert(
    fc.property(grammatical, octets, fc.nat(8000), ({ bytes, name }, more, cut) => {
      const expected = { kind: 'hello', serverName: name };
      assert.deepEqual(readServerName(Buffer.concat([bytes, more])), expected);
      const end = cut % bytes.length;
      const part = readServerName(bytes.subarray(0, end));
      assert.ok(part.kind === 'incomplete');
      assert.ok(part.needed > end && part.needed <= bytes.length, `${end} ${part.needed}`);
    }),
    parameters,
  );
});

test('a hello of which each length may lie is read without an error, or refused', () => {
  fc.assert(
    fc.property(grammatical, changes, octets, ({ bytes }, list, more) => {
      const broken = Buffer.concat([changed(bytes, list), more]);
      const got = readServerName(broken);
      if (got.kind === 'hello') assert.match(got.serverName, /^[a-z0-9._-]{0,255}$/);
      if (got.kind === 'incomplete') assert.ok(got.needed > broken.length);
    }),
    parameters,
  );
});

test('a hello that comes octet by octet in records of one is read a few times, not at each', () => {
  const length = Math.floor(CLIENT_HELLO_BYTES_MAX / 6) - 10;
  const message = Buffer.concat([
    Buffer.alloc(5),
    Buffer.from([1]),
    vector(3, Buffer.alloc(length)),
  ]);
  const slow = inRecords(message, 1);
  let needed = 0;
  let readings = 0;
  for (let end = 1; end < slow.length; end += 1) {
    if (end < needed) continue;
    readings += 1;
    const got = readServerName(slow.subarray(0, end));
    assert.ok(got.kind === 'incomplete');
    needed = got.needed;
  }
  assert.ok(readings < READINGS_MAX, `${readings} readings`);
});

/** Each time a sixth of what is missing has come at least. */
const READINGS_MAX = 80;
