/**
 * UPDATE messages (RFC 2136) at the door: only what a known key has signed (RFC 8945) gets any further. A worker
 * refuses all others at once, so that nobody without a key can busy the main thread.
 */
import {
  EDE_NOT_AUTHORITATIVE,
  EDE_PROHIBITED,
  OPCODE_UPDATE,
  RCODE_BADVERS,
  RCODE_FORMERR,
  RCODE_NOTAUTH,
  RCODE_REFUSED,
} from '../dns/constants.ts';
import { type DecodedMessage, decodeMessage } from '../dns/decode.ts';
import { EDE_NONE } from '../dns/edns.ts';
import { createQuery, PARSE_NOTIMP, parseQuery, type Query } from '../dns/message.ts';
import {
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
  udpSizeMax?: number,
): OpenedUpdate {
  if (!query.hasTsig || !query.isWhole) {
    // Its records are for those who have a key: to decode them for anybody would take a worker's second
    // per datagram, where names end in pointers to a long one.
    const rcode = query.isWhole ? RCODE_REFUSED : RCODE_FORMERR;
    return { ok: false, reply: bare(query, bytes, rcode, 0, udpSizeMax, edeOf(rcode)) };
  }
  const nowSeconds = Math.floor(nowMs / 1000);
  const verdict = verifyTsig(bytes, query.tsigOffset, keys, nowSeconds);
  if (!verdict.ok) {
    const rcode = verdict.tsig === undefined ? RCODE_FORMERR : RCODE_NOTAUTH;
    return {
      ok: false,
      reply: refuseTsig(bare(query, bytes, rcode, 0, udpSizeMax), verdict, nowSeconds),
    };
  }
  const { key, tsig } = verdict;
  const decoded = decodeMessage(withoutTsig(bytes, tsig));
  const asked = structuredClone(query);
  const reply = (rcode: number, repliedMs: number): Uint8Array => {
    return signed(bare(asked, bytes, rcode, 0, udpSizeMax, edeOf(rcode)), key, tsig, repliedMs);
  };
  if (query.hasEdns && query.ednsVersion !== 0) {
    return { ok: false, reply: reply(RCODE_BADVERS, nowMs) };
  }
  if (!decoded.ok) return { ok: false, reply: reply(RCODE_FORMERR, nowMs) };
  return { ok: true, message: decoded.message, key, mac: tsig.mac, reply };
}

/** What says more than the RCODE (RFC 8914 4.19, 4.21); of a bad signature TSIG does. */
function edeOf(rcode: number): number {
  if (rcode === RCODE_REFUSED) return EDE_PROHIBITED;
  return rcode === RCODE_NOTAUTH ? EDE_NOT_AUTHORITATIVE : EDE_NONE;
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
