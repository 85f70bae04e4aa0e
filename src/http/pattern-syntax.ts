/**
 * The text of a pattern: what regular expressions have in common, without what cannot be matched in
 * linear time (back references, look-around) and without what means nothing where all of a text is
 * matched (anchors: a `^` at the begin and a `$` at the end are taken, as people write them).
 */
export type PatternNode =
  | { readonly kind: 'octet'; readonly set: Uint8Array }
  | { readonly kind: 'sequence'; readonly of: Nodes }
  | { readonly kind: 'either'; readonly of: Nodes }
  /** `index` -1: not captured. */
  | { readonly kind: 'group'; readonly index: number; readonly of: PatternNode }
  | {
      readonly kind: 'repeat';
      readonly of: PatternNode;
      readonly least: number;
      readonly most: number;
      readonly lazy: boolean;
    };
export type Nodes = readonly PatternNode[];

export const PATTERN_LENGTH_MAX = 1024;
const DEPTH_MAX = 32;

type Reader = {
  readonly text: string;
  at: number;
  depth: number;
  groups: number;
  readonly anyCase: boolean;
};
/** Thrown inside this file only; callers get its words. */
type Wrong = { readonly wrong: string };

/** @returns the tree, or in words what is wrong */
export function parsePattern(written: string): PatternNode | string {
  if (written.length > PATTERN_LENGTH_MAX) {
    return `is longer than ${PATTERN_LENGTH_MAX} characters`;
  }
  if (!/^[\x20-\x7e]*$/.test(written)) return 'is not printable ASCII; write octets as \\xHH';
  const anyCase = written.startsWith('(?i)');
  const text = written.slice(anyCase ? 4 : 0).replace(/^\^/, '');
  const anchored = /(^|[^\\])(\\\\)*\$$/.test(text);
  const reader: Reader = {
    ...{ text: anchored ? text.slice(0, -1) : text, at: 0, depth: 0, groups: 0 },
    anyCase,
  };
  try {
    const node = readEither(reader);
    if (reader.at < reader.text.length) return 'has a ")" without "("';
    return node;
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'wrong' in error) {
      return String(error.wrong);
    }
    throw error;
  }
}

function fail(wrong: string): never {
  const problem: Wrong = { wrong };
  throw problem;
}

function readEither(reader: Reader): PatternNode {
  if (++reader.depth > DEPTH_MAX) fail(`is nested deeper than ${DEPTH_MAX}`);
  const branches: PatternNode[] = [readSequence(reader)];
  while (reader.text[reader.at] === '|') {
    reader.at++;
    branches.push(readSequence(reader));
  }
  reader.depth--;
  return branches.length === 1 ? branches[0]! : { kind: 'either', of: branches };
}

function readSequence(reader: Reader): PatternNode {
  const of: PatternNode[] = [];
  while (reader.at < reader.text.length && !'|)'.includes(reader.text[reader.at]!)) {
    of.push(readRepeat(reader, readAtom(reader)));
  }
  return { kind: 'sequence', of };
}

function readRepeat(reader: Reader, of: PatternNode): PatternNode {
  const match = /^(?:[*+?]|\{(\d{1,4})(,(\d{1,4})?)?\})/.exec(reader.text.slice(reader.at));
  if (match === null) return of;
  reader.at += match[0].length;
  const lazy = reader.text[reader.at] === '?';
  if (lazy) reader.at++;
  if (/^[*+?{]/.test(reader.text.slice(reader.at))) fail('repeats a repetition');
  const range = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] }[match[0]];
  const least = range?.[0] ?? Number(match[1]);
  const most = range?.[1] ?? (match[2] === undefined ? least : Number(match[3] ?? Infinity));
  if (most < least) fail('has a repetition whose limits are the wrong way round');
  return { kind: 'repeat', of, least, most, lazy };
}

