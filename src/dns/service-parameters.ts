import { formatAddress, parseAddress } from '../ip/address.ts';
import { nameLength } from './name.ts';
import type { RdataProblem } from './rdata/rdata-type.ts';
import { numberOctets, problem, type RdataField } from './rdata-fields.ts';
import { quote, type Token, unescapeText } from './token.ts';

/** The parameters of SVCB and HTTPS (RFC 9460 2.1, 7): keys in ascending order, each once. */
type Value = Uint8Array | RdataProblem;
type Key = {
  readonly key: number;
  readonly name: string;
  /** @param text undefined when there is no `=` */
  parse(text: string | undefined): Value;
  /** '' when it is written without a value; undefined when the octets are not its. */
  format(octets: Uint8Array): string | undefined;
};

const MANDATORY = 0;
const ALPN = 1;
const NO_DEFAULT_ALPN = 2;
const PORT = 3;
const IPV4_HINT = 4;
const ECH = 5;
const IPV6_HINT = 6;
const DOH_PATH = 7;

const KEYS: readonly Key[] = [
  { key: MANDATORY, name: 'mandatory', parse: parseMandatory, format: formatMandatory },
  { key: ALPN, name: 'alpn', parse: parseAlpn, format: formatAlpn },
  {
    key: NO_DEFAULT_ALPN,
    name: 'no-default-alpn',
    parse: (text) =>
      text === undefined ? new Uint8Array() : problem('no-default-alpn has no value'),
    format: (octets) => (octets.length === 0 ? '' : undefined),
  },
  {
    key: PORT,
    name: 'port',
    parse: (text = '') =>
      /^[0-9]{1,5}$/.test(text) && Number(text) < 65_536
        ? numberOctets(Number(text), 2)
        : problem(`port "${text}" is not a port`, 'write port=443'),
    format: (octets) => (octets.length === 2 ? `${octets[0]! * 256 + octets[1]!}` : undefined),
  },
  hintKey(IPV4_HINT, 4),
  {
    key: ECH,
    name: 'ech',
    parse: (text = '') =>
      /^[0-9A-Za-z+/]+={0,2}$/.test(text) && text.length % 4 === 0
        ? Buffer.from(text, 'base64')
        : problem('ech is not base 64'),
    format: (octets) => Buffer.from(octets).toString('base64'),
  },
  hintKey(IPV6_HINT, 6),
  {
    key: DOH_PATH,
    name: 'dohpath',
    parse: (text = '') => unescapeText(text) ?? problem('dohpath has a broken escape'),
    format: quote,
  },
];
const byName: ReadonlyMap<string, Key> = new Map(KEYS.map((each) => [each.name, each]));
const byNumber: ReadonlyMap<number, Key> = new Map(KEYS.map((each) => [each.key, each]));
/** RFC 9460 14.3.1. */
const KEY_INVALID = 65_535;

/** All parameters of a record, as they stand in the rdata. */
export const parametersField: RdataField = {
  label: 'key=value ...',
  takesRest: true,
  isOptional: true,
  parse(tokens) {
    const values = new Map<number, Uint8Array>();
    for (const { name, text } of pairsOf(tokens)) {
      const key = keyNumber(name);
      if (key === undefined) return problem(`"${name}" is not a service parameter`, KNOWN);
      if (values.has(key)) return problem(`the parameter ${name} is there twice`);
      const value = byNumber.get(key)?.parse(text) ?? unescapeText(text ?? '');
      if (value === undefined) return problem(`${name} has a broken escape`);
      if (!(value instanceof Uint8Array)) return value;
      values.set(key, value);
    }
    const sorted = [...values].toSorted(([a], [b]) => a - b);
    const parts = sorted.flatMap(([key, value]) => [
      numberOctets(key, 2),
      numberOctets(value.length, 2),
      value,
    ]);
    return new Uint8Array(Buffer.concat(parts));
  },
  end(rdata, at) {
    let before = -1;
    for (const { end, key, value } of parametersOf(rdata, at)) {
      const isWhole = end <= rdata.length && key > before && key !== KEY_INVALID;
      if (!isWhole || (byNumber.get(key)?.format(value) === undefined && byNumber.has(key)))
        return -1;
      before = key;
    }
    return rdata.length;
  },
  format: (rdata, at) =>
    [...parametersOf(rdata, at)].map(({ key, value }) => formatParameter(key, value)).join(' '),
};
const KNOWN = `known: ${KEYS.map(({ name }) => name).join(', ')}, and key0 to key65534`;

