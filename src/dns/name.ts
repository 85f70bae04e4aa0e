/**
 * Domain names. In memory a name is its uncompressed wire form (RFC 1035 3.1): length octet and
 * bytes per label, closed by the zero octet of the root. That form can be compared, hashed, sliced
 * (every suffix of the bytes at a label border is the parent's name) and copied into a message
 * without conversion; text exists only at the edges, for people. Case is preserved by parsing and
 * ignored by comparing; compiled tables hold `lowerName()` so that the query path compares bytes.
 */

/** Longest name in octets, with the root's zero (RFC 1035 3.1). */
export const NAME_LENGTH_MAX = 255;
/** Longest label in octets (RFC 1035 3.1). */
export const LABEL_LENGTH_MAX = 63;
/** Most labels of a name without the root: 127 of one octet each. */
export const LABELS_MAX = 127;

/** The root as wire bytes. Shared: never write into it. */
export const ROOT_NAME: Uint8Array = Uint8Array.of(0);

const DOT = 0x2e;
const BACKSLASH = 0x5c;
/** Characters that mean something to a master file and so must be escaped in a name. */
const SPECIAL = '".();@$\\';
/** Special characters that never stand bare in a name: they end a token (RFC 1035 5.1). */
const TOKEN_ENDING = '"();';

/**
 * Reads a name in master-file text (RFC 1035 5.1): `\.` and `\DDD` escapes, `@` for the origin,
 * absolute with a final dot, otherwise completed by `origin`. Case is kept.
 * @returns wire bytes; undefined when a label is empty or too long, the name is too long, an
 * escape is broken, a character is not printable ASCII, or a relative name has no origin.
 */
export function parseName(text: string, origin?: Uint8Array): Uint8Array | undefined {
  if (text === '@') return origin?.slice();
  if (text === '.') return Uint8Array.of(0);
  const wire = new Uint8Array(NAME_LENGTH_MAX);
  let labelStart = 0;
  let position = 1;
  let index = 0;
  while (index < text.length) {
    if (text.charCodeAt(index) === DOT) {
      if (!closeLabel(wire, labelStart, position)) return undefined;
      labelStart = position;
      position += 1;
      index += 1;
      continue;
    }
    const octet = readOctet(text, index);
    if (octet < 0 || position >= NAME_LENGTH_MAX) return undefined;
    wire[position] = octet & 0xff;
    position += 1;
    index += octet >> 8;
  }
  if (text.length === 0) return undefined;
  if (position === labelStart + 1) {
    return labelStart < NAME_LENGTH_MAX ? wire.slice(0, position) : undefined;
  }
  if (origin === undefined || !closeLabel(wire, labelStart, position)) return undefined;
  if (position + origin.length > NAME_LENGTH_MAX) return undefined;
  wire.set(origin, position);
  return wire.slice(0, position + origin.length);
}

/**
 * Name as master-file text, escaped so that parseName() reads the same bytes, with the final dot;
 * `.` for the root.
 * @throws RangeError when no uncompressed name stands at `offset` (check with nameLength()).
 */
export function formatName(wire: Uint8Array, offset = 0): string {
  const length = nameLength(wire, offset, wire.length);
  if (length < 0) throw new RangeError(`no uncompressed name at offset ${offset}`);
  if (length === 1) return '.';
  let text = '';
  let position = offset;
  for (;;) {
    const labelEnd = position + 1 + wire[position]!;
    if (labelEnd === position + 1) return text;
    for (position += 1; position < labelEnd; position += 1) text += formatOctet(wire[position]!);
    text += '.';
  }
}

/** A copy with A-Z lowered: the form that compiled tables hold (RFC 4343 3). */
export function lowerName(wire: Uint8Array): Uint8Array {
  // Length octets are below 64 and so are never mistaken for letters.
  const lower = new Uint8Array(wire.length);
  for (let index = 0; index < wire.length; index += 1) lower[index] = lowerOctet(wire[index]!);
  return lower;
}

/** One octet with A-Z lowered; others as they are (RFC 4343 3: ASCII only). */
export function lowerOctet(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
}

/**
 * Length in octets, root included, of the uncompressed name at `offset`; -1 when there is none:
 * it runs past `end`, a label is a pointer or of an unknown kind, or it is longer than 255.
 */
export function nameLength(bytes: Uint8Array, offset: number, end: number): number {
  if (end > bytes.length) end = bytes.length;
  let position = offset;
  while (position < end) {
    const label = bytes[position]!;
    if (label > LABEL_LENGTH_MAX) return -1;
    position += 1 + label;
    const length = position - offset;
    if (length > NAME_LENGTH_MAX || position > end) return -1;
    if (label === 0) return length;
  }
  return -1;
}

