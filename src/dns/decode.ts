/**
 * Decoding of whole messages into plain objects, for people and tests: the CLI, `explain`, oracles.
 * The control path's counterpart of message.ts: it allocates freely, reads responses too, follows
 * compression pointers and knows every section. Broken input is a reason, never an exception. It
 * is lenient where a reader can be (unknown types, broken options stay as octets) and strict where
 * guessing would show something that was not sent.
 */

import { formatAddress } from '../ip/address.ts';
import {
  EDNS_FLAG_DO,
  FLAG_AA,
  FLAG_AD,
  FLAG_CD,
  FLAG_QR,
  FLAG_RA,
  FLAG_RD,
  FLAG_TC,
  HEADER_LENGTH,
  OPTION_CLIENT_SUBNET,
  OPTION_COOKIE,
  OPTION_EDE,
  OPTION_NSID,
  POINTER_BITS,
  RECORD_FIXED_LENGTH,
  TYPE_OPT,
} from './constants.ts';
import { ECS_FAMILY_IPV4, ECS_FAMILY_IPV6, ECS_FIXED_LENGTH } from './ecs.ts';
import { readWord } from './message.ts';
import { formatName, LABEL_LENGTH_MAX, LABELS_MAX, NAME_LENGTH_MAX } from './name.ts';
import { oldFields } from './old-rdata.ts';
import { formatRdata, rdataByType } from './rdata/registry.ts';

export type DecodedQuestion = {
  /** Master-file text with a final dot, in the case that was sent. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
};

export type DecodedRecord = DecodedQuestion & {
  readonly ttlSeconds: number;
  /** Rdata with its names uncompressed, for the types that the registry knows. */
  readonly rdata: Uint8Array;
  /** The rdata as master-file text. */
  readonly text: string;
};

export type DecodedOption = { readonly code: number; readonly value: Uint8Array };

/** `address` is zero padded text; empty for family 0. */
export type DecodedEcs = {
  readonly family: number;
  readonly source: number;
  readonly scope: number;
  readonly address: string;
};

export type DecodedEdns = {
  readonly udpSize: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  /** Every option in order, also those that the fields below explain. */
  readonly options: readonly DecodedOption[];
  readonly ecs?: DecodedEcs;
  readonly extendedErrors: readonly { readonly code: number; readonly text: string }[];
  readonly nsid?: Uint8Array;
  readonly cookie?: Uint8Array;
};

export type DecodedMessage = {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** With the upper bits from OPT (RFC 6891 6.1.3). */
  readonly rcode: number;
  readonly question: readonly DecodedQuestion[];
  readonly answer: readonly DecodedRecord[];
  readonly authority: readonly DecodedRecord[];
  /** Without OPT, which is `edns`. */
  readonly additional: readonly DecodedRecord[];
  readonly edns?: DecodedEdns;
};

export type DecodeResult =
  | { readonly ok: true; readonly message: DecodedMessage }
  | { readonly ok: false; readonly reason: string };

/** A record before its rdata are understood; numbers are offsets in the message. */
export type RawRecord = {
  readonly owner: Uint8Array;
  readonly type: number;
  readonly fixed: number;
  readonly rdataStart: number;
  readonly end: number;
};
type Opt = { readonly edns: DecodedEdns; readonly rcodeHigh: number };

/** Decodes a message of any kind; the reason says where it is broken. */
export function decodeMessage(bytes: Uint8Array): DecodeResult {
  if (bytes.length < HEADER_LENGTH) return broken(`${bytes.length} octets are no header`);
  const question: DecodedQuestion[] = [];
  let position = HEADER_LENGTH;
  for (let index = 0; index < readWord(bytes, 4); index += 1) {
    const name = expandName(bytes, position, bytes.length);
    if (name === undefined || name.next + 4 > bytes.length) return broken('a broken question');
    question.push({
      name: formatName(name.wire),
      type: readWord(bytes, name.next),
      class: readWord(bytes, name.next + 2),
    });
    position = name.next + 4;
  }
  const sections: DecodedRecord[][] = [[], [], []];
  let opt: Opt | undefined;
  for (let section = 0; section < 3; section += 1) {
    for (let count = readWord(bytes, 6 + 2 * section); count > 0; count -= 1) {
      const raw = readRecord(bytes, position);
      if (raw === undefined) return broken(`a broken record at offset ${position}`);
      position = raw.end;
      if (raw.type === TYPE_OPT) {
        const problem = optProblem(raw, section, opt);
        if (problem !== undefined) return broken(problem);
        opt = decodeOpt(bytes, raw);
        if (opt === undefined) return broken('broken EDNS options');
      } else {
        const record = decodeRecord(bytes, raw);
        if (record === undefined) return broken(`broken data at offset ${raw.rdataStart}`);
        sections[section]!.push(record);
      }
    }
  }
  if (position !== bytes.length) {
    return broken(`${bytes.length - position} octets after the last record`);
  }
  return { ok: true, message: assemble(bytes, question, sections, opt) };
}

