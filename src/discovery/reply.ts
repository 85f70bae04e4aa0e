import {
  CLASS_IN,
  HEADER_LENGTH,
  RCODE_NOERROR,
  RCODE_NXDOMAIN,
  TYPE_CNAME,
  TYPE_SOA,
} from '../dns/constants.ts';
import { type DecodedMessage, type DecodedRecord, decodeMessage } from '../dns/decode.ts';
import { readWord } from '../dns/message.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { formatName } from '../dns/name.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import { type Question, questionSection } from './question.ts';

/** What a resolver says to a question. Broken octets are a reason, never an exception. */
export type Reply =
  | {
      readonly kind: 'records';
      readonly rdata: readonly Uint8Array[];
      /** The shortest on the way, aliases too. */
      readonly ttlSeconds: number;
    }
  /** There are none: no such name, or no such records of it. */
  | { readonly kind: 'none'; readonly reason: string; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly reason: string };

/** How a message that has come relates to what was asked. */
export type Match = 'ours' | 'truncated' | 'other-case' | 'foreign';

/** More is no list of servers, and names in it can be built to be read for long. */
export const REPLY_BYTES_MAX = 32_768;
/** Aliases in a row. */
const ALIASES_MAX = 16;
const FLAGS_RESPONSE = 0x80;
const FLAGS_TRUNCATED = 0x02;

/** @param query as it was sent */
export function matchReply(bytes: Uint8Array, query: Uint8Array, question: Question): Match {
  if (bytes.length < HEADER_LENGTH || readWord(bytes, 0) !== readWord(query, 0)) return 'foreign';
  if ((bytes[2]! & FLAGS_RESPONSE) === 0 || readWord(bytes, 4) !== 1) return 'foreign';
  const [theirs, ours] = [questionSection(bytes, question), questionSection(query, question)];
  if (!ours.every((octet, at) => octet === theirs[at])) {
    return ours.every((octet, at) => lower(octet) === lower(theirs[at] ?? 0))
      ? 'other-case'
      : 'foreign';
  }
  return (bytes[2]! & FLAGS_TRUNCATED) === 0 ? 'ours' : 'truncated';
}

/** What a message that belongs to the question says. */
export function readReply(bytes: Uint8Array, { name, type }: Question): Reply {
  if (bytes.length > REPLY_BYTES_MAX) return failed(`an answer of ${bytes.length} octets`);
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return failed(decoded.reason);
  const { message } = decoded;
  if (message.rcode !== RCODE_NOERROR && message.rcode !== RCODE_NXDOMAIN) {
    return failed(`it answers ${rcodeName(message.rcode)}`);
  }
  const { records, ttlSeconds } = follow(message.answer, formatName(name).toLowerCase(), type);
  if (records.length > 0) {
    const ttls = [ttlSeconds, ...records.map(ttlOf)];
    return {
      kind: 'records',
      rdata: records.map(({ rdata }) => Uint8Array.from(rdata)),
      ttlSeconds: Math.min(...ttls),
    };
  }
  const reason =
    message.rcode === RCODE_NXDOMAIN ? 'there is no such name' : 'the name has no such records';
  return { kind: 'none', reason, ttlSeconds: Math.min(ttlSeconds, negativeTtl(message)) };
}

/** Records of the type at the end of the aliases that begin at `owner`. */
function follow(answer: readonly DecodedRecord[], owner: string, type: number) {
  let at = owner;
  let ttlSeconds = TTL_SECONDS_MAX;
  for (let aliases = 0; aliases <= ALIASES_MAX; aliases += 1) {
    const own = answer.filter((each) => each.class === CLASS_IN && each.name.toLowerCase() === at);
    const records = own.filter((each) => each.type === type);
    const alias = own.find((each) => each.type === TYPE_CNAME);
    if (records.length > 0 || alias === undefined) return { records, ttlSeconds };
    ttlSeconds = Math.min(ttlSeconds, ttlOf(alias));
    at = alias.text.toLowerCase();
  }
  return { records: [], ttlSeconds };
}

/** RFC 2308 5: the TTL of the SOA or its last field, whichever is less; without one it may not be kept. */
function negativeTtl({ authority }: DecodedMessage): number {
  const soa = authority.find(({ type }) => type === TYPE_SOA);
  if (soa === undefined || soa.rdata.length < 22) return 0;
  const at = soa.rdata.length - 4;
  return Math.min(ttlOf(soa), readWord(soa.rdata, at) * 0x10000 + readWord(soa.rdata, at + 2));
}

/** RFC 2181 8: with the highest bit set it is 0. */
const ttlOf = ({ ttlSeconds }: DecodedRecord): number =>
  ttlSeconds > TTL_SECONDS_MAX ? 0 : ttlSeconds;

const lower = (octet: number): number => (octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet);

const failed = (reason: string): Reply => ({ kind: 'failed', reason });
