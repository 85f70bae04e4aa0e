/**
 * Master files as nearly all of them are, read from their octets without making an object of each word: names,
 * addresses, numbers and strings of the common types become wire form where they stand. What it reads it reads
 * as zone-file.ts does; what it does not know, or is wrong, ends the scan, and the file is read by that one,
 * which can say why and where.
 */
import { LABEL_LENGTH_MAX, lowerOctet, NAME_LENGTH_MAX, parseName } from './name.ts';
import { RDATA_LENGTH_MAX, readRdata } from './rdata/registry.ts';
import { scanIpv4, scanIpv6 } from './scan-address.ts';
import type { Token } from './token.ts';
import { parseTtl, TTL_SECONDS_MAX } from './ttl.ts';
import { typeNumber } from './type-names.ts';

/** Takes what is read; its octets are used again for the next. Each returns whether to go on. */
export type ScanSink = {
  /** The owner in lower case. */
  record(
    type: number,
    ttlSeconds: number,
    owner: Uint8Array,
    ownerLength: number,
    rdata: Uint8Array,
    rdataLength: number,
  ): boolean;
  /** A record of a kind that is no DNS type; `at` is where it stands. */
  extension(
    kind: string,
    at: number,
    ttlSeconds: number | undefined,
    owner: Uint8Array,
    tokens: readonly Token[],
  ): boolean;
};

/** Words of one entry; longer ones are for zone-file.ts. */
const TOKENS_MAX = 256;
const QUOTED = 1;
const ESCAPED = 2;

const [TAB, NEWLINE, RETURN, BLANK, QUOTE, DOLLAR] = [9, 10, 13, 32, 34, 36];
const [OPEN, CLOSE, DOT, ZERO, NINE, SEMICOLON] = [40, 41, 46, 48, 57, 59];
const [AT, BACKSLASH] = [0x40, 0x5c];
const ASCII_MAX = 0x7f;

const [TYPE_A, TYPE_NS, TYPE_CNAME, TYPE_SOA, TYPE_PTR] = [1, 2, 5, 6, 12];
const [TYPE_MX, TYPE_TXT, TYPE_AAAA, TYPE_SRV] = [15, 16, 28, 33];

type Scan = {
  readonly bytes: Buffer;
  readonly sink: ScanSink;
  readonly extension: string;
  at: number;
  /** Of the entry. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly flags: Uint8Array;
  tokens: number;
  startsBlank: boolean;
  origin: Uint8Array;
  readonly owner: Uint8Array;
  ownerLength: number;
  readonly rdata: Uint8Array;
  length: number;
  /** -1 = none. */
  ttl: number;
  ttlDefault: number;
  ttlBefore: number;
  /** Index of the type. */
  next: number;
};

export type Scanner = {
  /** Whether all of it was read. @param bytes ASCII @param origin completes relative names */
  scan(bytes: Uint8Array, origin: Uint8Array, extension: string, sink: ScanSink): boolean;
};

/** Its memory is used for one file after the other. */
export function createScanner(): Scanner {
  const starts = new Int32Array(TOKENS_MAX);
  const ends = new Int32Array(TOKENS_MAX);
  const flags = new Uint8Array(TOKENS_MAX);
  const owner = new Uint8Array(NAME_LENGTH_MAX);
  const rdata = new Uint8Array(RDATA_LENGTH_MAX + NAME_LENGTH_MAX);
  return {
    scan: (octets, origin, extension, sink) =>
      scanEntries({
        bytes: Buffer.from(octets.buffer, octets.byteOffset, octets.length),
        ...{ sink, extension, starts, ends, flags, origin, owner, rdata },
        ...{ at: 0, tokens: 0, startsBlank: false, ownerLength: 0, length: 0 },
        ...{ ttl: -1, ttlDefault: -1, ttlBefore: -1, next: 0 },
      }),
  };
}

function scanEntries(scan: Scan): boolean {
  const { bytes, flags, starts } = scan;
  while (scan.at < bytes.length) {
    if (!readEntry(scan)) return false;
    if (scan.tokens === 0) continue;
    const isDirective = !scan.startsBlank && flags[0] === 0 && bytes[starts[0]!] === DOLLAR;
    if (!(isDirective ? readDirective(scan) : readRecord(scan))) return false;
  }
  return true;
}

