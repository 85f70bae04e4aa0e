import assert from 'node:assert/strict';
import { formatAddress } from '../../src/ip/address.ts';

/**
 * Reads dnstap as its definition says (dnstap.proto), by numbers of fields: it knows nothing of how the program
 * writes. Whatever it does not know fails the test.
 */
export type DecodedEvent = {
  readonly identity: string | undefined;
  readonly version: string | undefined;
  readonly type: string;
  readonly family: string;
  readonly protocol: string;
  readonly query: string;
  readonly response: string;
  readonly queryNanos: bigint | undefined;
  readonly responseNanos: bigint | undefined;
  readonly queryMessage: Buffer | undefined;
  readonly responseMessage: Buffer | undefined;
};

const TYPES: Readonly<Record<number, string>> = {
  1: 'AUTH_QUERY',
  2: 'AUTH_RESPONSE',
  13: 'UPDATE_QUERY',
  14: 'UPDATE_RESPONSE',
};
const PROTOCOLS = ['', 'UDP', 'TCP', 'DOT', 'DOH'];

type Value = number | Buffer;

export function decodeEvent(bytes: Buffer): DecodedEvent {
  const outer = fieldsOf(bytes, { 1: 2, 2: 2, 14: 2, 15: 0 });
  assert.equal(outer.get(15), 1, 'a message');
  const message = outer.get(14);
  assert.ok(Buffer.isBuffer(message));
  const kinds = {
    1: 0,
    2: 0,
    3: 0,
    4: 2,
    5: 2,
    6: 0,
    7: 0,
    8: 0,
    9: 5,
    10: 2,
    12: 0,
    13: 5,
    14: 2,
  };
  const fields = fieldsOf(message, kinds);
  const text = (value: Value | undefined) => (value === undefined ? undefined : String(value));
  const octets = (number: number) => fields.get(number) as Buffer | undefined;
  const family = fields.get(2) as number;
  const end = (address: number, port: number): string => {
    const known = octets(address);
    if (known) assert.equal(known.length, family === 1 ? 4 : 16);
    const shown = known && formatAddress({ family: family === 1 ? 4 : 6, bytes: known });
    return `${shown ?? '?'} ${fields.get(port) ?? '?'}`;
  };
  const nanos = (seconds: number): bigint | undefined => {
    const whole = fields.get(seconds) as number | undefined;
    if (whole === undefined) return undefined;
    const part = fields.get(seconds + 1) as number;
    assert.ok(part < 1e9);
    return BigInt(whole) * 1_000_000_000n + BigInt(part);
  };
  return {
    identity: text(outer.get(1)),
    version: text(outer.get(2)),
    type: TYPES[fields.get(1) as number] ?? '?',
    family: ['', 'INET', 'INET6'][family] ?? '?',
    protocol: PROTOCOLS[fields.get(3) as number] ?? '?',
    query: end(4, 6),
    response: end(5, 7),
    queryNanos: nanos(8),
    responseNanos: nanos(12),
    queryMessage: octets(10),
    responseMessage: octets(14),
  };
}

/** The fields of a message by their numbers; each has to be written as it is defined, and once. */
function fieldsOf(bytes: Buffer, kinds: Readonly<Record<number, number>>): Map<number, Value> {
  const fields = new Map<number, Value>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const octet = bytes.readUInt8(at);
      at += 1;
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, kind] = [tag >> 3, tag & 7];
    assert.equal(kind, kinds[number], `field ${number}`);
    assert.ok(!fields.has(number), `field ${number} again`);
    if (kind === 0) fields.set(number, varint());
    else if (kind === 5) {
      fields.set(number, bytes.readUInt32LE(at));
      at += 4;
    } else {
      const length = varint();
      assert.ok(at + length <= bytes.length, `field ${number} is cut off`);
      fields.set(number, bytes.subarray(at, at + length));
      at += length;
    }
  }
  return fields;
}

export type Frames = {
  readonly controls: readonly { readonly type: number; readonly octets: Buffer }[];
  readonly events: readonly DecodedEvent[];
  /** What is not a whole frame yet. */
  readonly rest: Buffer;
};

/** Takes a stream apart. */
export function decodeFrames(bytes: Buffer): Frames {
  const controls: { readonly type: number; readonly octets: Buffer }[] = [];
  const events: DecodedEvent[] = [];
  let rest = bytes;
  while (rest.length >= 4) {
    const isControl = rest.readUInt32BE(0) === 0;
    const head = isControl ? 8 : 4;
    if (rest.length < head) break;
    const length = rest.readUInt32BE(head - 4);
    if (rest.length < head + length) break;
    const frame = rest.subarray(head, head + length);
    if (isControl) controls.push({ type: frame.readUInt32BE(0), octets: frame.subarray(4) });
    else events.push(decodeEvent(frame));
    rest = rest.subarray(head + length);
  }
  return { controls, events, rest };
}