/** What RFC 9460 8 demands of the parameters together. */
export function checkParameters(rdata: Uint8Array): RdataProblem | undefined {
  const start = 2 + nameLength(rdata, 2, rdata.length);
  const values = new Map([...parametersOf(rdata, start)].map(({ key, value }) => [key, value]));
  const isAlias = rdata[0] === 0 && rdata[1] === 0;
  if (isAlias && values.size > 0) {
    return problem('an alias (priority 0) has no parameters', 'give it a priority from 1 on');
  }
  if (values.has(NO_DEFAULT_ALPN) && !values.has(ALPN)) {
    return problem('no-default-alpn needs alpn', 'for instance alpn=h2');
  }
  const mandatory = values.get(MANDATORY) ?? new Uint8Array();
  for (let at = 0; at + 1 < mandatory.length; at += 2) {
    const key = mandatory[at]! * 256 + mandatory[at + 1]!;
    if (!values.has(key)) return problem(`${keyName(key)} is mandatory and not there`);
  }
  return undefined;
}

type Parameter = { readonly key: number; readonly value: Uint8Array; readonly end: number };

/** The last one may reach beyond the rdata. */
function* parametersOf(rdata: Uint8Array, start: number): Generator<Parameter> {
  for (let at = start; at < rdata.length; ) {
    const key = rdata[at]! * 256 + (rdata[at + 1] ?? 0);
    const end = at + 4 + (rdata[at + 2] ?? 0) * 256 + (rdata[at + 3] ?? 0);
    yield { key, value: rdata.subarray(at + 4, end), end };
    at = end;
  }
}

/** `key`, `key=value` and `key="value"`, which the tokenizer takes apart. */
function* pairsOf(tokens: readonly Token[]): Generator<{ name: string; text: string | undefined }> {
  for (let index = 0; index < tokens.length; index += 1) {
    const { text } = tokens[index]!;
    const equals = text.indexOf('=');
    if (equals < 0) {
      yield { name: text, text: undefined };
      continue;
    }
    const name = text.slice(0, equals);
    const value = text.slice(equals + 1);
    const next = tokens[index + 1];
    const isQuoted = value === '' && next?.quoted === true;
    if (isQuoted) index += 1;
    yield { name, text: isQuoted ? next.text : value };
  }
}

function keyNumber(name: string): number | undefined {
  const known = byName.get(name);
  if (known !== undefined) return known.key;
  const digits = /^key(0|[1-9][0-9]{0,4})$/.exec(name)?.[1];
  return digits !== undefined && Number(digits) < KEY_INVALID ? Number(digits) : undefined;
}

const keyName = (key: number): string => byNumber.get(key)?.name ?? `key${key}`;

function formatParameter(key: number, value: Uint8Array): string {
  const text = byNumber.has(key) ? byNumber.get(key)!.format(value)! : quote(value);
  return text === '' || text === '""' ? keyName(key) : `${keyName(key)}=${text}`;
}

function parseMandatory(text = ''): Value {
  const keys = text.split(',').map(keyNumber);
  if (keys.includes(undefined) || keys.includes(MANDATORY) || new Set(keys).size < keys.length) {
    return problem(
      `mandatory "${text}" is not a list of other keys`,
      'for instance mandatory=alpn',
    );
  }
  const sorted = (keys as number[]).toSorted((a, b) => a - b);
  return new Uint8Array(Buffer.concat(sorted.map((key) => numberOctets(key, 2))));
}

