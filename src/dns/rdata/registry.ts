import { problem } from '../rdata-field.ts';
import { type Token, tokenize } from '../token.ts';
import { a } from './a.ts';
import { aaaa } from './aaaa.ts';
import { caa } from './caa.ts';
import { cname } from './cname.ts';
import { mx } from './mx.ts';
import { ns } from './ns.ts';
import { ptr } from './ptr.ts';
import type { RdataResult, RdataType } from './rdata-type.ts';
import { soa } from './soa.ts';
import { srv } from './srv.ts';
import { txt } from './txt.ts';

/**
 * The record types that have a text form of their own; the order is the manual's. Every other type
 * can be written and shown in the generic form of RFC 3597: `TYPE65280 \# 3 abcdef`.
 */
export const rdataTypes: readonly RdataType[] = [a, aaaa, ns, soa, cname, txt, mx, srv, caa, ptr];

/** Longest rdata: RDLENGTH has 16 bits (RFC 1035 4.1.3). */
export const RDATA_LENGTH_MAX = 65535;

/** Marks rdata in the generic form (RFC 3597 5). */
const GENERIC = '\\#';

const byKind: ReadonlyMap<string, RdataType> = new Map(rdataTypes.map((type) => [type.kind, type]));
const byType: ReadonlyMap<number, RdataType> = new Map(rdataTypes.map((type) => [type.type, type]));

/** Mnemonics of types without a file here, for showing and for queries. */
const otherNames: ReadonlyMap<number, string> = new Map([
  [13, 'HINFO'],
  [35, 'NAPTR'],
  [39, 'DNAME'],
  [41, 'OPT'],
  [43, 'DS'],
  [44, 'SSHFP'],
  [46, 'RRSIG'],
  [47, 'NSEC'],
  [48, 'DNSKEY'],
  [50, 'NSEC3'],
  [51, 'NSEC3PARAM'],
  [52, 'TLSA'],
  [59, 'CDS'],
  [60, 'CDNSKEY'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [250, 'TSIG'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
]);
const otherNumbers: ReadonlyMap<string, number> = new Map(
  [...otherNames].map(([type, name]) => [name, type]),
);

/** The type of a mnemonic, in any case; undefined when it has no file here. */
export function rdataByKind(kind: string): RdataType | undefined {
  return byKind.get(kind.toUpperCase());
}

/** The type of a number; undefined when it has no file here. */
export function rdataByType(type: number): RdataType | undefined {
  return byType.get(type);
}

/** The mnemonic of a type, or `TYPE123` for an unknown one (RFC 3597 5). */
export function typeName(type: number): string {
  return byType.get(type)?.kind ?? otherNames.get(type) ?? `TYPE${type}`;
}

/** The number of a mnemonic or of `TYPE123`, in any case; undefined when it is neither. */
export function typeNumber(name: string): number | undefined {
  const upper = name.toUpperCase();
  const known = byKind.get(upper)?.type ?? otherNumbers.get(upper);
  if (known !== undefined) return known;
  const digits = /^TYPE([0-9]{1,5})$/.exec(upper)?.[1];
  return digits !== undefined && Number(digits) <= 65535 ? Number(digits) : undefined;
}

/**
 * Rdata of a type from master-file text. `kind` is a mnemonic or `TYPE123`; names in the text are
 * completed by `origin`, or must be absolute without one. The generic form of RFC 3597 is taken for
 * every type, and must then be well formed for the types that are known here.
 */
export function parseRdata(kind: string, text: string, origin?: Uint8Array): RdataResult {
  const number = typeNumber(kind);
  if (number === undefined) {
    return problem(`unknown record type "${kind}"`, `known: ${[...byKind.keys()].join(', ')}`);
  }
  const tokens = tokenize(text);
  if (typeof tokens === 'string') return problem(tokens);
  const type = byType.get(number);
  if (tokens[0]?.text === GENERIC && !tokens[0].quoted) {
    const result = parseGeneric(tokens);
    if (!result.ok || type === undefined || type.format(result.rdata) !== undefined) return result;
    return problem(`these octets are no ${type.kind} data`, `write ${type.syntax}`);
  }
  if (type === undefined) {
    return problem(
      `${typeName(number)} data have no text form here`,
      'write them in hexadecimal: \\# <octets> <hexadecimal digits> (RFC 3597)',
    );
  }
  const result = type.parse(tokens, origin);
  if (result.ok && result.rdata.length > RDATA_LENGTH_MAX) {
    return problem(`${type.kind} data of ${result.rdata.length} octets do not fit into a record`);
  }
  return result;
}

/** Master-file text of rdata, in the generic form when the type is unknown or the bytes are not its. */
export function formatRdata(type: number, rdata: Uint8Array): string {
  return byType.get(type)?.format(rdata) ?? formatGeneric(rdata);
}

function parseGeneric(tokens: readonly Token[]): RdataResult {
  const hex = tokens
    .slice(2)
    .map((token) => token.text)
    .join('');
  const length = tokens[1]?.text ?? '';
  if (!/^[0-9]{1,5}$/.test(length) || !/^([0-9A-Fa-f]{2})*$/.test(hex)) {
    return problem('generic data are not octets and hexadecimal digits', 'write \\# 3 abcdef');
  }
  if (hex.length !== 2 * Number(length) || Number(length) > RDATA_LENGTH_MAX) {
    return problem(`generic data say ${length} octets but have ${hex.length / 2}`);
  }
  const rdata = new Uint8Array(hex.length / 2);
  for (let index = 0; index < rdata.length; index += 1) {
    rdata[index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  }
  return { ok: true, rdata };
}

function formatGeneric(rdata: Uint8Array): string {
  let hex = '';
  for (const octet of rdata) hex += octet.toString(16).padStart(2, '0');
  return rdata.length === 0 ? `${GENERIC} 0` : `${GENERIC} ${rdata.length} ${hex}`;
}
