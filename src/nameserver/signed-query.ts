/**
 * Queries with a TSIG record (RFC 8945 5): secondaries sign their questions for the SOA, and trust only answers that
 * are signed too. The answer is that of the query without the record; who cannot be verified is told so.
 * Rare, so that it may allocate.
 */
import { FLAG_TC, RCODE_FORMERR, RCODE_NOTAUTH, UDP_SIZE_MIN } from '../dns/constants.ts';
import { EDE_NONE, writeOpt } from '../dns/edns.ts';
import { beginReply, createReply, finishReply } from '../dns/encode.ts';
import type { Query } from '../dns/message.ts';
import { refuseTsig, signTsig, type TsigKey, verifyTsig, withoutTsig } from '../dns/tsig.ts';

/**
 * Answers the signed query into `reply`.
 * @param query parsed from `bytes`
 * @param answer answers the query that was signed, into `reply`; its length, or an outcome of 0 and below
 * @param limit largest length of the reply
 * @param udpSizeMax what OPT tells of us
 */
export function answerSigned(
  query: Query,
  bytes: Uint8Array,
  keys: readonly TsigKey[],
  nowMs: number,
  reply: Uint8Array,
  limit: number,
  udpSizeMax: number,
  answer: (unsigned: Uint8Array) => number,
): number {
  const nowSeconds = Math.floor(nowMs / 1000);
  const verdict = verifyTsig(bytes, query.tsigOffset, keys, nowSeconds);
  if (!verdict.ok) {
    const rcode = verdict.tsig === undefined ? RCODE_FORMERR : RCODE_NOTAUTH;
    const plain = bare(query, bytes, rcode, 0, udpSizeMax);
    return put(reply, limit, refuseTsig(plain, verdict, nowSeconds), plain);
  }
  const { key, tsig } = verdict;
  // Parsing the unsigned query fills the same record again: what is needed later is taken now.
  const cut = bare(query, bytes, 0, FLAG_TC, udpSizeMax);
  const length = answer(withoutTsig(bytes, tsig));
  if (length <= 0) return length;
  const chain = { mac: tsig.mac, between: [], isLater: false };
  const signed = signTsig(reply.slice(0, length), key, nowSeconds, chain).message;
  return put(reply, limit, signed, signTsig(cut, key, nowSeconds, chain).message, cut);
}

/** Header, question and, when the query has one, OPT, with an extended error or EDE_NONE. */
export function bare(
  query: Query,
  bytes: Uint8Array,
  rcode: number,
  flags: number,
  udpSizeMax = UDP_SIZE_MIN,
  edeCode = EDE_NONE,
): Uint8Array {
  const reply = createReply();
  const out = new Uint8Array(UDP_SIZE_MIN);
  beginReply(reply, out, query, bytes, out.length);
  writeOpt(reply, udpSizeMax, 0, edeCode);
  return out.slice(0, finishReply(reply, rcode, flags));
}

/** The first that fits: names of keys and algorithms may be longer than a datagram. The last one always does. */
function put(reply: Uint8Array, limit: number, ...messages: readonly Uint8Array[]): number {
  const message = messages.find(({ length }) => length <= limit) ?? messages.at(-1)!;
  reply.set(message);
  return message.length;
}
