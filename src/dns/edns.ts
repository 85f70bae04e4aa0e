/**
 * OPT of a reply (RFC 6891 6.1). What a reply may carry is offered right after beginReply(), while the query
 * can still be read and its room can be set aside; writeOpt() writes all of it behind the records.
 */
import {
  EDE_NOT_SUPPORTED,
  EDNS_FLAG_DO,
  OPTION_CLIENT_SUBNET,
  OPTION_COOKIE,
  OPTION_EDE,
  OPTION_NSID,
  OPTION_PADDING,
  OPTION_REPORT_CHANNEL,
  OPTION_TCP_KEEPALIVE,
  TYPE_OPT,
} from './constants.ts';
import { ecsOptionLength, writeEcs } from './ecs.ts';
import { COOKIE_REPLY_LENGTH } from './edns-reply.ts';
import { beginReply, finishReply, OPT_FIXED_LENGTH, type Reply } from './encode.ts';
import { PARSE_DROP, PARSE_NOTIMP, type Query } from './message.ts';

/** writeOpt(): no extended error. */
export const EDE_NONE = -1;

/** Code and length before an option's value (RFC 6891 6.1.2). */
export const OPTION_HEAD_LENGTH = 4;
/** An EDE option without text (RFC 8914 2). */
const EDE_LENGTH = OPTION_HEAD_LENGTH + 2;

/**
 * Sets aside room for an option whose value has `length` octets. False when the query had no EDNS or
 * there is none: the option is then left out.
 */
export function reserveOption(reply: Reply, length: number): boolean {
  const octets = OPTION_HEAD_LENGTH + length;
  if (!reply.query.hasEdns || reply.position > reply.limit - octets) return false;
  reply.limit -= octets;
  reply.reserved += octets;
  return true;
}

/** The cookie is then written into `reply.cookie` by the caller. */
export function offerCookie(reply: Reply): boolean {
  reply.hasCookie = reserveOption(reply, COOKIE_REPLY_LENGTH);
  return reply.hasCookie;
}

export function offerNsid(reply: Reply, nsid: Uint8Array): void {
  if (reserveOption(reply, nsid.length)) reply.nsid = nsid;
}

export function offerReportChannel(reply: Reply, agent: Uint8Array): void {
  if (reserveOption(reply, agent.length)) reply.reportChannel = agent;
}

/** @param timeout in units of 100 ms */
export function offerKeepalive(reply: Reply, timeout: number): void {
  if (reserveOption(reply, 2)) reply.keepalive = timeout;
}

export function offerPadding(reply: Reply, block: number): void {
  if (reserveOption(reply, 0)) reply.paddingBlock = block;
}

/** Of a reply that has to be short: the cookie stays, for it lets the client show who it is. */
export function withdrawOffers(reply: Reply): void {
  reply.nsid = undefined;
  reply.reportChannel = undefined;
}

/**
 * Writes OPT when the query had one, and nothing otherwise (RFC 6891 7): our UDP size, DO as
 * received (RFC 3225 3), the client subnet echoed with `ecsScope` when the query had one (RFC 7871
 * 7.2.1), what was offered, and an EDE code without text when it fits (RFC 8914 3 lets it be left
 * out). The upper bits of the RCODE come with finishReply().
 * @param edeCode INFO-CODE, or EDE_NONE.
 * @returns false when OPT did not fit, which means that the limit was below 512.
 */
export function writeOpt(
  reply: Reply,
  udpSize: number,
  ecsScope: number,
  edeCode: number,
): boolean {
  const { out, query } = reply;
  if (!query.hasEdns || reply.optOffset !== 0) return true;
  const start = reply.position;
  const limit = reply.limit + reply.reserved;
  const optionsStart = start + OPT_FIXED_LENGTH;
  let position = optionsStart + (query.hasEcs ? ecsOptionLength(query) : 0);
  if (position > limit) return false;
  out[start] = 0;
  out[start + 1] = TYPE_OPT >> 8;
  out[start + 2] = TYPE_OPT;
  out[start + 3] = udpSize >> 8;
  out[start + 4] = udpSize;
  out[start + 5] = 0;
  out[start + 6] = 0;
  out[start + 7] = query.ednsDo ? EDNS_FLAG_DO >> 8 : 0;
  out[start + 8] = 0;
  if (query.hasEcs) writeEcs(out, optionsStart, query, OPTION_CLIENT_SUBNET, ecsScope);
  position = writeOffered(reply, position);
  if (edeCode >= 0 && position + EDE_LENGTH <= limit) {
    position = writeNumber(out, position, OPTION_EDE, edeCode);
  }
  if (reply.paddingBlock > 0) position = writePadding(reply, position, limit);
  out[start + 9] = (position - optionsStart) >> 8;
  out[start + 10] = position - optionsStart;
  reply.optOffset = start;
  reply.position = position;
  reply.additionalCount += 1;
  return true;
}

/** The options that room was set aside for. */
function writeOffered(reply: Reply, position: number): number {
  const { keepalive, nsid, out, reportChannel } = reply;
  if (reply.hasCookie) position = writeOption(out, position, OPTION_COOKIE, reply.cookie);
  if (nsid !== undefined) position = writeOption(out, position, OPTION_NSID, nsid);
  if (keepalive >= 0) position = writeNumber(out, position, OPTION_TCP_KEEPALIVE, keepalive);
  if (reportChannel === undefined) return position;
  return writeOption(out, position, OPTION_REPORT_CHANNEL, reportChannel);
}

function writeOption(out: Uint8Array, position: number, code: number, value: Uint8Array): number {
  writeHead(out, position, code, value.length);
  const start = position + OPTION_HEAD_LENGTH;
  for (let index = 0; index < value.length; index += 1) out[start + index] = value[index]!;
  return start + value.length;
}

function writeNumber(out: Uint8Array, position: number, code: number, value: number): number {
  writeHead(out, position, code, 2);
  out[position + 4] = value >> 8;
  out[position + 5] = value;
  return position + 6;
}

function writeHead(out: Uint8Array, position: number, code: number, length: number): void {
  out[position] = code >> 8;
  out[position + 1] = code;
  out[position + 2] = length >> 8;
  out[position + 3] = length;
}

/** Zeros up to the next multiple of the block, or to the limit (RFC 7830 3, RFC 8467 4.1). */
function writePadding({ out, paddingBlock }: Reply, position: number, limit: number): number {
  const start = position + OPTION_HEAD_LENGTH;
  const end = Math.min(Math.ceil(start / paddingBlock) * paddingBlock, limit);
  if (end < start) return position;
  writeHead(out, position, OPTION_PADDING, end - start);
  out.fill(0, start, end);
  return end;
}

/**
 * The whole reply to a query that parseQuery() did not accept: its outcome as RCODE, the question
 * when it was understood, and a bare OPT (no client subnet: RFC 7871 asks for none in an error about
 * it) when the query had one (RFC 6891 7), with an extended error where one says more than the RCODE.
 * @returns the length of the reply; 0 for PARSE_DROP, which gets none.
 */
export function rejectQuery(
  reply: Reply,
  out: Uint8Array,
  query: Query,
  queryBytes: Uint8Array,
  outcome: number,
  udpSize: number,
  edeCode = outcome === PARSE_NOTIMP ? EDE_NOT_SUPPORTED : EDE_NONE,
): number {
  if (outcome === PARSE_DROP) return 0;
  query.hasEcs = false;
  beginReply(reply, out, query, queryBytes, out.length);
  writeOpt(reply, udpSize, 0, edeCode);
  return finishReply(reply, outcome, 0);
}
