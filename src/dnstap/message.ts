import type { Client } from '../nameserver/client.ts';

/**
 * The protobuf form of one event (https://dnstap.info, dnstap.proto): a `Dnstap` that holds a `Message`. The few
 * fields that an authoritative server fills are written by hand, in one pass, straight to where they are read from:
 * it happens for every query.
 */
export type TapEvent = {
  /** AUTH_QUERY or AUTH_RESPONSE, or those of updates. */
  type: number;
  /** When the query came, and when its response left (0 = it has not): milliseconds since the epoch, with fractions. */
  readonly timesMs: Float64Array;
};

/** Places in `timesMs`. */
export const CAME = 0;
export const LEFT = 1;

export const AUTH_QUERY = 1;
export const AUTH_RESPONSE = 2;
/** RFC 2136. */
export const UPDATE_QUERY = 13;
export const UPDATE_RESPONSE = 14;

const FAMILY_INET = 1;
const FAMILY_INET6 = 2;

// Tags: the number of a field, shifted, with how its value is written (0 = varint, 2 = octets, 5 = four octets).
const DNSTAP_IDENTITY = 0x0a;
const DNSTAP_VERSION = 0x12;
const DNSTAP_MESSAGE = 0x72;
const DNSTAP_TYPE = 0x78;
const DNSTAP_TYPE_MESSAGE = 1;
const TYPE = 0x08;
const SOCKET_FAMILY = 0x10;
const SOCKET_PROTOCOL = 0x18;
const QUERY_ADDRESS = 0x22;
const RESPONSE_ADDRESS = 0x2a;
const QUERY_PORT = 0x30;
const RESPONSE_PORT = 0x38;
const QUERY_TIME_SEC = 0x40;
const QUERY_TIME_NSEC = 0x4d;
const QUERY_MESSAGE = 0x52;
const RESPONSE_TIME_SEC = 0x60;
const RESPONSE_TIME_NSEC = 0x6d;
const RESPONSE_MESSAGE = 0x72;

/** Type, family and protocol, each a tag and one octet. */
const FIXED_BYTES = 6;
const SECONDS_MAX = 2 ** 32 - 1;

/** What is the same in all events of a server: who it is. Undefined = not told. */
export function encodeOrigin(
  identity: string | undefined,
  version: string | undefined,
): Uint8Array<ArrayBuffer> {
  const field = (tag: number, text: string | undefined): readonly number[] => {
    if (text === undefined) return [];
    const octets = new TextEncoder().encode(text);
    const length = new Uint8Array(varintBytes(octets.length));
    writeVarint(length, 0, octets.length);
    return [tag, ...length, ...octets];
  };
  return Uint8Array.from([
    ...field(DNSTAP_IDENTITY, identity),
    ...field(DNSTAP_VERSION, version),
    DNSTAP_TYPE,
    DNSTAP_TYPE_MESSAGE,
  ]);
}

/** Octets of the inner message, for a DNS message of that length. */
export function messageBytes({ timesMs }: TapEvent, client: Client, length: number): number {
  const addressBytes = client.family === 4 ? 4 : 16;
  return (
    FIXED_BYTES +
    2 +
    addressBytes +
    (isLocalKnown(client) ? 2 + addressBytes : 0) +
    portBytes(client.port) +
    portBytes(client.localPort) +
    timeBytes(timesMs, CAME) +
    (timesMs[LEFT] === 0 ? 0 : timeBytes(timesMs, LEFT)) +
    1 +
    varintBytes(length) +
    length
  );
}

/** Octets of the whole, around an inner message of that length. */
export function eventBytes(origin: Uint8Array, inner: number): number {
  return origin.length + 1 + varintBytes(inner) + inner;
}

/**
 * Writes the whole event.
 * @param inner of messageBytes()
 * @returns where it ends
 */
