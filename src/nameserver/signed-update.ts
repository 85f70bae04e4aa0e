/**
 * UPDATE messages (RFC 2136) at the door: only what a known key has signed (RFC 8945) gets any further. A worker
 * refuses all others at once, so that nobody without a key can busy the main thread.
 */
import {
  OPCODE_UPDATE,
  RCODE_BADVERS,
  RCODE_FORMERR,
  RCODE_NOTAUTH,
  RCODE_REFUSED,
  TYPE_TSIG,
} from '../dns/constants.ts';
import { type DecodedMessage, decodeMessage } from '../dns/decode.ts';
import { createQuery, PARSE_NOTIMP, parseQuery, type Query } from '../dns/message.ts';
import {
  findTsig,
  refuseTsig,
  signTsig,
  type Tsig,
  type TsigKey,
  verifyTsig,
  withoutTsig,
} from '../dns/tsig.ts';
import { bare } from './signed-query.ts';

export type OpenedUpdate =
  | {
      readonly ok: true;
      readonly message: DecodedMessage;
      readonly key: TsigKey;
      /** Of the request: the same twice is the same request. */
      readonly mac: Uint8Array;
      /** The signed reply with this RCODE. */
      reply(rcode: number, nowMs: number): Uint8Array;
    }
  | { readonly ok: false; readonly reply: Uint8Array };

/** @param query parsed from `bytes`; parseQuery said PARSE_NOTIMP, and its opcode is UPDATE */
export function openUpdate(
  query: Query,
  bytes: Uint8Array,
  keys: readonly TsigKey[],
  nowMs: number,
): OpenedUpdate {
  if (!query.hasTsig || findTsig(bytes) !== query.tsigOffset) {
    const rcode = isUnsigned(bytes) ? RCODE_REFUSED : RCODE_FORMERR;
    return { ok: false, reply: bare(query, bytes, rcode, 0) };
  }
  const nowSeconds = Math.floor(nowMs / 1000);
  const verdict = verifyTsig(bytes, query.tsigOffset, keys, nowSeconds);
  if (!verdict.ok) {
    const rcode = verdict.tsig === undefined ? RCODE_FORMERR : RCODE_NOTAUTH;
    return { ok: false, reply: refuseTsig(bare(query, bytes, rcode, 0), verdict, nowSeconds) };
  }
  const { key, tsig } = verdict;
  const decoded = decodeMessage(withoutTsig(bytes, tsig));
  const asked = structuredClone(query);
  const reply = (rcode: number, repliedMs: number): Uint8Array =>
    signed(bare(asked, bytes, rcode, 0), key, tsig, repliedMs);
  if (query.hasEdns && query.ednsVersion !== 0) {
    return { ok: false, reply: reply(RCODE_BADVERS, nowMs) };
  }
  if (!decoded.ok || !hasNoTsig(decoded.message)) {
    return { ok: false, reply: reply(RCODE_FORMERR, nowMs) };
  }
  return { ok: true, message: decoded.message, key, mac: tsig.mac, reply };
}

/** A message with a TSIG record in another place than the last is malformed (RFC 8945 5.1). */
function isUnsigned(bytes: Uint8Array): boolean {
  const decoded = decodeMessage(bytes);
  return decoded.ok && hasNoTsig(decoded.message);
}

function hasNoTsig({ additional, answer, authority }: DecodedMessage): boolean {
  return ![...answer, ...authority, ...additional].some(({ type }) => type === TYPE_TSIG);
}

/** The same of octets that nobody has looked at yet; undefined for what is no UPDATE. */
export function readUpdate(
  bytes: Uint8Array,
  keys: readonly TsigKey[],
  nowMs: number,
): OpenedUpdate | undefined {
  const query = createQuery();
  const parse = parseQuery(query, bytes, bytes.length);
  if (parse !== PARSE_NOTIMP || query.opcode !== OPCODE_UPDATE) return undefined;
  return openUpdate(query, bytes, keys, nowMs);
}

function signed(message: Uint8Array, key: TsigKey, { mac }: Tsig, nowMs: number): Uint8Array {
  const chain = { mac, between: [], isLater: false };
  return signTsig(message, key, Math.floor(nowMs / 1000), chain).message;
}
