import { quote } from '../../dns/token.ts';
import type { Place } from '../notes.ts';
import { childOf, describeTree, expectMap, type Tree, type TreeMap, textOf } from '../tree.ts';
import { targetName } from './domain-name.ts';
import type { RecordContext } from './record-context.ts';

/** The values of a record of octoDNS as data of a zone file, which is what a configuration of ours has. */

type Convert = (value: Tree, context: RecordContext) => string | undefined;

/** By type; of others octoDNS knows nothing either, or they are in `WITHOUT_COUNTERPART`. */
const CONVERTERS: Readonly<Record<string, Convert>> = {
  A: plainText,
  AAAA: plainText,
  CAA: (value, context) => {
    const hasFlags = value.kind === 'map' && value.entries.has('flags');
    const flags = hasFlags ? needed(value, context, ['flags']) : '0';
    const [tag, text] = fields(value, context, 'tag', 'value');
    return flags && text !== undefined ? `${flags} ${tag} ${quoteText(text)}` : undefined;
  },
  CNAME: targetName,
  DNAME: targetName,
  DS: dsData,
  HTTPS: serviceData,
  LOC: locationData,
  MX: (value, context) => {
    const preference = needed(value, context, ['preference', 'priority']);
    const exchange = targetOf(value, context, ['exchange', 'value']);
    return preference && exchange && `${preference} ${exchange}`;
  },
  NAPTR: (value, context) => {
    const names = ['order', 'preference', 'flags', 'service', 'regexp', 'replacement'];
    const [order, preference, flags, service, regexp, replacement] = fields(
      value,
      context,
      ...names,
    );
    // octoDNS keeps these as a zone file has them between quotes.
    return replacement === undefined
      ? undefined
      : `${order} ${preference} "${flags}" "${service}" "${regexp}" ${replacement}`;
  },
  NS: targetName,
  OPENPGPKEY: plainText,
  PTR: targetName,
  SPF: spfData,
  SRV: (value, context) => {
    const [priority, weight, port] = fields(value, context, 'priority', 'weight', 'port');
    const target = targetOf(value, context, ['target']);
    return port && target && `${priority} ${weight} ${port} ${target}`;
  },
  SSHFP: listed('algorithm', 'fingerprint_type', 'fingerprint'),
  SVCB: serviceData,
  TLSA: listed(
    ...['certificate_usage', 'selector', 'matching_type', 'certificate_association_data'],
  ),
  TXT: (value, context) => {
    const text = plainText(value, context);
    return text === undefined ? undefined : textData(text);
  },
  URI: (value, context) => {
    const [priority, weight, target] = fields(value, context, 'priority', 'weight', 'target');
    return target === undefined ? undefined : `${priority} ${weight} ${quoteText(target)}`;
  },
};

/** Types that mean something to octoDNS and nothing here, and what does instead. */
export const WITHOUT_COUNTERPART: Readonly<Record<string, string>> = {
  ALIAS:
    'a nameserver here looks no other name up: steer the name to a pool, or write the addresses as A and AAAA; where nothing else stands at a name, CNAME',
  URLFWD: 'a redirection is a matter of HTTP: a route of a balancer with the filter "redirect"',
};

export const isKnownType = (type: string): boolean => Object.hasOwn(CONVERTERS, type);

export type Datum = { readonly text: string; readonly at: Place };

/** The data of a record; [] when it has none that can be read. */
export function recordData(context: RecordContext): readonly Datum[] {
  const convert = CONVERTERS[context.type];
  if (convert === undefined) return [];
  return valuesOf(context).flatMap((value): readonly Datum[] => {
    const text = convert(value, context);
    return text === undefined ? [] : [{ text, at: value.at }];
  });
}

/** The same without their places. */
export const recordTexts = (context: RecordContext): readonly string[] =>
  recordData(context).map(({ text }) => text);

/** The values as they are written, under either key. */
function valuesOf({ notes, record, type }: RecordContext): readonly Tree[] {
  const tree = childOf(record, 'values') ?? childOf(record, 'value');
  const values = tree?.kind === 'list' ? tree.items : tree === undefined ? [] : [tree];
  if (values.length === 0) {
    notes.error(record.at, `${type} has no values`, 'value: …, or values: [ … ]');
  }
  return values;
}

function plainText(value: Tree, { notes, type }: RecordContext): string | undefined {
  const text = textOf(value);
  if (text !== undefined && text !== '') return text;
  notes.error(value.at, `a value of ${type} is ${describeTree(value)}, not a text`);
  return undefined;
}

function field(value: Tree, names: readonly string[]): string | undefined {
  if (value.kind !== 'map') return undefined;
  for (const name of names) {
    const text = textOf(childOf(value, name));
    if (text !== undefined) return text;
  }
  return undefined;
}

