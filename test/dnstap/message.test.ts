import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AUTH_QUERY,
  AUTH_RESPONSE,
  encodeOrigin,
  eventBytes,
  messageBytes,
  type TapEvent,
  writeEvent,
} from '../../src/dnstap/message.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { setSourceAddress } from '../../src/ip/source.ts';
import {
  type Client,
  createClient,
  setLocalAddress,
  TRANSPORT_HTTPS,
  TRANSPORT_TCP,
  TRANSPORT_TLS,
  TRANSPORT_UDP,
  type Transport,
} from '../../src/nameserver/client.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { decodeEvent } from './decode-event.ts';

const SEED = fuzzSeed(20261122);
const TRANSPORTS = [TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_HTTPS] as const;
const PROTOCOLS = ['UDP', 'TCP', 'DOT', 'DOH'];
/** Stands around what is written: a write beyond shows. */
const MARGIN = 16;

test('a query has the fields that dnstap.proto recommends', () => {
  const client = clientOf(TRANSPORT_UDP, '192.0.2.7', 40_000, '198.51.100.53', 53);
  const event = { type: AUTH_QUERY, timesMs: Float64Array.of(1_795_305_600_123.25, 0) };
  const message = Uint8Array.of(1, 2, 3);
  assert.deepEqual(decodeEvent(encode(encodeOrigin('ns1', 'Meridian'), event, client, message)), {
    identity: 'ns1',
    version: 'Meridian',
    type: 'AUTH_QUERY',
    family: 'INET',
    protocol: 'UDP',
    query: '192.0.2.7 40000',
    response: '198.51.100.53 53',
    queryNanos: 1_795_305_600_123_250_000n,
    responseNanos: undefined,
    queryMessage: Buffer.from(message),
    responseMessage: undefined,
  });
});

test('a response has both times, and what is not known is left out', () => {
  const client = clientOf(TRANSPORT_TLS, '2001:db8::7', 1024, '::', 853);
  const timesMs = Float64Array.of(1_795_305_600_000, 1_795_305_601_999.5);
  const event = { type: AUTH_RESPONSE, timesMs };
  const message = new Uint8Array(300).fill(7);
  const decoded = decodeEvent(encode(encodeOrigin(undefined, undefined), event, client, message));
  assert.deepEqual(decoded, {
    identity: undefined,
    version: undefined,
    type: 'AUTH_RESPONSE',
    family: 'INET6',
    protocol: 'DOT',
    query: '2001:db8::7 1024',
    response: '? 853',
    queryNanos: 1_795_305_600_000_000_000n,
    responseNanos: 1_795_305_601_999_500_000n,
    queryMessage: undefined,
    responseMessage: Buffer.from(message),
  });
});

test('whatever is written is read again, and is as long as was said', () => {
  const octets4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const octets16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const ends = fc.oneof(
    fc.record({ family: fc.constant(4 as const), address: octets4, local: octets4 }),
    fc.record({ family: fc.constant(6 as const), address: octets16, local: octets16 }),
  );
  const port = fc.integer({ min: 0, max: 65_535 });
  fc.assert(
    fc.property(
      fc.record({
        ends,
        port,
        localPort: port,
        transport: fc.constantFrom(...TRANSPORTS),
        // Until 2106.
        seconds: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        microseconds: fc.integer({ min: 0, max: 999_999 }),
        isResponse: fc.boolean(),
        message: fc.uint8Array({ maxLength: 70_000, size: 'max' }),
        identity: fc.option(fc.string({ maxLength: 255, size: 'max' })),
        version: fc.option(fc.string({ maxLength: 255 })),
      }),
      (drawn) => {
        const client = createClient(drawn.transport);
        client.family = drawn.ends.family;
        client.address.set(drawn.ends.address);
        client.localAddress.set(drawn.ends.local);
        client.port = drawn.port;
        client.localPort = drawn.localPort;
        const queryMs = drawn.seconds * 1000 + drawn.microseconds / 1000;
        const responseMs = drawn.isResponse ? queryMs + 1.5 : 0;
        const event = { type: AUTH_QUERY, timesMs: Float64Array.of(queryMs, responseMs) };
        const identity = drawn.identity ?? undefined;
        const version = drawn.version ?? undefined;
        const bytes = encode(encodeOrigin(identity, version), event, client, drawn.message);
        const decoded = decodeEvent(bytes);
        assert.equal(decoded.identity, identity);
        assert.equal(decoded.version, version);
        assert.equal(decoded.family, drawn.ends.family === 4 ? 'INET' : 'INET6');
        assert.equal(decoded.protocol, PROTOCOLS[drawn.transport]);
        assert.equal(decoded.query.endsWith(` ${drawn.port || '?'}`), true);
        assert.equal(decoded.response.endsWith(` ${drawn.localPort || '?'}`), true);
        const isKnown = drawn.ends.local.some((octet) => octet !== 0);
        assert.equal(decoded.response.startsWith('?'), !isKnown);
        const [got, none] = drawn.isResponse
          ? [decoded.responseMessage, decoded.queryMessage]
          : [decoded.queryMessage, decoded.responseMessage];
        assert.deepEqual(got, Buffer.from(drawn.message));
        assert.equal(none, undefined);
        const late = Math.abs(Number(decoded.queryNanos) / 1e6 - queryMs);
        assert.ok(late < 0.001, `${late} ms`);
      },
    ),
    { seed: SEED, numRuns: fuzzRuns(100) },
  );
});

function encode(origin: Uint8Array, event: TapEvent, client: Client, message: Uint8Array): Buffer {
  const inner = messageBytes(event, client, message.length);
  const length = eventBytes(origin, inner);
  const room = new Uint8Array(length + 2 * MARGIN).fill(0xee);
  const end = writeEvent(room, MARGIN, origin, inner, event, client, message, message.length);
  assert.equal(end, MARGIN + length, 'as long as was said');
  assert.ok([...room.subarray(0, MARGIN), ...room.subarray(end)].every((octet) => octet === 0xee));
  return Buffer.from(room.subarray(MARGIN, end));
}

function clientOf(
  transport: Transport,
  address: string,
  port: number,
  local: string,
  localPort: number,
): Client {
  const client = createClient(transport);
  assert.ok(parseAddress(address));
  setSourceAddress(client, address, address.includes(':'));
  client.port = port;
  setLocalAddress(client, local);
  client.localPort = localPort;
  return client;
}