/**
 * The possibly compressed name at `offset`, uncompressed, and the offset after it. Every pointer
 * must lead before the place where the labels so far began, so that a chain of them ends (RFC
 * 1035 4.1.4 speaks of a "prior occurrence"), and there are no more of them than labels: else every record of
 * a message could have thousands to follow. Undefined when broken.
 */
export function expandName(
  bytes: Uint8Array,
  offset: number,
  end: number,
): { readonly wire: Uint8Array; readonly next: number } | undefined {
  const wire = new Uint8Array(NAME_LENGTH_MAX);
  let length = 0;
  let position = offset;
  let start = offset;
  let next = -1;
  let pointers = 0;
  while (position < end) {
    const label = bytes[position]!;
    if (label >= POINTER_BITS) {
      pointers += 1;
      if (position + 2 > end || pointers > LABELS_MAX) return undefined;
      if (next < 0) next = position + 2;
      position = ((label & LABEL_LENGTH_MAX) << 8) | bytes[position + 1]!;
      if (position >= start) return undefined;
      start = position;
      continue;
    }
    const labelEnd = position + 1 + label;
    if (label > LABEL_LENGTH_MAX || labelEnd > end) return undefined;
    if (length + 1 + label > NAME_LENGTH_MAX) return undefined;
    wire.set(bytes.subarray(position, labelEnd), length);
    length += 1 + label;
    position = labelEnd;
    if (label === 0) return { wire: wire.slice(0, length), next: next < 0 ? position : next };
  }
  return undefined;
}

function broken(reason: string): DecodeResult {
  return { ok: false, reason };
}

function assemble(
  bytes: Uint8Array,
  question: readonly DecodedQuestion[],
  sections: readonly (readonly DecodedRecord[])[],
  opt: Opt | undefined,
): DecodedMessage {
  const flags = readWord(bytes, 2);
  return {
    id: readWord(bytes, 0),
    response: (flags & FLAG_QR) !== 0,
    opcode: (flags >> 11) & 0xf,
    authoritative: (flags & FLAG_AA) !== 0,
    truncated: (flags & FLAG_TC) !== 0,
    recursionDesired: (flags & FLAG_RD) !== 0,
    recursionAvailable: (flags & FLAG_RA) !== 0,
    authenticData: (flags & FLAG_AD) !== 0,
    checkingDisabled: (flags & FLAG_CD) !== 0,
    rcode: ((opt?.rcodeHigh ?? 0) << 4) | (flags & 0xf),
    question,
    answer: sections[0]!,
    authority: sections[1]!,
    additional: sections[2]!,
    ...(opt === undefined ? {} : { edns: opt.edns }),
  };
}

/** The record at `offset`, in the message as it came; undefined when it is broken. */
export function readRecord(bytes: Uint8Array, offset: number): RawRecord | undefined {
  const owner = expandName(bytes, offset, bytes.length);
  if (owner === undefined) return undefined;
  const fixed = owner.next;
  const rdataStart = fixed + RECORD_FIXED_LENGTH;
  if (rdataStart > bytes.length) return undefined;
  const end = rdataStart + readWord(bytes, fixed + 8);
  if (end > bytes.length) return undefined;
  return { owner: owner.wire, type: readWord(bytes, fixed), fixed, rdataStart, end };
}

function decodeRecord(bytes: Uint8Array, raw: RawRecord): DecodedRecord | undefined {
  const rdata = expandRdata(bytes, raw);
  if (rdata === undefined) return undefined;
  return {
    name: formatName(raw.owner),
    type: raw.type,
    class: readWord(bytes, raw.fixed + 2),
    ttlSeconds: readWord(bytes, raw.fixed + 4) * 0x10000 + readWord(bytes, raw.fixed + 6),
    rdata,
    text: formatRdata(raw.type, rdata),
  };
}

