import { nameLength, parseName } from './name.ts';
import type { RdataProblem, RdataResult } from './rdata/rdata-type.ts';
import type { Token } from './token.ts';

/**
 * The fields that several types share: whole numbers and names, each with its message. A field is
 * its octets or a problem; joinFields() makes rdata of them and stops at the first problem.
 */
export type Field = Uint8Array | RdataProblem;

/** A whole number of `octets` octets in network order. */
export function numberField(token: Token, label: string, octets: 1 | 2 | 4): Field {
  const max = 2 ** (8 * octets) - 1;
  const value = Number(token.text);
  if (!/^[0-9]{1,10}$/.test(token.text) || value > max) {
    return problem(`${label} "${token.text}" is not a whole number`, `write 0 to ${max}`);
  }
  const field = new Uint8Array(octets);
  for (let index = 0; index < octets; index += 1) {
    field[index] = Math.floor(value / 2 ** (8 * (octets - 1 - index))) & 0xff;
  }
  return field;
}

/** A name, completed by the origin when it does not end with a dot. */
export function nameField(token: Token, label: string, origin: Uint8Array | undefined): Field {
  const name = token.quoted ? undefined : parseName(token.text, origin);
  if (name !== undefined) return name;
  if (origin === undefined && parseName(`${token.text}.`) !== undefined) {
    return problem(
      `${label} "${token.text}" is not absolute`,
      `end it with a dot: "${token.text}."`,
    );
  }
  return problem(
    `${label} "${token.text}" is not a valid name`,
    'labels have 1 to 63 octets, a name at most 255; escape special characters as \\. or \\DDD',
  );
}

/** The fields as one rdata, or the first problem. */
export function joinFields(...fields: readonly Field[]): RdataResult {
  let length = 0;
  for (const field of fields) {
    if (!(field instanceof Uint8Array)) return field;
    length += field.length;
  }
  const rdata = new Uint8Array(length);
  let position = 0;
  for (const field of fields) {
    if (!(field instanceof Uint8Array)) return field;
    rdata.set(field, position);
    position += field.length;
  }
  return { ok: true, rdata };
}

/** Whether `rdata` from `offset` to its end is exactly one uncompressed name. */
export function endsWithName(rdata: Uint8Array, offset: number): boolean {
  return offset < rdata.length && nameLength(rdata, offset, rdata.length) === rdata.length - offset;
}

/** A problem as the types return it; the hint says what to write instead. */
export function problem(message: string, hint?: string): RdataProblem {
  return hint === undefined ? { ok: false, message } : { ok: false, message, hint };
}

/** The problem of a wrong number of fields: names the fields that the type has. */
export function fieldCountProblem(kind: string, syntax: string, count: number): RdataProblem {
  return problem(`${kind} data have ${count} field${count === 1 ? '' : 's'}`, `write ${syntax}`);
}
