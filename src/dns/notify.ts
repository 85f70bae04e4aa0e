/**
 * The message that tells a secondary of a zone's new serial, and the reply to it (RFC 1996). Broken input is a
 * value, never an exception.
 */
import {
  CLASS_IN,
  FLAG_AA,
  FLAG_QR,
  HEADER_LENGTH,
  OPCODE_NOTIFY,
  RCODE_NOERROR,
  TYPE_SOA,
} from './constants.ts';
import { readWord } from './message.ts';
import { findTsig, type TsigKey, verifyTsig } from './tsig.ts';

/** A pointer to the name of the question (RFC 1035 4.1.4). */
const QUESTION_POINTER = 0xc000 | HEADER_LENGTH;

/**
 * Opcode NOTIFY, AA, a question for the SOA, and the SOA of now as a hint in the answer (RFC 1996 3.7).
 * @param apex the zone's name, and `rdata` of its SOA, in wire form
 */
export function writeNotify(
  id: number,
  apex: Uint8Array,
  { rdata, ttlSeconds }: { readonly rdata: Uint8Array; readonly ttlSeconds: number },
): Uint8Array {
  const message = new Uint8Array(HEADER_LENGTH + apex.length + 4 + 12 + rdata.length);
  const view = new DataView(message.buffer);
  view.setUint16(0, id);
  view.setUint16(2, (OPCODE_NOTIFY << 11) | FLAG_AA);
  view.setUint16(4, 1);
  view.setUint16(6, 1);
  message.set(apex, HEADER_LENGTH);
  let at = HEADER_LENGTH + apex.length;
  view.setUint16(at, TYPE_SOA);
  view.setUint16(at + 2, CLASS_IN);
  at += 4;
  view.setUint16(at, QUESTION_POINTER);
  view.setUint16(at + 2, TYPE_SOA);
  view.setUint16(at + 4, CLASS_IN);
  view.setUint32(at + 6, ttlSeconds);
  view.setUint16(at + 10, rdata.length);
  message.set(rdata, at + 12);
  return message;
}

/** Whether a message that has a header is a NOTIFY. */
export function isNotify(message: Uint8Array): boolean {
  return ((readWord(message, 2) >> 11) & 0xf) === OPCODE_NOTIFY;
}

/** How a NOTIFY was signed. */
export type NotifySignature = { readonly key: TsigKey; readonly mac: Uint8Array };

/**
 * The RCODE of the reply to the NOTIFY of this id; undefined when it is no such reply. That all is well has to be
 * signed as it was asked; a refusal need not be, for who does not know the key cannot sign (RFC 8945 5.3.2).
 */
export function readNotifyReply(
  bytes: Uint8Array,
  id: number,
  signature: NotifySignature | undefined,
  nowSeconds: number,
): number | undefined {
  if (bytes.length < HEADER_LENGTH || readWord(bytes, 0) !== id) return undefined;
  const flags = readWord(bytes, 2);
  if ((flags & FLAG_QR) === 0 || ((flags >> 11) & 0xf) !== OPCODE_NOTIFY) return undefined;
  const rcode = flags & 0xf;
  if (signature === undefined || rcode !== RCODE_NOERROR) return rcode;
  const offset = findTsig(bytes);
  if (offset === undefined) return undefined;
  const chain = { mac: signature.mac, between: [], isLater: false };
  return verifyTsig(bytes, offset, [signature.key], nowSeconds, chain).ok ? rcode : undefined;
}
