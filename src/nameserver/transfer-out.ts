/**
 * A request for a zone transfer (RFC 5936, RFC 1995), over a stream: who may have the zone, what of it, signed as
 * it was asked. Everything else that comes of it is one message.
 */
import {
  EDE_NOT_AUTHORITATIVE,
  EDE_PROHIBITED,
  FLAG_AA,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTAUTH,
  RCODE_REFUSED,
  TYPE_IXFR,
  TYPE_SOA,
} from '../dns/constants.ts';
import { expandName } from '../dns/decode.ts';
import { EDE_NONE, writeOpt } from '../dns/edns.ts';
import { beginReply, createReply, finishReply } from '../dns/encode.ts';
import { type Query, readWord } from '../dns/message.ts';
import { equalNames } from '../dns/name.ts';
import { isNewerSerial } from '../dns/serial.ts';
import { refuseTsig, signTsig, type TsigChain, type TsigKey, verifyTsig } from '../dns/tsig.ts';
import type { Prefix } from '../ip/prefix.ts';
import type { ZoneContent } from '../zone/zone-content.ts';
import { isListed } from './access.ts';
import type { Client } from './client.ts';
import { fullTransfer, incrementalTransfer, transferMessages, upToDate } from './transfer.ts';
import type { ZoneContents } from './zone-contents.ts';

/** A zone that may be copied. */
export type ZoneTransfer = {
  /** Oldest first; the last is served. */
  readonly contents: ZoneContents;
  readonly networks: readonly Prefix[];
  /** Names of keys, in wire form, lower case. */
  readonly keys: readonly Uint8Array[];
};

/** The messages of the reply, to be sent in order; each is in memory of its own. */
export type TransferReply = Iterable<Uint8Array>;

/**
 * @param query parsed from `bytes`; its type is AXFR or IXFR
 * @param wallSeconds since 1970; asked for each message, for a slow reader may take longer than signatures last
 */
export function answerTransfer(
  transfers: readonly ZoneTransfer[],
  keys: readonly TsigKey[],
  query: Query,
  bytes: Uint8Array,
  client: Client,
  wallSeconds: () => number,
  udpSizeMax: number,
): TransferReply {
  const name = query.qname.subarray(0, query.qnameLength);
  const plain = (rcode: number): Uint8Array => plainReply(query, bytes, rcode, udpSizeMax);
  const zone = transfers.find(({ contents }) => equalNames(contents.at(-1)!.apex, name));
  if (!query.hasTsig) {
    if (zone === undefined) return [plain(RCODE_NOTAUTH)];
    return isListed(zone.networks, client)
      ? transferOf(zone, query, bytes, udpSizeMax)
      : [plain(RCODE_REFUSED)];
  }
  const nowSeconds = wallSeconds();
  const verdict = verifyTsig(bytes, query.tsigOffset, keys, nowSeconds);
  if (!verdict.ok) {
    const rcode = verdict.tsig === undefined ? RCODE_FORMERR : RCODE_NOTAUTH;
    const told = plainReply(query, bytes, rcode, udpSizeMax, EDE_NONE);
    return [refuseTsig(told, verdict, nowSeconds)];
  }
  const { key, tsig } = verdict;
  const may = zone !== undefined && (isListed(zone.networks, client) || hasKey(zone, key));
  const rcode = zone === undefined ? RCODE_NOTAUTH : RCODE_REFUSED;
  const messages = may ? transferOf(zone, query, bytes, udpSizeMax) : [plain(rcode)];
  return signed(messages, key, tsig.mac, wallSeconds);
}

function hasKey({ keys }: ZoneTransfer, { name }: TsigKey): boolean {
  return keys.some((each) => equalNames(each, name));
}

/** Each message signed on the one before it, the first on the request (RFC 8945 5.3.1). */
function* signed(
  messages: TransferReply,
  key: TsigKey,
  requestMac: Uint8Array,
  wallSeconds: () => number,
): Generator<Uint8Array> {
  let chain: TsigChain = { mac: requestMac, between: [], isLater: false };
  for (const message of messages) {
    const made = signTsig(message, key, wallSeconds(), chain);
    chain = { mac: made.mac, between: [], isLater: true };
    yield made.message;
  }
}

function transferOf(
  { contents }: ZoneTransfer,
  query: Query,
  bytes: Uint8Array,
  udpSizeMax: number,
): TransferReply {
  const newest = contents.at(-1)!;
  if (query.qtype !== TYPE_IXFR) {
    return transferMessages(query, bytes, fullTransfer(newest), udpSizeMax);
  }
  const serial = askedSerial(query, bytes);
  if (serial === undefined) return [plainReply(query, bytes, RCODE_FORMERR, udpSizeMax)];
  return transferMessages(query, bytes, changesSince(contents, newest, serial), udpSizeMax);
}

function changesSince(contents: ZoneContents, newest: ZoneContent, serial: number) {
  if (!isNewerSerial(newest.serial, serial)) return upToDate(newest);
  const from = contents.findLastIndex((each) => each.serial === serial && !each.isUnsure);
  return from < 0 ? fullTransfer(newest) : incrementalTransfer(contents.slice(from));
}

/** The serial that a secondary has: of the SOA in the authority section (RFC 1995 3). */
function askedSerial({ questionEnd }: Query, bytes: Uint8Array): number | undefined {
  if (readWord(bytes, 8) !== 1) return undefined;
  const owner = expandName(bytes, questionEnd, bytes.length);
  if (owner === undefined || owner.next + 10 > bytes.length) return undefined;
  const start = owner.next + 10;
  const end = start + readWord(bytes, owner.next + 8);
  if (readWord(bytes, owner.next) !== TYPE_SOA || end > bytes.length) return undefined;
  const mname = expandName(bytes, start, end);
  const rname = mname && expandName(bytes, mname.next, end);
  if (rname === undefined || rname.next + 20 !== end) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset + rname.next, 4).getUint32(0);
}

/** What says more than the RCODE (RFC 8914 4.19, 4.21); of a bad signature TSIG does. */
const EDE_OF_RCODE: ReadonlyMap<number, number> = new Map([
  [RCODE_REFUSED, EDE_PROHIBITED],
  [RCODE_NOTAUTH, EDE_NOT_AUTHORITATIVE],
]);

/** A message without records but OPT. */
function plainReply(
  query: Query,
  bytes: Uint8Array,
  rcode: number,
  udpSizeMax: number,
  edeCode = EDE_OF_RCODE.get(rcode) ?? EDE_NONE,
): Uint8Array {
  const reply = createReply();
  const out = new Uint8Array(512);
  beginReply(reply, out, query, bytes, out.length);
  writeOpt(reply, udpSizeMax, 0, edeCode);
  return out.slice(0, finishReply(reply, rcode, rcode === RCODE_NOERROR ? FLAG_AA : 0));
}
