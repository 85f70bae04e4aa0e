/**
 * One message of a primary's reply, judged as a message: is it the answer to what was asked, is it signed as it has
 * to be, and what records are in it. Broken input is a reason, never an exception.
 */
import {
  CLASS_IN,
  FLAG_QR,
  FLAG_TC,
  HEADER_LENGTH,
  RCODE_NOERROR,
  TYPE_OPT,
} from '../dns/constants.ts';
import { expandName, expandRdata, readRecord } from '../dns/decode.ts';
import { readWord } from '../dns/message.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { equalNames, lowerName } from '../dns/name.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import type { ContentRecord } from '../zone/zone-content.ts';

export type Asked = { readonly id: number; readonly apex: Uint8Array; readonly type: number };

export type ReplyRecords =
  | { readonly ok: true; readonly records: readonly ContentRecord[] }
  /** `rcode` when that is the reason. */
  | { readonly ok: false; readonly reason: string; readonly rcode?: number };

/** The records of the answer section. Owners are lower case, names in rdata without compression. */
export function readReply(bytes: Uint8Array, { apex, id, type }: Asked): ReplyRecords {
  if (bytes.length < HEADER_LENGTH) return broken('a message without a header');
  const flags = readWord(bytes, 2);
  if (readWord(bytes, 0) !== id) return broken('an answer to something else');
  if ((flags & FLAG_QR) === 0 || ((flags >> 11) & 0xf) !== 0) return broken('no answer at all');
  const rcode = flags & 0xf;
  if (rcode !== RCODE_NOERROR)
    return { ok: false, reason: `it answers ${rcodeName(rcode)}`, rcode };
  if ((flags & FLAG_TC) !== 0) return broken('an answer that is cut short');
  const questions = readWord(bytes, 4);
  let at = HEADER_LENGTH;
  // Only the first message of a transfer needs to repeat it (RFC 5936 2.2.1).
  if (questions > 1) return broken('several questions');
  if (questions === 1) {
    const name = expandName(bytes, at, bytes.length);
    if (name === undefined || name.next + 4 > bytes.length) return broken('a broken question');
    const isAsked =
      equalNames(name.wire, apex) &&
      readWord(bytes, name.next) === type &&
      readWord(bytes, name.next + 2) === CLASS_IN;
    if (!isAsked) return broken('an answer to another question');
    at = name.next + 4;
  }
  return readAnswers(bytes, at);
}

function readAnswers(bytes: Uint8Array, start: number): ReplyRecords {
  const records: ContentRecord[] = [];
  let at = start;
  for (let count = readWord(bytes, 6); count > 0; count -= 1) {
    const raw = readRecord(bytes, at);
    const rdata = raw && expandRdata(bytes, raw);
    if (raw === undefined || rdata === undefined) return broken(`a broken record at octet ${at}`);
    if (raw.type === TYPE_OPT || readWord(bytes, raw.fixed + 2) !== CLASS_IN) {
      return broken('a record that is not of class IN');
    }
    const ttl = readWord(bytes, raw.fixed + 4) * 0x10000 + readWord(bytes, raw.fixed + 6);
    records.push({
      owner: lowerName(raw.owner),
      type: raw.type,
      // RFC 2181 8: with the highest bit set it is 0.
      ttlSeconds: ttl > TTL_SECONDS_MAX ? 0 : ttl,
      rdata,
    });
    at = raw.end;
  }
  return { ok: true, records };
}

const broken = (reason: string): ReplyRecords => ({ ok: false, reason });