/** The rdata with names expanded where the type has any; undefined when a name is broken. */
export function expandRdata(
  bytes: Uint8Array,
  { end, rdataStart, type }: RawRecord,
): Uint8Array | undefined {
  const rdata = bytes.slice(rdataStart, end);
  const fields = rdataByType(type)?.fields ?? oldFields(type);
  // Empty rdata stand for "any" or "none" in updates (RFC 2136 2.4): there is no name to expand.
  if (rdata.length === 0 || !fields.some(({ name }) => name !== undefined)) return rdata;
  const parts: Uint8Array[] = [];
  let at = 0;
  const last = fields.findLastIndex(({ name }) => name !== undefined);
  for (const field of fields.slice(0, last + 1)) {
    const name = field.name && expandName(bytes, rdataStart + at, end);
    if (field.name && name === undefined) return undefined;
    const next = name === undefined ? field.end(rdata, at) : name.next - rdataStart;
    if (next < 0 || next > rdata.length) return undefined;
    parts.push(name?.wire ?? rdata.subarray(at, next));
    at = next;
  }
  return new Uint8Array(Buffer.concat([...parts, rdata.subarray(at)]));
}

/** RFC 6891 6.1.1: one OPT, in the additional section, owned by the root. */
function optProblem(raw: RawRecord, section: number, earlier: Opt | undefined): string | undefined {
  if (earlier !== undefined) return 'more than one OPT record';
  if (section !== 2) return 'an OPT record outside of the additional section';
  return raw.owner.length === 1 ? undefined : 'an OPT record that the root does not own';
}

function decodeOpt(bytes: Uint8Array, raw: RawRecord): Opt | undefined {
  const options: DecodedOption[] = [];
  let position = raw.rdataStart;
  while (position < raw.end) {
    if (position + 4 > raw.end) return undefined;
    const start = position + 4;
    const end = start + readWord(bytes, position + 2);
    if (end > raw.end) return undefined;
    options.push({ code: readWord(bytes, position), value: bytes.slice(start, end) });
    position = end;
  }
  const ecs = options.map(decodeEcs).find((option) => option !== undefined);
  const nsid = options.find((option) => option.code === OPTION_NSID)?.value;
  const cookie = options.find((option) => option.code === OPTION_COOKIE)?.value;
  const edns: DecodedEdns = {
    udpSize: readWord(bytes, raw.fixed + 2),
    version: bytes[raw.fixed + 5]!,
    dnssecOk: (readWord(bytes, raw.fixed + 6) & EDNS_FLAG_DO) !== 0,
    options,
    extendedErrors: options.flatMap(decodeExtendedError),
    ...(ecs === undefined ? {} : { ecs }),
    ...(nsid === undefined ? {} : { nsid }),
    ...(cookie === undefined ? {} : { cookie }),
  };
  return { edns, rcodeHigh: bytes[raw.fixed + 4]! };
}

/** The client subnet (RFC 7871 6), scope allowed; undefined for other options and broken ones. */
function decodeEcs({ code, value }: DecodedOption): DecodedEcs | undefined {
  if (code !== OPTION_CLIENT_SUBNET || value.length < ECS_FIXED_LENGTH) return undefined;
  const family = readWord(value, 0);
  const isKnown = family === ECS_FAMILY_IPV4 || family === ECS_FAMILY_IPV6;
  const address = new Uint8Array(isKnown ? (family === ECS_FAMILY_IPV4 ? 4 : 16) : 0);
  if (value.length > ECS_FIXED_LENGTH + address.length) return undefined;
  address.set(value.subarray(ECS_FIXED_LENGTH));
  const text = isKnown
    ? formatAddress({ family: family === ECS_FAMILY_IPV4 ? 4 : 6, bytes: address })
    : '';
  return { family, source: value[2]!, scope: value[3]!, address: text };
}

/** An extended error (RFC 8914 2): INFO-CODE and UTF-8 text, which may or may not end with a zero. */
function decodeExtendedError({
  code,
  value,
}: DecodedOption): readonly { readonly code: number; readonly text: string }[] {
  if (code !== OPTION_EDE || value.length < 2) return [];
  const end = value.at(-1) === 0 && value.length > 2 ? value.length - 1 : value.length;
  return [{ code: readWord(value, 0), text: new TextDecoder().decode(value.subarray(2, end)) }];
}
