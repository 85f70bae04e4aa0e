import { CLASS_IN, FLAG_RD, HEADER_LENGTH, TYPE_OPT, UDP_SIZE_DEFAULT } from '../dns/constants.ts';

/**
 * One question to a resolver, as octets. Who cannot see it has to guess its id, the port that it came
 * from and the case of each letter of its name (draft-vixie-dnsext-dns0x20; RFC 5452 9).
 */
export type Question = {
  /** In wire form. */
  readonly name: Uint8Array;
  readonly type: number;
};

const LETTER_CASE = 0x20;
const OPT_LENGTH = 11;

/**
 * @param id 16 random bits
 * @param bits random octets, as many as the name has: the lowest bit of each is the case of a letter
 */
export function writeQuestion(id: number, question: Question, bits: Uint8Array): Uint8Array {
  const end = HEADER_LENGTH + question.name.length + 4;
  const bytes = new Uint8Array(end + OPT_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, FLAG_RD);
  view.setUint16(4, 1);
  view.setUint16(10, 1);
  bytes.set(mixedCase(question.name, bits), HEADER_LENGTH);
  view.setUint16(end - 4, question.type);
  view.setUint16(end - 2, CLASS_IN);
  // The root's name, then OPT (RFC 6891 6.1.2): no options, nothing asked for but room.
  view.setUint16(end + 1, TYPE_OPT);
  view.setUint16(end + 3, UDP_SIZE_DEFAULT);
  return bytes;
}

/** The octets of the question section of a message that has one question. */
export function questionSection(bytes: Uint8Array, { name }: Question): Uint8Array {
  return bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + name.length + 4);
}

function mixedCase(name: Uint8Array, bits: Uint8Array): Uint8Array {
  const mixed = name.slice();
  for (let label = 0; mixed[label] !== 0; label += mixed[label]! + 1) {
    for (let at = label + 1; at <= label + mixed[label]!; at += 1) {
      const lower = mixed[at]! | LETTER_CASE;
      const isLetter = lower >= 0x61 && lower <= 0x7a;
      if (isLetter) mixed[at] = bits[at]! & 1 ? lower : lower & ~LETTER_CASE;
    }
  }
  return mixed;
}
