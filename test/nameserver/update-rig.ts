/** UPDATE messages in the words of nsupdate, and a zone to try them on. */
import assert from 'node:assert/strict';
import type { Config, UpdaterConfig } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { parseName } from '../../src/dns/name.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';
import { signTsig, type TsigKey } from '../../src/dns/tsig.ts';
import { typeNumber } from '../../src/dns/type-names.ts';
import type { AddedRecord } from '../../src/nameserver/added-records.ts';
import { zoneUpdate } from '../../src/nameserver/update-view.ts';
import { centroids } from '../config/centroids.ts';
import { word } from '../dns/query-builder.ts';

export const ZONE = 'gslb.example';
export const NOW_SECONDS = 1_780_000_000;
export const KEY: TsigKey = {
  name: parseName('writer.gslb.example.')!,
  algorithm: 'hmac-sha256',
  secret: new Uint8Array(32).fill(1),
};
export const ALL: readonly UpdaterConfig[] = [
  { key: 'writer.gslb.example.', names: ['**'], types: ['*'] },
];

export const config: Config = configOf(`
regions:
  us: { location: { latitude: 39, longitude: -77 }, vips: ['192.0.2.1', '2001:db8::1'] }
pools:
  web: { endpoints: [us] }
  pages: { endpoints: [{ region: us, cname: pages.example.net. }] }
zones:
  sub.gslb.example: { nameservers: ns.other.example. }
  gslb.example:
    nameservers: [ns1, ns2]
    soa: { serial: 7 }
    update: { allow: [{ key: writer.gslb.example, names: ['**'], types: ['*'] }] }
    steered:
      www: { pool: web }
      docs: { pool: pages }
    records:
      ns1: { A: 192.0.2.53 }
      ns2: { A: 192.0.2.54 }
      mail: { A: [192.0.2.25, 192.0.2.26], TXT: written }
      alias: { CNAME: mail }
      deep.below: { A: 192.0.2.9 }
dns:
  keys: { writer.gslb.example: { secret: ${Buffer.from(KEY.secret).toString('base64')} } }
`);

export function configOf(text: string): Config {
  const result = validateConfig(text, 'update.yaml', {}, centroids);
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}

const CLASSES = { IN: 1, NONE: 254, ANY: 255 } as const;
type Class = keyof typeof CLASSES;

/** One record of a message as octets. */
export function octets(
  owner: string,
  recordClass: Class | number,
  type: string | number,
  ttl = 0,
  data: string | Uint8Array = new Uint8Array(),
): number[] {
  const code = typeof type === 'number' ? type : type === 'ANY' ? 255 : typeNumber(type)!;
  const number = typeof recordClass === 'number' ? recordClass : CLASSES[recordClass];
  const rdata = typeof data === 'string' ? rdataOf(String(type), data) : data;
  const ttlOctets = [...word(Math.floor(ttl / 65_536)), ...word(ttl % 65_536)];
  const head = [...parseName(owner)!, ...word(code), ...word(number), ...ttlOctets];
  return [...head, ...word(rdata.length), ...rdata];
}

function rdataOf(type: string, data: string): Uint8Array {
  const read = parseRdata(type, data);
  assert.ok(read.ok, `${type} ${data}`);
  return read.rdata;
}

/** A line of nsupdate as octets: `yxrrset NAME TYPE`, `add NAME TTL TYPE DATA`, `delete NAME TYPE DATA`. */
function line(text: string): number[] {
  const [verb, owner, ...rest] = text.split(' ') as [string, string, ...string[]];
  const [type = 'ANY'] = rest;
  const data = rest.slice(1).join(' ');
  switch (verb) {
    case 'nxdomain':
      return octets(owner, 'NONE', 'ANY');
    case 'yxdomain':
      return octets(owner, 'ANY', 'ANY');
    case 'nxrrset':
      return octets(owner, 'NONE', type);
    case 'yxrrset':
      return data === '' ? octets(owner, 'ANY', type) : octets(owner, 'IN', type, 0, data);
    case 'delete':
      return data === '' ? octets(owner, 'ANY', type) : octets(owner, 'NONE', type, 0, data);
    case 'add':
      return octets(owner, 'IN', rest[1]!, Number(type), rest.slice(2).join(' '));
    default:
      throw new Error(`no such line: ${text}`);
  }
}

export type Line = string | readonly number[];
const PREREQUISITES = /^[ny]x/;

/** Lines that are octets are changes, or prerequisites with `before`. */
export function updateMessage(
  lines: readonly Line[],
  { zone = `${ZONE}.`, before = [] as readonly Line[], id = 1, question = [6, 1] } = {},
): Uint8Array {
  const isFirst = (each: Line): boolean => typeof each === 'string' && PREREQUISITES.test(each);
  const bytesOf = (each: Line): readonly number[] => (typeof each === 'string' ? line(each) : each);
  const first = [...before, ...lines.filter(isFirst)].map(bytesOf);
  const second = lines.filter((each) => !isFirst(each)).map(bytesOf);
  return Uint8Array.from([
    ...word(id),
    ...word(0x2800),
    ...[1, first.length, second.length, 0].flatMap(word),
    ...parseName(zone)!,
    ...question.flatMap(word),
    ...first.flat(),
    ...second.flat(),
  ]);
}

export function signedUpdate(lines: readonly Line[], key = KEY, seconds = NOW_SECONDS): Uint8Array {
  return new Uint8Array(signTsig(updateMessage(lines), key, seconds).message);
}

/** The records after the update, as text, or the RCODE and the reason of its refusal. */
export function apply(
  lines: readonly Line[],
  added: readonly AddedRecord[] = [],
  { rights = ALL, before = [] as readonly Line[] } = {},
) {
  const decoded = decodeMessage(updateMessage(lines, { before }));
  assert.ok(decoded.ok, JSON.stringify(lines));
  const done = zoneUpdate(config, ZONE, decoded.message, rights)(added);
  if ('refusal' in done) return { rcode: done.refusal.rcode, why: done.refusal.why };
  return { rcode: 0, records: done.records, texts: done.records.map(textOf).toSorted() };
}

export const textOf = ({ data, owner, ttl, type }: AddedRecord): string =>
  `${owner} ${ttl} ${type} ${data}`;

export const record = (owner: string, ttl: number, type: string, data: string): AddedRecord => ({
  owner,
  type,
  ttl,
  data,
});
