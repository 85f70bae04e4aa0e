/**
 * Tokens of master-file text (RFC 1035 5.1): words and quoted strings, split at blanks; parentheses
 * group lines into one entry and else count as blanks; `;` starts a comment. Escapes are kept in the
 * token's text, since a name and a character-string read them differently.
 */

/** Longest character-string in octets (RFC 1035 3.3). */
export const CHARACTER_STRING_LENGTH_MAX = 255;

/** `text` is as written, escapes included, quotes removed; it starts at index `at`. */
export type Token = { readonly text: string; readonly quoted: boolean; readonly at: number };

/** One entry of a master file: a line, or several that parentheses group. */
export type Entry = {
  readonly tokens: readonly Token[];
  /** It begins with a blank: its owner is that of the record before. */
  readonly startsBlank: boolean;
  /** Index after its line break, or the length of the text. */
  readonly next: number;
};
/** What is wrong with the text, and at which index. */
export type TokenProblem = { readonly message: string; readonly at: number };

/** The entry that begins at index `from`; without tokens when there are only blanks and comments. */
export function readEntry(text: string, from: number): Entry | TokenProblem {
  const tokens: Token[] = [];
  const startsBlank = text[from] === ' ' || text[from] === '\t';
  const open: number[] = [];
  let index = from;
  while (index < text.length) {
    const character = text[index]!;
    if (character === ';') {
      const lineEnd = text.indexOf('\n', index);
      index = lineEnd < 0 ? text.length : lineEnd;
    } else if (character === '\n' && open.length === 0) {
      return { tokens, startsBlank, next: index + 1 };
    } else if (isBlank(character)) {
      index += 1;
    } else if (character === '(' || character === ')') {
      if (character === '(') open.push(index);
      else if (open.pop() === undefined) return { message: 'a ")" without a "("', at: index };
      index += 1;
    } else {
      const quoted = character === '"';
      const end = quoted ? quotedEnd(text, index) : wordEnd(text, index);
      if (end < 0) return { message: 'a quoted string is not closed on its line', at: index };
      const token = quoted ? text.slice(index + 1, end - 1) : text.slice(index, end);
      tokens.push({ text: token, quoted, at: index });
      index = end;
    }
  }
  const [unclosed] = open;
  if (unclosed !== undefined) return { message: 'a "(" without a ")"', at: unclosed };
  return { tokens, startsBlank, next: index };
}

/** Splits one record's fields, on whatever lines they are; a string says what is wrong with the text. */
export function tokenize(text: string): readonly Token[] | string {
  const tokens: Token[] = [];
  for (let index = 0; index < text.length; ) {
    const entry = readEntry(text, index);
    if ('message' in entry) return entry.message;
    tokens.push(...entry.tokens);
    index = entry.next;
  }
  return tokens;
}

/**
 * The octets of a character-string's text: UTF-8 of plain characters, `\DDD` and `\X` resolved;
 * undefined when an escape is broken.
 */
export function unescapeText(text: string): Uint8Array | undefined {
  if (!text.includes('\\')) return ENCODER.encode(text);
  const parts: Uint8Array[] = [];
  let plain = 0;
  for (let at = text.indexOf('\\'); at >= 0; at = text.indexOf('\\', plain)) {
    parts.push(ENCODER.encode(text.slice(plain, at)));
    const digits = /^[0-9]{3}/.exec(text.slice(at + 1, at + 4));
    const next = text.charCodeAt(at + 1);
    const isCharacter = next >= 0x20 && next < 0x7f && !(next >= 0x30 && next <= 0x39);
    if (digits === null ? !isCharacter : Number(digits[0]) > 255) return undefined;
    parts.push(Uint8Array.of(digits === null ? next : Number(digits[0])));
    plain = at + (digits === null ? 2 : 4);
  }
  return new Uint8Array(Buffer.concat([...parts, ENCODER.encode(text.slice(plain))]));
}

const ENCODER = new TextEncoder();

/** A character-string as quoted text that unescapeText() reads back; non-ASCII octets as `\DDD`. */
export function quote(octets: Uint8Array): string {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1');
  if (/^[ !#-[\]-~]*$/.test(text)) return `"${text}"`;
  return `"${text.replaceAll(/[^ !#-[\]-~]/g, escapeCharacter)}"`;
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\${String(character.charCodeAt(0)).padStart(3, '0')}`;
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r';
}

/** Index after the closing quote of the string that starts at `start`; -1 when its line has none. */
function quotedEnd(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    const character = text[index];
    if (character === '\n') return -1; // Of a missing quote the rest of the file knows nothing.
    if (character === '\\') index += 1;
    else if (character === '"') return index + 1;
  }
  return -1;
}

function wordEnd(text: string, start: number): number {
  let index = start;
  while (index < text.length && !isBlank(text[index]!) && !'();"'.includes(text[index]!)) {
    index += text[index] === '\\' ? 2 : 1;
  }
  return Math.min(index, text.length);
}
