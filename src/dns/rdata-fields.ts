import { formatAddress, parseAddress } from '../ip/address.ts';
import { formatName, nameLength, parseName } from './name.ts';
import type { RdataProblem } from './rdata/rdata-type.ts';
import { CHARACTER_STRING_LENGTH_MAX, quote, type Token, unescapeText } from './token.ts';

/**
 * The fields that rdata are made of. A type is a list of them (define-type.ts), so that the text form,
 * its messages, the wire form and the places of names cannot differ from each other.
 */
export type RdataField = {
  /** As messages and the manual call it. */
  readonly label: string;
  /** Takes all tokens that are left, not one; then it is the last field. */
  readonly takesRest?: boolean;
  /** There may be no token for it. */
  readonly isOptional?: boolean;
  /** A name stands here; a writer may compress it (RFC 3597 4). */
  readonly name?: { readonly compress: boolean };
  /** Octets of the field, or what is wrong with the text. */
  parse(tokens: readonly Token[], origin: Uint8Array | undefined): Uint8Array | RdataProblem;
  /** The octet after the field that begins at `at`; -1 when it is not well formed. */
  end(rdata: Uint8Array, at: number): number;
  /** Its text. */
  format(rdata: Uint8Array, at: number, end: number): string;
};

/** A problem as the types return it; the hint says what to write instead. */
export function problem(message: string, hint?: string): RdataProblem {
  return hint === undefined ? { ok: false, message } : { ok: false, message, hint };
}

/** A whole number of 1, 2 or 4 octets in network order. */
export function numberField(
  label: string,
  octets: 1 | 2 | 4,
  names: Readonly<Record<string, number>> = {},
): RdataField {
  const max = 2 ** (8 * octets) - 1;
  return {
    label,
    parse([token]) {
      const text = token!.text;
      const value = names[text.toUpperCase()] ?? (/^[0-9]{1,10}$/.test(text) ? Number(text) : -1);
      if (value < 0 || value > max) {
        return problem(`${label} "${text}" is not a whole number`, `write 0 to ${max}`);
      }
      return numberOctets(value, octets);
    },
    end: (_, at) => at + octets,
    format: (rdata, at) => String(readNumber(rdata, at, octets)),
  };
}

export function numberOctets(value: number, octets: number): Uint8Array {
  const field = new Uint8Array(octets);
  for (let index = 0; index < octets; index += 1) {
    field[index] = Math.floor(value / 2 ** (8 * (octets - 1 - index))) & 0xff;
  }
  return field;
}

export function readNumber(rdata: Uint8Array, at: number, octets: number): number {
  let value = 0;
  for (let index = 0; index < octets; index += 1) value = value * 256 + rdata[at + index]!;
  return value;
}

export function addressField(family: 4 | 6): RdataField {
  const length = family === 4 ? 4 : 16;
  const label = `IPv${family} address`;
  const hint = family === 4 ? 'write four numbers: 192.0.2.1' : 'for instance 2001:db8::1';
  return {
    label,
    parse([token]) {
      const { text } = token!;
      const parsed = parseAddress(text);
      if (parsed?.family === family) return parsed.bytes;
      return parsed === undefined
        ? problem(`"${text}" is not an ${label}`, hint)
        : problem(
            `"${text}" is an IPv${parsed.family} address`,
            `use the type ${parsed.family === 4 ? 'A' : 'AAAA'} for it`,
          );
    },
    end: (_, at) => at + length,
    format: (rdata, at, end) => formatAddress({ family, bytes: rdata.subarray(at, end) }),
  };
}

/** A name, completed by the origin when it does not end with a dot. */
export function nameField(label: string, compress: boolean): RdataField {
  return {
    label,
    name: { compress },
    parse([token], origin) {
      const { quoted, text } = token!;
      const name = quoted ? undefined : parseName(text, origin);
      if (name !== undefined) return name;
      if (!quoted && origin === undefined && parseName(`${text}.`) !== undefined) {
        return problem(`${label} "${text}" is not absolute`, `end it with a dot: "${text}."`);
      }
      return problem(
        `${label} "${text}" is not a valid name`,
        'labels have 1 to 63 octets, a name at most 255; escape special characters as \\. or \\DDD',
      );
    },
    end(rdata, at) {
      const length = nameLength(rdata, at, rdata.length);
      return length < 0 ? -1 : at + length;
    },
    format: (rdata, at) => formatName(rdata, at),
  };
}

/** One character-string: a length octet and at most 255 octets (RFC 1035 3.3). */
export function stringField(label: string): RdataField {
  return {
    label: `"${label}"`,
    parse: ([token]) => characterString(token!),
    end: (rdata, at) => at + 1 + (rdata[at] ?? 0),
    format: (rdata, at, end) => quote(rdata.subarray(at + 1, end)),
  };
}

/** One or more character-strings. */
export function stringsField(label: string): RdataField {
  return {
    label: `"${label}" ["more ${label}" ...]`,
    takesRest: true,
    parse(tokens) {
      const strings: Uint8Array[] = [];
      for (const token of tokens) {
        const string = characterString(token);
        if (!(string instanceof Uint8Array)) return string;
        strings.push(string);
      }
      return Buffer.concat(strings);
    },
    end(rdata, at) {
      let position = at;
      while (position < rdata.length) position += 1 + rdata[position]!;
      return position === at ? -1 : position;
    },
    format(rdata, at, end) {
      const strings: string[] = [];
      for (let from = at; from < end; from += 1 + rdata[from]!) {
        strings.push(quote(rdata.subarray(from + 1, from + 1 + rdata[from]!)));
      }
      return strings.join(' ');
    },
  };
}