function readAtom(reader: Reader): PatternNode {
  const letter = reader.text[reader.at++]!;
  if (letter === '(') return readGroup(reader);
  if (letter === '[') return { kind: 'octet', set: readClass(reader) };
  if (letter === '.') return { kind: 'octet', set: new Uint8Array(256).fill(1) };
  if (letter === '\\') return { kind: 'octet', set: cased(reader, readEscape(reader)) };
  if ('*+?{'.includes(letter)) fail(`has "${letter}" with nothing before it to repeat`);
  if ('^$'.includes(letter)) fail(`has "${letter}" in its middle; a match is of the whole text`);
  return { kind: 'octet', set: cased(reader, setOf(letter)) };
}

function readGroup(reader: Reader): PatternNode {
  let index = -1;
  if (reader.text.startsWith('?:', reader.at)) reader.at += 2;
  else if (reader.text[reader.at] === '?') {
    fail('uses look-around or another group "(?", which cannot be matched in bounded time');
  } else index = ++reader.groups;
  const of = readEither(reader);
  if (reader.text[reader.at++] !== ')') fail('has a "(" without ")"');
  return { kind: 'group', index, of };
}

function readClass(reader: Reader): Uint8Array {
  const set = new Uint8Array(256);
  const negated = reader.text[reader.at] === '^';
  if (negated) reader.at++;
  let first = true;
  for (;;) {
    const letter = reader.text[reader.at++] ?? fail('has a "[" without "]"');
    if (letter === ']' && !first) break;
    first = false;
    const low = letter === '\\' ? readEscape(reader) : setOf(letter);
    const isRange = reader.text[reader.at] === '-' && (reader.text[reader.at + 1] ?? ']') !== ']';
    if (!isRange) {
      addAll(set, low);
      continue;
    }
    reader.at++;
    const next = reader.text[reader.at++]!;
    const high = next === '\\' ? readEscape(reader) : setOf(next);
    const [from, to] = [onlyOf(low), onlyOf(high)];
    if (from < 0 || to < from) fail('has a range in "[]" that is none');
    set.fill(1, from, to + 1);
  }
  const all = cased(reader, set);
  return negated ? all.map((bit) => 1 - bit) : all;
}

function readEscape(reader: Reader): Uint8Array {
  const letter = reader.text[reader.at++] ?? fail('ends in "\\"');
  const known = CLASSES[letter.toLowerCase()];
  if (known !== undefined) {
    return letter === letter.toLowerCase() ? known : known.map((bit) => 1 - bit);
  }
  if (letter === 'x') {
    const hex = reader.text.slice(reader.at, reader.at + 2);
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) fail('has "\\x" without two hex digits');
    reader.at += 2;
    return setOf(String.fromCharCode(Number.parseInt(hex, 16)));
  }
  if (/[0-9]/.test(letter)) fail('refers back to a group, which cannot be matched in bounded time');
  if (/[A-Za-z]/.test(letter)) fail(`has "\\${letter}", which is not known`);
  return setOf(letter);
}

function cased(reader: Reader, set: Uint8Array): Uint8Array {
  if (!reader.anyCase) return set;
  const both = set.slice();
  for (let octet = 0x41; octet <= 0x5a; octet++) {
    if (set[octet] === 1 || set[octet + 0x20] === 1) both[octet] = both[octet + 0x20] = 1;
  }
  return both;
}

const setOf = (letters: string): Uint8Array => {
  const set = new Uint8Array(256);
  for (const letter of letters) set[letter.charCodeAt(0)] = 1;
  return set;
};

function addAll(set: Uint8Array, more: Uint8Array): void {
  for (const [octet, bit] of more.entries()) if (bit === 1) set[octet] = 1;
}

/** The one octet of a set; -1 when there are more. */
const onlyOf = (set: Uint8Array): number =>
  set.indexOf(1) === set.lastIndexOf(1) ? set.indexOf(1) : -1;

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const CLASSES: Readonly<Record<string, Uint8Array>> = {
  d: setOf('0123456789'),
  w: setOf(`${UPPER}${UPPER.toLowerCase()}0123456789_`),
  s: setOf(' \t\r\n\v\f'),
};