/** The text of the first of these keys; that there is none is an error. */
function needed(
  value: Tree,
  { notes, type }: RecordContext,
  names: readonly string[],
): string | undefined {
  const text = field(value, names);
  if (text === undefined) notes.error(value.at, `a value of ${type} needs "${names[0]}"`);
  return text;
}

/** The texts of all these keys; [] when one is missing. */
function fields(
  value: Tree,
  context: RecordContext,
  ...names: readonly string[]
): readonly string[] {
  const texts = names.map((name) => {
    const own = value.kind === 'map' ? textOf(value.entries.get(name)?.value) : undefined;
    return own ?? needed(value, context, [name]);
  });
  return texts.every((text) => text !== undefined) ? texts : [];
}

function targetOf(
  value: Tree,
  context: RecordContext,
  names: readonly string[],
): string | undefined {
  if (needed(value, context, names) === undefined) return undefined;
  const map = value as TreeMap;
  const tree = names.map((name) => childOf(map, name)).find((each) => each !== undefined);
  return targetName(tree, context);
}

function listed(...names: readonly string[]): Convert {
  return (value, context) => {
    const texts = fields(value, context, ...names);
    return texts.length === 0 ? undefined : texts.join(' ');
  };
}

/** Of DS there are two forms; in the older one the names are those of another type. */
function dsData(value: Tree, context: RecordContext): string | undefined {
  const isOld = field(value, ['public_key', 'flags']) !== undefined;
  const names = isOld
    ? ['flags', 'protocol', 'algorithm', 'public_key']
    : ['key_tag', 'algorithm', 'digest_type', 'digest'];
  return listed(...names)(value, context);
}

function locationData(value: Tree, context: RecordContext): string | undefined {
  const angles = ['lat', 'long'].flatMap((axis) =>
    ['degrees', 'minutes', 'seconds', 'direction'].map((part) => `${axis}_${part}`),
  );
  const lengths = ['altitude', 'size', 'precision_horz', 'precision_vert'];
  const texts = fields(value, context, ...angles, ...lengths);
  if (texts.length === 0) return undefined;
  return texts.map((text, index) => (index < angles.length ? text : `${text}m`)).join(' ');
}

/** HTTPS and SVCB (RFC 9460). */
function serviceData(value: Tree, context: RecordContext): string | undefined {
  const priority = needed(value, context, ['svcpriority']);
  const target = targetOf(value, context, ['targetname']);
  if (priority === undefined || target === undefined) return undefined;
  const params = value.kind === 'map' ? childOf(value, 'svcparams') : undefined;
  const map = params && expectMap(params, 'svcparams', context.notes, '{ alpn: [h2], port: 443 }');
  const written = [...(map?.entries ?? [])].map(([key, { value: param }]) => {
    if (param.kind === 'nothing') return key;
    const texts = (param.kind === 'list' ? param.items : [param]).map((each) => textOf(each));
    if (!texts.includes(undefined)) return `${key}=${texts.join(',')}`;
    context.notes.error(param.at, `${key} is neither a text nor a list of texts`);
    return key;
  });
  return [priority, target, ...written].join(' ');
}

/** A semicolon has a backslash in octoDNS; strings between quotes are one text. */
function plainOf(text: string): string {
  const joined = /^".*"$/s.test(text) && text.length > 1 ? text.slice(1, -1) : text;
  return joined.replaceAll('" "', '').replaceAll('\\;', ';');
}

/** Text that needs no quotes stays as it is, as it would be written here by hand. */
function textData(written: string): string {
  const text = plainOf(written);
  const isPlain = /^[!#-[\]-~]([ !#-[\]-~]*[!#-[\]-~])?$/.test(text);
  return isPlain ? text : quoted(text);
}

const STRING_LENGTH_MAX = 255;

/** In strings of the length that a record can hold. */
function quoted(text: string): string {
  const octets = new TextEncoder().encode(text);
  const strings: string[] = [];
  for (let start = 0; start === 0 || start < octets.length; start += STRING_LENGTH_MAX) {
    strings.push(quote(octets.subarray(start, start + STRING_LENGTH_MAX)));
  }
  return strings.join(' ');
}

const quoteText = (text: string): string => quote(new TextEncoder().encode(text));

/** A type that is out of use (RFC 7208 3.1), so octets without a meaning (RFC 3597 5). */
function spfData(value: Tree, context: RecordContext): string | undefined {
  const text = plainText(value, context);
  if (text === undefined) return undefined;
  const octets = new TextEncoder().encode(plainOf(text));
  const bytes: number[] = [];
  for (let start = 0; start === 0 || start < octets.length; start += STRING_LENGTH_MAX) {
    const part = octets.subarray(start, start + STRING_LENGTH_MAX);
    bytes.push(part.length, ...part);
  }
  const digits = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `\\# ${bytes.length} ${digits}`;
}