function characterString(token: Token): Uint8Array | RdataProblem {
  const octets = unescapeText(token.text);
  if (octets === undefined) return brokenEscape(token);
  if (octets.length > CHARACTER_STRING_LENGTH_MAX) {
    return problem(
      `a string of ${octets.length} octets is longer than ${CHARACTER_STRING_LENGTH_MAX}`,
      'split it into several quoted strings: "first part" "second part"',
    );
  }
  return Uint8Array.of(octets.length, ...octets);
}

const brokenEscape = ({ text }: Token): RdataProblem =>
  problem(`"${text}" has a broken escape`, 'write \\" or \\\\ or \\DDD (000 to 255)');

/** Text to the end of the rdata, without a length. */
export function textField(label: string): RdataField {
  return {
    label: `"${label}"`,
    parse: ([token]) => unescapeText(token!.text) ?? brokenEscape(token!),
    end: (rdata) => rdata.length,
    format: (rdata, at, end) => quote(rdata.subarray(at, end)),
  };
}

/** A word with a length octet, of characters that need no escape. */
export function wordField(label: string, pattern: RegExp, hint: string): RdataField {
  return {
    label,
    parse([token]) {
      const { text } = token!;
      if (!pattern.test(text)) return problem(`${label} "${text}" is not valid`, hint);
      return Uint8Array.of(text.length, ...Buffer.from(text, 'latin1'));
    },
    end(rdata, at) {
      const end = at + 1 + (rdata[at] ?? 0);
      return end <= rdata.length && pattern.test(latin1(rdata, at + 1, end)) ? end : -1;
    },
    format: (rdata, at, end) => latin1(rdata, at + 1, end),
  };
}

const latin1 = (rdata: Uint8Array, at: number, end: number): string =>
  Buffer.from(rdata.subarray(at, end)).toString('latin1');

/** Octets to the end of the rdata in hexadecimal, which blanks may divide. */
export function hexField(label: string, octetsMin = 1): RdataField {
  return {
    label,
    takesRest: true,
    parse(tokens) {
      const text = tokens.map((token) => token.text).join('');
      if (!/^([0-9A-Fa-f]{2})*$/.test(text)) {
        return problem(`${label} is not hexadecimal`, 'write two digits for each octet');
      }
      if (text.length < 2 * octetsMin) return problem(`${label} has ${text.length / 2} octets`);
      return Buffer.from(text, 'hex');
    },
    end: (rdata, at) => (rdata.length - at < octetsMin ? -1 : rdata.length),
    format: (rdata, at, end) => Buffer.from(rdata.subarray(at, end)).toString('hex').toUpperCase(),
  };
}

/** Octets to the end of the rdata in base 64, which blanks may divide. */
export function base64Field(label: string): RdataField {
  return {
    label,
    takesRest: true,
    parse(tokens) {
      const text = tokens.map((token) => token.text).join('');
      if (!/^[0-9A-Za-z+/]+={0,2}$/.test(text) || text.length % 4 !== 0) {
        return problem(
          `${label} is not base 64`,
          'letters, digits, + and /, ended with = if need be',
        );
      }
      return Buffer.from(text, 'base64');
    },
    end: (rdata, at) => (rdata.length > at ? rdata.length : -1),
    format: (rdata, at, end) => Buffer.from(rdata.subarray(at, end)).toString('base64'),
  };
}

/** Octets with a length octet, in base 32 with extended hexadecimal digits and no padding (RFC 5155 3.3). */
export function base32Field(label: string): RdataField {
  return {
    label,
    parse([token]) {
      const octets = fromBase32(token!.text);
      if (octets === undefined || octets.length === 0 || octets.length > 255) {
        return problem(`${label} "${token!.text}" is not base 32`, 'digits 0-9 and letters A-V');
      }
      return Uint8Array.of(octets.length, ...octets);
    },
    // Of none there is no text.
    end: (rdata, at) => ((rdata[at] ?? 0) === 0 ? -1 : at + 1 + rdata[at]!),
    format: (rdata, at, end) => toBase32(rdata.subarray(at + 1, end)),
  };
}

const BASE32 = '0123456789ABCDEFGHIJKLMNOPQRSTUV';

export function toBase32(octets: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const octet of octets) {
    held = (held << 8) | octet;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(held >> bits) & 31]!;
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + BASE32[(held << (5 - bits)) & 31]! : text;
}

export function fromBase32(text: string): Uint8Array | undefined {
  const octets: number[] = [];
  let bits = 0;
  let held = 0;
  for (const character of text.toUpperCase()) {
    const digit = BASE32.indexOf(character);
    if (digit < 0) return undefined;
    held = (held << 5) | digit;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    octets.push(held >> bits);
    held &= (1 << bits) - 1;
  }
  return held === 0 && bits < 5 ? Uint8Array.from(octets) : undefined;
}

/** A salt: a length octet and octets in hexadecimal, `-` when there are none (RFC 5155 3.3). */
export function saltField(label: string): RdataField {
  return {
    label,
    parse([token]) {
      const text = token!.text === '-' ? '' : token!.text;
      if (!/^([0-9A-Fa-f]{2}){0,255}$/.test(text)) {
        return problem(
          `${label} "${token!.text}" is not hexadecimal`,
          'write - when there is none',
        );
      }
      return Uint8Array.of(text.length / 2, ...Buffer.from(text, 'hex'));
    },
    end: (rdata, at) => at + 1 + (rdata[at] ?? 0),
    format: (rdata, at, end) =>
      Buffer.from(rdata.subarray(at + 1, end))
        .toString('hex')
        .toUpperCase() || '-',
  };
}
