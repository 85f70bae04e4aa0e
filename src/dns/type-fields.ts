import type { RdataProblem } from './rdata/rdata-type.ts';
import { numberOctets, problem, type RdataField, readNumber } from './rdata-fields.ts';
import type { Token } from './token.ts';
import { parseTtl } from './ttl.ts';
import { typeName, typeNumber } from './type-names.ts';

/** Fields that name record types, and times (RFC 1035 3.3.13, RFC 4034 3, 4). */

/** One type, as a mnemonic or TYPE123. */
export function typeField(label: string): RdataField {
  return {
    label,
    parse([token]) {
      const number = typeNumber(token!.text);
      if (number === undefined) return unknownType(token!);
      return Uint8Array.of(number >> 8, number & 0xff);
    },
    end: (_, at) => at + 2,
    format: (rdata, at) => typeName((rdata[at]! << 8) | rdata[at + 1]!),
  };
}

const unknownType = ({ text }: Token): RdataProblem =>
  problem(`"${text}" is not a record type`, 'write mnemonics, for instance A MX RRSIG');

/** Windows of the bitmap: 256 types each. */
const WINDOW_OCTETS_MAX = 32;

/** The types that a name has, as a bitmap (RFC 4034 4.1.2); may be empty where `isOptional`. */
export function typeBitmapField(label: string): RdataField {
  return {
    label,
    takesRest: true,
    isOptional: true,
    parse(tokens) {
      const numbers: number[] = [];
      for (const token of tokens) {
        const number = typeNumber(token.text);
        if (number === undefined) return unknownType(token);
        numbers.push(number);
      }
      return typeBitmap(numbers);
    },
    end(rdata, at) {
      let position = at;
      let window = -1;
      while (position < rdata.length) {
        const length = rdata[position + 1] ?? 0;
        const isNext = rdata[position]! > window;
        if (!isNext || length < 1 || length > WINDOW_OCTETS_MAX) return -1;
        window = rdata[position]!;
        position += 2 + length;
      }
      return position;
    },
    format: (rdata, at, end) => typesOf(rdata.subarray(at, end)).map(typeName).join(' '),
  };
}

/** The bitmap of these types, in any order. */
export function typeBitmap(types: readonly number[]): Uint8Array {
  const windows = new Map<number, Uint8Array>();
  for (const type of types.toSorted((a, b) => a - b)) {
    const window = type >> 8;
    const bits = windows.get(window) ?? new Uint8Array(WINDOW_OCTETS_MAX);
    bits[(type & 0xff) >> 3]! |= 0x80 >> (type & 7);
    windows.set(window, bits);
  }
  const parts = [...windows].flatMap(([window, bits]) => {
    const length = bits.findLastIndex((octet) => octet !== 0) + 1;
    return [Uint8Array.of(window, length), bits.subarray(0, length)];
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** The types of a well-formed bitmap, ascending. */
export function typesOf(bitmap: Uint8Array): readonly number[] {
  const types: number[] = [];
  for (let at = 0; at < bitmap.length; at += 2 + bitmap[at + 1]!) {
    for (let bit = 0; bit < bitmap[at + 1]! * 8; bit += 1) {
      const isSet = (bitmap[at + 2 + (bit >> 3)]! & (0x80 >> (bit & 7))) !== 0;
      if (isSet) types.push(bitmap[at]! * 256 + bit);
    }
  }
  return types;
}

const SECONDS_MAX = 0xffffffff;

/** A timer of a zone: seconds, which may be written with units as `1h30m`. */
export function secondsField(label: string): RdataField {
  return {
    label,
    parse([token]) {
      const seconds = parseTtl(token!.text, SECONDS_MAX);
      if (seconds !== undefined) return numberOctets(seconds, 4);
      const hint = `write 0 to ${SECONDS_MAX}, or with units: 1h30m`;
      return problem(`${label} "${token!.text}" is not a number of seconds`, hint);
    },
    end: (_, at) => at + 4,
    format: (rdata, at) => String(readNumber(rdata, at, 4)),
  };
}

/** Seconds since 1970 as 32 bits that wrap (RFC 4034 3.1.5): YYYYMMDDHHMMSS, or the number itself. */
export function timeField(label: string): RdataField {
  return {
    label,
    parse([token]) {
      const seconds = secondsOf(token!.text);
      if (seconds === undefined) {
        return problem(`${label} "${token!.text}" is not a time`, 'write YYYYMMDDHHMMSS in UTC');
      }
      const field = new Uint8Array(4);
      new DataView(field.buffer).setUint32(0, seconds);
      return field;
    },
    end: (_, at) => at + 4,
    format(rdata, at) {
      const seconds = new DataView(rdata.buffer, rdata.byteOffset + at, 4).getUint32(0);
      return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$|[^0-9]/g, '');
    },
  };
}

function secondsOf(text: string): number | undefined {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text) <= 0xffffffff ? Number(text) : undefined;
  const parts = /^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})$/.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : (ms / 1000) % 2 ** 32;
}