/** Labels of a name, the root not counted: 0 for `.`, 2 for `example.com.`. */
export function labelCount(wire: Uint8Array): number {
  let labels = 0;
  for (let position = 0; wire[position]! > 0; position += 1 + wire[position]!) labels += 1;
  return labels;
}

/** The name without its first label, as a view of the same bytes; undefined for the root. */
export function parentName(wire: Uint8Array): Uint8Array | undefined {
  const label = wire[0]!;
  return label === 0 ? undefined : wire.subarray(1 + label);
}

/** Whether `name` is `ancestor` or lies below it, ignoring case. */
export function isSubdomain(name: Uint8Array, ancestor: Uint8Array): boolean {
  const start = name.length - ancestor.length;
  let position = 0;
  while (position < start) position += 1 + name[position]!;
  return position === start && equalIgnoringCase(name, start, ancestor);
}

/** Whether two names are the same, ignoring case (RFC 4343). */
export function equalNames(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && equalIgnoringCase(a, 0, b);
}

/**
 * Canonical order (RFC 4034 6.1): label by label from the root, as lower-cased octet strings, a
 * missing octet or label first. Negative, zero or positive as in Array.sort().
 */
export function compareNames(a: Uint8Array, b: Uint8Array): number {
  const offsetsA = labelOffsets(a);
  const offsetsB = labelOffsets(b);
  const shared = Math.min(offsetsA.length, offsetsB.length);
  for (let label = 1; label <= shared; label += 1) {
    const order = compareLabels(
      a,
      offsetsA[offsetsA.length - label]!,
      b,
      offsetsB[offsetsB.length - label]!,
    );
    if (order !== 0) return order;
  }
  return offsetsA.length - offsetsB.length;
}

function compareLabels(a: Uint8Array, offsetA: number, b: Uint8Array, offsetB: number): number {
  const lengthA = a[offsetA]!;
  const lengthB = b[offsetB]!;
  const shared = Math.min(lengthA, lengthB);
  for (let index = 1; index <= shared; index += 1) {
    const order = lowerOctet(a[offsetA + index]!) - lowerOctet(b[offsetB + index]!);
    if (order !== 0) return order;
  }
  return lengthA - lengthB;
}

function labelOffsets(wire: Uint8Array): number[] {
  const offsets: number[] = [];
  for (let position = 0; wire[position]! > 0; position += 1 + wire[position]!) {
    offsets.push(position);
  }
  return offsets;
}

function equalIgnoringCase(name: Uint8Array, start: number, other: Uint8Array): boolean {
  for (let index = 0; index < other.length; index += 1) {
    if (lowerOctet(name[start + index]!) !== lowerOctet(other[index]!)) return false;
  }
  return true;
}

/** Writes the length octet of the label whose bytes end at `end`; false when it is empty or too long. */
function closeLabel(wire: Uint8Array, labelStart: number, end: number): boolean {
  const length = end - labelStart - 1;
  if (length < 1 || length > LABEL_LENGTH_MAX || end >= NAME_LENGTH_MAX) return false;
  wire[labelStart] = length;
  return true;
}

/** The octet at `index` in bits 0-7 and the characters it took above them; -1 when invalid. */
function readOctet(text: string, index: number): number {
  const code = text.charCodeAt(index);
  if (code !== BACKSLASH) {
    const bare = code > 0x20 && code < 0x7f && !TOKEN_ENDING.includes(text[index]!);
    return bare ? (1 << 8) | code : -1;
  }
  return readEscape(text, index);
}

/**
 * Reads the escape that starts at `index`: `\DDD` (decimal octet) or `\X` (RFC 1035 5.1).
 * @returns the octet in bits 0-7 and the number of characters above them; -1 when invalid.
 */
export function readEscape(text: string, index: number): number {
  const next = text.charCodeAt(index + 1);
  if (next >= 0x30 && next <= 0x39) {
    const digits = text.slice(index + 1, index + 4);
    if (!/^[0-9]{3}$/.test(digits) || Number(digits) > 255) return -1;
    return (4 << 8) | Number(digits);
  }
  return next >= 0x20 && next < 0x7f ? (2 << 8) | next : -1;
}

function formatOctet(octet: number): string {
  if (octet <= 0x20 || octet >= 0x7f) return `\\${String(octet).padStart(3, '0')}`;
  const character = String.fromCharCode(octet);
  return SPECIAL.includes(character) ? `\\${character}` : character;
}