export function writeEvent(
  to: Uint8Array,
  start: number,
  origin: Uint8Array,
  inner: number,
  event: TapEvent,
  client: Client,
  message: Uint8Array,
  length: number,
): number {
  let at = writeOctets(to, start, origin, origin.length);
  to[at++] = DNSTAP_MESSAGE;
  at = writeVarint(to, at, inner);
  to[at++] = TYPE;
  to[at++] = event.type;
  to[at++] = SOCKET_FAMILY;
  to[at++] = client.family === 4 ? FAMILY_INET : FAMILY_INET6;
  to[at++] = SOCKET_PROTOCOL;
  // UDP, TCP, DOT and DOH are numbered alike, but from one on.
  to[at++] = client.transport + 1;
  at = writeAddress(to, at, QUERY_ADDRESS, client.address, client.family);
  if (isLocalKnown(client)) {
    at = writeAddress(to, at, RESPONSE_ADDRESS, client.localAddress, client.family);
  }
  at = writePort(to, at, QUERY_PORT, client.port);
  at = writePort(to, at, RESPONSE_PORT, client.localPort);
  const { timesMs } = event;
  at = writeTime(to, at, QUERY_TIME_SEC, QUERY_TIME_NSEC, timesMs, CAME);
  if (timesMs[LEFT] === 0) to[at++] = QUERY_MESSAGE;
  else {
    at = writeTime(to, at, RESPONSE_TIME_SEC, RESPONSE_TIME_NSEC, timesMs, LEFT);
    to[at++] = RESPONSE_MESSAGE;
  }
  at = writeVarint(to, at, length);
  return writeOctets(to, at, message, length);
}

/** Zeros say that it is not: on a wildcard's socket, and behind a proxy. */
function isLocalKnown({ family, localAddress }: Client): boolean {
  const length = family === 4 ? 4 : 16;
  for (let octet = 0; octet < length; octet += 1) if (localAddress[octet] !== 0) return true;
  return false;
}

const portBytes = (port: number): number => (port === 0 ? 0 : 1 + varintBytes(port));

function writePort(to: Uint8Array, start: number, tag: number, port: number): number {
  if (port === 0) return start;
  to[start] = tag;
  return writeVarint(to, start + 1, port);
}

function writeAddress(
  to: Uint8Array,
  start: number,
  tag: number,
  address: Uint8Array,
  family: 4 | 6,
): number {
  const length = family === 4 ? 4 : 16;
  to[start] = tag;
  to[start + 1] = length;
  return writeOctets(to, start + 2, address, length);
}

/** Tag and second, tag and nanoseconds. */
function timeBytes(timesMs: Float64Array, which: number): number {
  return 1 + varintBytes(secondsOf(timesMs, which)) + 1 + 4;
}

/** A clock that was never set is no reason for an event that nobody can read. */
function secondsOf(timesMs: Float64Array, which: number): number {
  return Math.max(0, Math.min(SECONDS_MAX, Math.floor(timesMs[which]! / 1000)));
}

function writeTime(
  to: Uint8Array,
  start: number,
  secondsTag: number,
  nanosTag: number,
  timesMs: Float64Array,
  which: number,
): number {
  const seconds = secondsOf(timesMs, which);
  const nanos = Math.floor((timesMs[which]! - seconds * 1000) * 1e6);
  to[start] = secondsTag;
  const at = writeVarint(to, start + 1, seconds);
  to[at] = nanosTag;
  to[at + 1] = nanos;
  to[at + 2] = nanos >>> 8;
  to[at + 3] = nanos >>> 16;
  to[at + 4] = nanos >>> 24;
  return at + 5;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x40_00) return 2;
  if (value < 0x20_00_00) return 3;
  return value < 0x10_00_00_00 ? 4 : 5;
}

/** Of 32 bits: seven in each octet, the lowest first. */
function writeVarint(to: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    to[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  to[at] = rest;
  return at + 1;
}

/** Up to here one by one is cheaper than `set()`, which needs a view for it. */
const ONE_BY_ONE_MAX = 128;

function writeOctets(to: Uint8Array, start: number, octets: Uint8Array, length: number): number {
  if (length > ONE_BY_ONE_MAX) {
    to.set(octets.subarray(0, length), start);
    return start + length;
  }
  for (let index = 0; index < length; index += 1) to[start + index] = octets[index]!;
  return start + length;
}
