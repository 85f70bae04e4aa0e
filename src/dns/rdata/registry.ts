import { problem } from '../rdata-fields.ts';
import { type Token, tokenize } from '../token.ts';
import { typeName, typeNumber } from '../type-names.ts';
import { a } from './a.ts';
import { aaaa } from './aaaa.ts';
import { caa } from './caa.ts';
import { cname } from './cname.ts';
import { csync } from './csync.ts';
import { dname } from './dname.ts';
import { cdnskey, dnskey } from './dnskey.ts';
import { cds, ds } from './ds.ts';
import { hinfo } from './hinfo.ts';
import { loc } from './loc.ts';
import { mx } from './mx.ts';
import { naptr } from './naptr.ts';
import { ns } from './ns.ts';
import { nsec } from './nsec.ts';
import { nsec3, nsec3param } from './nsec3.ts';
import { openpgpkey } from './openpgpkey.ts';
import { ptr } from './ptr.ts';
import type { RdataResult, RdataType } from './rdata-type.ts';
import { rp } from './rp.ts';
import { rrsig } from './rrsig.ts';
import { soa } from './soa.ts';
import { srv } from './srv.ts';
import { sshfp } from './sshfp.ts';
import { https, svcb } from './svcb.ts';
import { smimea, tlsa } from './tlsa.ts';
import { txt } from './txt.ts';
import { uri } from './uri.ts';
import { zonemd } from './zonemd.ts';

/**
 * The record types that have a text form of their own; the order is the manual's. Every other type
 * can be written and shown in the generic form of RFC 3597: `TYPE65280 \# 3 abcdef`.
 */
export const rdataTypes: readonly RdataType[] = [
  ...[a, aaaa, cname, dname, txt, mx, srv, https, svcb, caa, ns, soa, ptr, naptr, uri],
  ...[tlsa, smimea, sshfp, openpgpkey, loc, hinfo, rp],
  ...[ds, dnskey, cds, cdnskey, csync, zonemd, rrsig, nsec, nsec3, nsec3param],
];

/** Longest rdata: RDLENGTH has 16 bits (RFC 1035 4.1.3). */
export const RDATA_LENGTH_MAX = 65535;

/** Marks rdata in the generic form (RFC 3597 5). */
const GENERIC = '\\#';

const byKind: ReadonlyMap<string, RdataType> = new Map(rdataTypes.map((type) => [type.kind, type]));
const byType: ReadonlyMap<number, RdataType> = new Map(rdataTypes.map((type) => [type.type, type]));

/** The type of a mnemonic, in any case; undefined when it has no file here. */
export function rdataByKind(kind: string): RdataType | undefined {
  return byKind.get(kind.toUpperCase());
}

/** The type of a number; undefined when it has no file here. */
export function rdataByType(type: number): RdataType | undefined {
  return byType.get(type);
}

/**
 * Rdata of a type from master-file text. `kind` is a mnemonic or `TYPE123`; names in the text are
 * completed by `origin`, or must be absolute without one. The generic form of RFC 3597 is taken for
 * every type, and must then be well formed for the types that are known here.
 */
export function parseRdata(kind: string, text: string, origin?: Uint8Array): RdataResult {
  const type = typeNumber(kind);
  if (type === undefined) {
    return problem(`unknown record type "${kind}"`, `known: ${[...byKind.keys()].join(', ')}`);
  }
  const tokens = tokenize(text);
  return typeof tokens === 'string' ? problem(tokens) : readRdata(type, tokens, origin);
}

/** The same of tokens. */
export function readRdata(
  number: number,
  tokens: readonly Token[],
  origin?: Uint8Array,
): RdataResult {
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