/** Finds the words of the next entry. */
function readEntry(scan: Scan): boolean {
  const { bytes } = scan;
  let { at } = scan;
  let open = 0;
  scan.tokens = 0;
  scan.startsBlank = bytes[at] === BLANK || bytes[at] === TAB;
  while (at < bytes.length) {
    const octet = bytes[at]!;
    if (octet === NEWLINE && open === 0) {
      scan.at = at + 1;
      return true;
    }
    if (octet === BLANK || octet === TAB || octet === NEWLINE || octet === RETURN) {
      at += 1;
    } else if (octet === SEMICOLON) {
      const end = bytes.indexOf(NEWLINE, at);
      at = end < 0 ? bytes.length : end;
    } else if (octet === OPEN) {
      open += 1;
      at += 1;
    } else if (octet === CLOSE) {
      open -= 1;
      if (open < 0) return false;
      at += 1;
    } else {
      at = octet === QUOTE ? readQuoted(scan, at) : readWord(scan, at);
      if (at < 0) return false;
    }
  }
  scan.at = at;
  return open === 0;
}

/** Returns where the word ends, -1 when it cannot be read here. */
function readWord(scan: Scan, start: number): number {
  const { bytes } = scan;
  let flags = 0;
  let at = start;
  for (; at < bytes.length; at += 1) {
    const octet = bytes[at]!;
    if (octet <= BLANK && isBlank(octet)) break;
    if (octet === OPEN || octet === CLOSE || octet === SEMICOLON || octet === QUOTE) break;
    if (octet > ASCII_MAX) return -1;
    if (octet === BACKSLASH) {
      flags = ESCAPED;
      at += 1;
    }
  }
  return addToken(scan, start, Math.min(at, bytes.length), flags) ? Math.min(at, bytes.length) : -1;
}

const isBlank = (octet: number): boolean =>
  octet === BLANK || octet === TAB || octet === NEWLINE || octet === RETURN;

function readQuoted(scan: Scan, start: number): number {
  const { bytes } = scan;
  let flags = QUOTED;
  for (let at = start + 1; at < bytes.length; at += 1) {
    const octet = bytes[at]!;
    if (octet === QUOTE) return addToken(scan, start + 1, at, flags) ? at + 1 : -1;
    if (octet === NEWLINE || octet > ASCII_MAX) return -1;
    if (octet === BACKSLASH) {
      flags = QUOTED | ESCAPED;
      at += 1;
    }
  }
  return -1;
}

function addToken(scan: Scan, start: number, end: number, flags: number): boolean {
  const token = scan.tokens;
  if (token === TOKENS_MAX) return false;
  scan.starts[token] = start;
  scan.ends[token] = end;
  scan.flags[token] = flags;
  scan.tokens = token + 1;
  return true;
}

function textOf({ bytes, ends, starts }: Scan, token: number): string {
  return bytes.toString('latin1', starts[token], ends[token]);
}

function readDirective(scan: Scan): boolean {
  if (scan.tokens !== 2) return false;
  switch (textOf(scan, 0).toUpperCase()) {
    case '$ORIGIN': {
      const origin = parseName(textOf(scan, 1), scan.origin);
      if (origin !== undefined) scan.origin = origin;
      return origin !== undefined;
    }
    case '$TTL':
      scan.ttlDefault = parseTtl(textOf(scan, 1)) ?? -1;
      return scan.ttlDefault >= 0;
    default:
      return false;
  }
}

function readRecord(scan: Scan): boolean {
  const { flags, owner } = scan;
  if (!scan.startsBlank) {
    if ((flags[0]! & QUOTED) !== 0) return false;
    const length = writeName(scan, 0, owner, 0);
    if (length < 0) return false;
    for (let at = 0; at < length; at += 1) owner[at] = lowerOctet(owner[at]!);
    scan.ownerLength = length;
  }
  if (scan.ownerLength === 0) return false;
  if (!readHead(scan, scan.startsBlank ? 0 : 1)) return false;
  const { next } = scan;
  if (next >= scan.tokens || flags[next] !== 0) return false;
  const type = typeOf(scan, next);
  if (type < 0) return readExtension(scan);
  scan.length = 0;
  if (!writeRdata(scan, type) && !writeOther(scan, type)) return false;
  const { length, rdata } = scan;
  const stated = scan.ttl >= 0 ? scan.ttl : scan.ttlDefault >= 0 ? scan.ttlDefault : scan.ttlBefore;
  // A SOA without any TTL has its MINIMUM (RFC 2308 4).
  const ttl = stated < 0 && type === TYPE_SOA ? readUint32(rdata, length - 4) : stated;
  if (ttl < 0) return false;
  scan.ttlBefore = ttl;
  return scan.sink.record(type, ttl, owner, scan.ownerLength, rdata, length);
}