function formatMandatory(octets: Uint8Array): string | undefined {
  if (octets.length === 0 || octets.length % 2 !== 0) return undefined;
  const keys: number[] = [];
  for (let at = 0; at < octets.length; at += 2) keys.push(octets[at]! * 256 + octets[at + 1]!);
  const isAscending = keys.every((key, index) => key > (keys[index - 1] ?? MANDATORY));
  return isAscending ? keys.map(keyName).join(',') : undefined;
}

/** A list in a character-string: commas and backslashes of its items are escaped (RFC 9460 A.1). */
function parseAlpn(text = ''): Value {
  const octets = unescapeText(text);
  if (octets === undefined) return problem('alpn has a broken escape');
  const items: number[][] = [[]];
  for (let at = 0; at < octets.length; at += 1) {
    const octet = octets[at]!;
    if (octet === 0x2c) items.push([]);
    else if (octet !== 0x5c) items.at(-1)!.push(octet);
    else {
      at += 1;
      if (at === octets.length) return problem('alpn has a broken escape');
      items.at(-1)!.push(octets[at]!);
    }
  }
  if (items.some(({ length }) => length === 0 || length > 255)) {
    return problem(`alpn "${text}" is not a list of protocols`, 'for instance alpn=h2,h3');
  }
  return Uint8Array.from(items.flatMap((item) => [item.length, ...item]));
}

function formatAlpn(octets: Uint8Array): string | undefined {
  const items: number[] = [];
  for (let at = 0; at < octets.length; at += 1 + octets[at]!) {
    const end = at + 1 + octets[at]!;
    if (octets[at] === 0 || end > octets.length) return undefined;
    if (at > 0) items.push(0x2c);
    for (const octet of octets.subarray(at + 1, end)) {
      if (octet === 0x2c || octet === 0x5c) items.push(0x5c);
      items.push(octet);
    }
  }
  return octets.length === 0 ? undefined : quote(Uint8Array.from(items));
}

function hintKey(key: number, family: 4 | 6): Key {
  const name = `ipv${family}hint`;
  const length = family === 4 ? 4 : 16;
  return {
    key,
    name,
    parse(text = '') {
      const addresses = text.split(',').map((each) => parseAddress(each));
      if (addresses.some((each) => each?.family !== family)) {
        return problem(`${name} "${text}" is not a list of IPv${family} addresses`);
      }
      return new Uint8Array(Buffer.concat(addresses.map((each) => each!.bytes)));
    },
    format(octets) {
      if (octets.length === 0 || octets.length % length !== 0) return undefined;
      const addresses: string[] = [];
      for (let at = 0; at < octets.length; at += length) {
        addresses.push(formatAddress({ family, bytes: octets.subarray(at, at + length) }));
      }
      return addresses.join(',');
    },
  };
}

/** Parameters of a service as values; what is empty or undefined is left out. */
export type ServiceParameters = {
  readonly alpn: readonly string[];
  readonly port: number | undefined;
  /** 4 and 16 octets each. */
  readonly ipv4hint: readonly Uint8Array[];
  readonly ipv6hint: readonly Uint8Array[];
};

/** Rdata of SVCB or HTTPS (RFC 9460 2.2), the keys in ascending order. */
export function serviceRdata(
  priority: number,
  target: Uint8Array,
  { alpn, ipv4hint, ipv6hint, port }: ServiceParameters,
): Uint8Array {
  const protocols = alpn.map((id) => Buffer.from(id, 'latin1'));
  const values: readonly (readonly [number, readonly Uint8Array[]])[] = [
    [ALPN, protocols.flatMap((id) => [Uint8Array.of(id.length), id])],
    [PORT, port === undefined ? [] : [numberOctets(port, 2)]],
    [IPV4_HINT, ipv4hint],
    [IPV6_HINT, ipv6hint],
  ];
  const parts = values.flatMap(([key, octets]) => {
    if (octets.length === 0) return [];
    const value = Buffer.concat(octets);
    return [numberOctets(key, 2), numberOctets(value.length, 2), value];
  });
  return new Uint8Array(Buffer.concat([numberOctets(priority, 2), target, ...parts]));
}
