/**
 * What a secondary asks: the SOA, the changes since a serial (IXFR, RFC 1995 3), all of the zone (AXFR, RFC 5936
 * 2.1); with EDNS, how long the primary's own copy is good, if it has one (RFC 7314 4).
 */
import {
  CLASS_IN,
  HEADER_LENGTH,
  RECORD_FIXED_LENGTH,
  TYPE_IXFR,
  TYPE_OPT,
  TYPE_SOA,
} from '../dns/constants.ts';
import { readWord, skipName } from '../dns/message.ts';
import type { ZoneContent } from '../zone/zone-content.ts';

/** RFC 7314 3.1. */
const OPTION_EXPIRE = 9;
/** UDP size that is told to who asks for none: these are answered over TCP (RFC 6891 6.2.3). */
const UDP_SIZE = 1232;
/** OPT of the root, with the empty option. */
const ASKS_EXPIRE = [
  0,
  0,
  TYPE_OPT,
  UDP_SIZE >> 8,
  UDP_SIZE & 255,
  0,
  0,
  0,
  0,
  0,
  4,
  0,
  OPTION_EXPIRE,
  0,
  0,
];

/**
 * @param type SOA, IXFR or AXFR
 * @param copy what is there already: IXFR says its SOA
 * @param hasEdns some primaries refuse it
 */
export function writeTransferQuery(
  id: number,
  apex: Uint8Array,
  type: number,
  copy?: Pick<ZoneContent, 'soa'>,
  hasEdns = false,
): Uint8Array {
  const plain = plainQuery(id, apex, type, copy);
  if (!hasEdns) return plain;
  const message = new Uint8Array([...plain, ...ASKS_EXPIRE]);
  // ARCOUNT.
  message[11] = 1;
  return message;
}

/**
 * How many seconds the primary's own copy is still good (RFC 7314 4), of whatever message it sends; undefined when
 * it does not say so.
 */
export function readExpire(message: Uint8Array): number | undefined {
  let at = HEADER_LENGTH;
  if (message.length < at) return undefined;
  for (let count = readWord(message, 4); count > 0; count -= 1) {
    const fixed = skipName(message, at, message.length);
    if (fixed < 0) return undefined;
    at = fixed + 4;
  }
  const records = readWord(message, 6) + readWord(message, 8) + readWord(message, 10);
  for (let count = records; count > 0; count -= 1) {
    const fixed = skipName(message, at, message.length);
    const start = fixed + RECORD_FIXED_LENGTH;
    if (fixed < 0 || start > message.length) return undefined;
    at = start + readWord(message, fixed + 8);
    if (at > message.length) return undefined;
    if (readWord(message, fixed) === TYPE_OPT) return expireIn(message.subarray(start, at));
  }
  return undefined;
}

function expireIn(options: Uint8Array): number | undefined {
  for (let at = 0; at + 4 <= options.length; at += 4 + readWord(options, at + 2)) {
    const isWhole = at + 8 <= options.length && readWord(options, at + 2) === 4;
    if (readWord(options, at) !== OPTION_EXPIRE || !isWhole) continue;
    return readWord(options, at + 4) * 0x10000 + readWord(options, at + 6);
  }
  return undefined;
}

function plainQuery(
  id: number,
  apex: Uint8Array,
  type: number,
  copy?: Pick<ZoneContent, 'soa'>,
): Uint8Array {
  const soa = type === TYPE_IXFR ? copy?.soa : undefined;
  const authority = soa === undefined ? 0 : apex.length + 10 + soa.rdata.length;
  const message = new Uint8Array(HEADER_LENGTH + apex.length + 4 + authority);
  const view = new DataView(message.buffer);
  view.setUint16(0, id);
  view.setUint16(4, 1);
  message.set(apex, HEADER_LENGTH);
  let at = HEADER_LENGTH + apex.length;
  view.setUint16(at, type);
  view.setUint16(at + 2, CLASS_IN);
  if (soa === undefined) return message;
  view.setUint16(8, 1);
  at += 4;
  message.set(apex, at);
  at += apex.length;
  view.setUint16(at, TYPE_SOA);
  view.setUint16(at + 2, CLASS_IN);
  view.setUint32(at + 4, soa.ttlSeconds);
  view.setUint16(at + 8, soa.rdata.length);
  message.set(soa.rdata, at + 10);
  return message;
}
