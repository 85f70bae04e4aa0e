/**
 * A NOTIFY of a primary (RFC 1996): who may send one, and the reply. It is only ever a reason to look, so that a forged
 * one costs a question to the primary.
 */
import {
  CLASS_IN,
  EDE_NOT_AUTHORITATIVE,
  EDE_PROHIBITED,
  FLAG_AA,
  OPCODE_NOTIFY,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTAUTH,
  RCODE_REFUSED,
  TYPE_SOA,
} from '../dns/constants.ts';
import { EDE_NONE, writeOpt } from '../dns/edns.ts';
import { beginReply, createReply, finishReply } from '../dns/encode.ts';
import { createQuery, PARSE_NOTIMP, parseQuery, type Query } from '../dns/message.ts';
import { equalNames } from '../dns/name.ts';
import { refuseTsig, signTsig, type TsigKey, verifyTsig } from '../dns/tsig.ts';
import type { Address } from '../ip/address.ts';
import { containsAddress, type Prefix } from '../ip/prefix.ts';

/** A zone that is copied, and from where. */
export type CopiedZone = {
  readonly zone: string;
  readonly apex: Uint8Array;
  readonly servers: readonly {
    readonly address: Prefix;
    /** Name of its key, in wire form, lower case. */
    readonly key: Uint8Array | undefined;
  }[];
};

export type NotifyAnswer = {
  readonly reply: Uint8Array;
  /** The zone that its primary says has changed; undefined = it is not to be believed. */
  readonly zone: string | undefined;
};

const REPLY_BYTES = 512;

/**
 * @param source of the message
 * @param find a copied zone by its name
 * @returns undefined when the bytes are no NOTIFY at all
 */
export function answerNotify(
  bytes: Uint8Array,
  source: Address,
  find: (apex: Uint8Array) => CopiedZone | undefined,
  keys: readonly TsigKey[],
  udpSizeMax: number,
  nowSeconds: number,
): NotifyAnswer | undefined {
  const query = createQuery();
  if (parseQuery(query, bytes, bytes.length) !== PARSE_NOTIMP) return undefined;
  if (query.opcode !== OPCODE_NOTIFY) return undefined;
  const say = (rcode: number): Uint8Array => plain(query, bytes, rcode, udpSizeMax);
  if (query.questionEnd === 0 || query.qtype !== TYPE_SOA || query.qclass !== CLASS_IN) {
    return { reply: say(RCODE_FORMERR), zone: undefined };
  }
  const name = query.qname.subarray(0, query.qnameLength);
  const copied = find(name);
  const isFromPrimary = copied?.servers.some(({ address }) => containsAddress(address, source));
  if (!query.hasTsig) {
    if (copied === undefined) return { reply: say(RCODE_NOTAUTH), zone: undefined };
    if (isFromPrimary !== true) return { reply: say(RCODE_REFUSED), zone: undefined };
    return { reply: say(RCODE_NOERROR), zone: copied.zone };
  }
  const verdict = verifyTsig(bytes, query.tsigOffset, keys, nowSeconds);
  if (!verdict.ok) {
    const rcode = verdict.tsig === undefined ? RCODE_FORMERR : RCODE_NOTAUTH;
    const told = plain(query, bytes, rcode, udpSizeMax, EDE_NONE);
    return { reply: refuseTsig(told, verdict, nowSeconds), zone: undefined };
  }
  const { key, tsig } = verdict;
  const hasKey = copied?.servers.some((each) => each.key && equalNames(each.key, key.name));
  const may = isFromPrimary === true || hasKey === true;
  const rcode = copied === undefined ? RCODE_NOTAUTH : may ? RCODE_NOERROR : RCODE_REFUSED;
  const chain = { mac: tsig.mac, between: [], isLater: false };
  const reply = signTsig(say(rcode), key, nowSeconds, chain).message;
  return { reply, zone: may ? copied?.zone : undefined };
}

/** What says more than the RCODE (RFC 8914 4.19, 4.21); of a bad signature TSIG does. */
const EDE_OF_RCODE: ReadonlyMap<number, number> = new Map([
  [RCODE_REFUSED, EDE_PROHIBITED],
  [RCODE_NOTAUTH, EDE_NOT_AUTHORITATIVE],
]);

function plain(
  query: Query,
  bytes: Uint8Array,
  rcode: number,
  udpSizeMax: number,
  edeCode = EDE_OF_RCODE.get(rcode) ?? EDE_NONE,
): Uint8Array {
  const reply = createReply();
  const out = new Uint8Array(REPLY_BYTES);
  beginReply(reply, out, query, bytes, out.length);
  writeOpt(reply, udpSizeMax, 0, edeCode);
  return out.slice(0, finishReply(reply, rcode, rcode === RCODE_NOERROR ? FLAG_AA : 0));
}