function readUint32(bytes: Uint8Array, at: number): number {
  const [a, b, c, d] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function readExtension(scan: Scan): boolean {
  const { next, owner, ownerLength, sink, starts, ttl } = scan;
  if (textOf(scan, next).toUpperCase() !== scan.extension) return false;
  return sink.extension(
    scan.extension,
    starts[0]!,
    ttl < 0 ? undefined : ttl,
    owner.slice(0, ownerLength),
    tokensFrom(scan, next + 1),
  );
}

function tokensFrom(scan: Scan, from: number): readonly Token[] {
  const tokens: Token[] = [];
  for (let token = from; token < scan.tokens; token += 1) {
    const quoted = (scan.flags[token]! & QUOTED) !== 0;
    const at = scan.starts[token]! - (quoted ? 1 : 0);
    tokens.push({ text: textOf(scan, token), quoted, at });
  }
  return tokens;
}

/** What stands between owner and type: TTL and class, in either order (RFC 1035 5.1). */
function readHead(scan: Scan, from: number): boolean {
  const { bytes, ends, flags, starts } = scan;
  scan.ttl = -1;
  let hasClass = false;
  let token = from;
  for (; token < scan.tokens && flags[token] === 0; token += 1) {
    const first = bytes[starts[token]!]!;
    if (first >= ZERO && first <= NINE) {
      if (scan.ttl >= 0) return false;
      scan.ttl = numberAt(scan, token, TTL_SECONDS_MAX);
      if (scan.ttl < 0) scan.ttl = parseTtl(textOf(scan, token)) ?? -1;
      if (scan.ttl < 0) return false;
      continue;
    }
    const isIn =
      ends[token]! - starts[token]! === 2 &&
      (first | 0x20) === 0x69 &&
      (bytes[starts[token]! + 1]! | 0x20) === 0x6e;
    if (!isIn) break;
    if (hasClass) return false;
    hasClass = true;
  }
  scan.next = token;
  return true;
}

/** A plain decimal number, or -1. */
function numberAt({ bytes, ends, starts }: Scan, token: number, max: number): number {
  const [start, end] = [starts[token]!, ends[token]!];
  if (end - start > 10 || end === start) return -1;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= max ? value : -1;
}

/** The number of a type, or -1. */
function typeOf(scan: Scan, token: number): number {
  const { bytes, ends, starts } = scan;
  const start = starts[token]!;
  const upper = (index: number): number => bytes[start + index]! & 0xdf;
  switch (ends[token]! - start) {
    case 1:
      if (upper(0) === 0x41) return TYPE_A;
      break;
    case 2:
      if (upper(0) === 0x4e && upper(1) === 0x53) return TYPE_NS;
      if (upper(0) === 0x4d && upper(1) === 0x58) return TYPE_MX;
      break;
    case 4:
      if (upper(0) === 0x41 && upper(1) === 0x41 && upper(2) === 0x41 && upper(3) === 0x41)
        return TYPE_AAAA;
      break;
  }
  return typeNumber(textOf(scan, token)) ?? -1;
}

/** Writes rdata of a common type; false when they are anything out of the ordinary. */
function writeRdata(scan: Scan, type: number): boolean {
  const first = scan.next + 1;
  const count = scan.tokens - first;
  // It may be the generic form (RFC 3597 5).
  if (count > 0 && (scan.flags[first]! & ESCAPED) !== 0) return false;
  switch (type) {
    case TYPE_A:
      return count === 1 && writeAddress(scan, first, 4);
    case TYPE_AAAA:
      return count === 1 && writeAddress(scan, first, 6);
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_PTR:
      return count === 1 && writeRdataName(scan, first);
    case TYPE_MX:
      return count === 2 && writeNumber(scan, first, 0xffff) && writeRdataName(scan, first + 1);
    case TYPE_SRV:
      return (
        count === 4 &&
        writeNumber(scan, first, 0xffff) &&
        writeNumber(scan, first + 1, 0xffff) &&
        writeNumber(scan, first + 2, 0xffff) &&
        writeRdataName(scan, first + 3)
      );
    case TYPE_TXT:
      return count > 0 && writeStrings(scan, first);
    case TYPE_SOA:
      return count === 7 && writeSoa(scan, first);
    default:
      return false;
  }
}

/** Reads whatever type it is as everything else does. */
function writeOther(scan: Scan, type: number): boolean {
  const result = readRdata(type, tokensFrom(scan, scan.next + 1), scan.origin);
  if (!result.ok) return false;
  scan.rdata.set(result.rdata);
  scan.length = result.rdata.length;
  return true;
}

function writeSoa(scan: Scan, first: number): boolean {
  if (!writeRdataName(scan, first) || !writeRdataName(scan, first + 1)) return false;
  for (let token = first + 2; token < first + 7; token += 1) {
    // Spans end earlier than serials, and may have units.
    if (!writeNumber(scan, token, token === first + 2 ? 0xffffffff : TTL_SECONDS_MAX)) return false;
  }
  return true;
}

function writeNumber(scan: Scan, token: number, max: number): boolean {
  if (scan.flags[token] !== 0) return false;
  const value = numberAt(scan, token, max);
  if (value < 0) return false;
  for (let shift = max > 0xffff ? 24 : 8; shift >= 0; shift -= 8) {
    scan.rdata[scan.length] = Math.floor(value / 2 ** shift);
    scan.length += 1;
  }
  return true;
}

function writeRdataName(scan: Scan, token: number): boolean {
  if ((scan.flags[token]! & QUOTED) !== 0) return false;
  const length = writeName(scan, token, scan.rdata, scan.length);
  if (length < 0) return false;
  scan.length += length;
  return true;
}

/** Writes a name, completed by the origin; returns its length, -1 when it is none. */
function writeName(scan: Scan, token: number, into: Uint8Array, at: number): number {
  const { bytes, ends, origin, starts } = scan;
  const [start, end] = [starts[token]!, ends[token]!];
  if (scan.flags[token] !== 0) return writeParsed(parseName(textOf(scan, token), origin), into, at);
  if (end - start === 1 && bytes[start] === AT) return writeParsed(origin, into, at);
  if (end - start === 1 && bytes[start] === DOT) return writeParsed(ROOT, into, at);
  if (end - start >= NAME_LENGTH_MAX) return -1;
  let label = at;
  let position = at + 1;
  for (let from = start; from < end; from += 1) {
    const octet = bytes[from]!;
    if (octet === DOT) {
      const length = position - label - 1;
      if (length < 1 || length > LABEL_LENGTH_MAX) return -1;
      into[label] = length;
      label = position;
    } else {
      if (octet <= BLANK || octet >= ASCII_MAX) return -1;
      into[position] = octet;
    }
    position += 1;
  }
  if (position === label + 1) {
    into[label] = 0;
    return position - at <= NAME_LENGTH_MAX ? position - at : -1;
  }
  const length = position - label - 1;
  if (length > LABEL_LENGTH_MAX || position - at + origin.length > NAME_LENGTH_MAX) return -1;
  into[label] = length;
  for (let i = 0; i < origin.length; i += 1) into[position + i] = origin[i]!;
  return position - at + origin.length;
}

const ROOT = Uint8Array.of(0);

function writeParsed(name: Uint8Array | undefined, into: Uint8Array, at: number): number {
  if (name === undefined) return -1;
  into.set(name, at);
  return name.length;
}

function writeAddress(scan: Scan, token: number, family: 4 | 6): boolean {
  const { bytes, ends, rdata, starts } = scan;
  const scanAddress = family === 4 ? scanIpv4 : scanIpv6;
  if (!scanAddress(bytes, starts[token]!, ends[token]!, rdata)) return false;
  scan.length = family === 4 ? 4 : 16;
  return true;
}

function writeStrings(scan: Scan, first: number): boolean {
  const { bytes, ends, flags, rdata, starts } = scan;
  for (let token = first; token < scan.tokens; token += 1) {
    const [start, end] = [starts[token]!, ends[token]!];
    if ((flags[token]! & ESCAPED) !== 0 || end - start > 255) return false;
    if (scan.length + 1 + end - start > RDATA_LENGTH_MAX) return false;
    rdata[scan.length] = end - start;
    for (let i = 0; i < end - start; i += 1) rdata[scan.length + 1 + i] = bytes[start + i]!;
    scan.length += 1 + end - start;
  }
  return true;
}
