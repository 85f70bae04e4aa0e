import { FIELD } from './fields.ts';

/**
 * What proxies tell each other about a client: the members of X-Forwarded-For, and the Forwarded field
 * of RFC 7239. Text comes in one octet a UTF-16 unit. Both are read strictly: who cannot be told for
 * sure is nobody.
 */

/** One hop as a proxy has told it; absent members were not said. */
export type ForwardedElement = {
  readonly for?: string;
  readonly by?: string;
  readonly host?: string;
  readonly proto?: string;
};

/** Reads the whole field value (RFC 7239 section 4). Undefined when it is malformed: then nothing of it is sure. */
export function parseForwarded(text: string): readonly ForwardedElement[] | undefined {
  const elements: ForwardedElement[] = [];
  let element: Record<string, string> = {};
  let at = 0;
  const endElement = (): void => {
    if (Object.keys(element).length > 0) elements.push(element);
    element = {};
  };
  for (;;) {
    at = afterBlanks(text, at);
    const separator = text[at];
    if (separator === undefined || separator === ',' || separator === ';') {
      if (separator !== ';') endElement();
      if (separator === undefined) return elements;
      at++;
      continue;
    }
    PAIR.lastIndex = at;
    const pair = PAIR.exec(text);
    if (pair === null) return undefined;
    const name = pair[1]!.toLowerCase();
    // Section 4: each parameter once in an element.
    if (Object.hasOwn(element, name)) return undefined;
    element[name] = pair[3] ?? pair[2]!.slice(1, -1).replace(QUOTED_PAIR, '$1');
    at = afterBlanks(text, PAIR.lastIndex);
    if (at < text.length && text[at] !== ',' && text[at] !== ';') return undefined;
  }
}

/**
 * The address of a node: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, and, as
 * X-Forwarded-For has it, `2001:db8::1`. Undefined for `unknown`, obfuscated ones and everything else;
 * whether what is returned is an address, its reader decides.
 */
export function nodeAddress(node: string): string | undefined {
  const bracketed = BRACKETED.exec(node)?.[1];
  if (bracketed !== undefined) return bracketed;
  const dotted = DOTTED.exec(node)?.[1];
  if (dotted !== undefined) return dotted;
  return node.includes(':') && BARE.test(node) ? node : undefined;
}

/** An address as `for` and `by` want it; `unknown` when there is none (RFC 7239 section 6). */
export function forwardedNode(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  return address.includes(':') ? `"[${address}]"` : address;
}

/** A value as a token, or else as a quoted string. */
export function forwardedValue(text: string): string {
  return TOKEN.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Fields that claim who the client is, by code. */
export function claimsIdentity(code: number): boolean {
  return (code >= FIELD.xForwardedFor && code <= FIELD.forwarded) || code === FIELD.clientCert;
}

function afterBlanks(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at++;
  return at;
}

const PAIR =
  /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=("(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"|([!#$%&'*+\-.^_`|~0-9A-Za-z]+))/y;
const QUOTED_PAIR = /\\(.)/g;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Ports may be obfuscated too. */
const BRACKETED = /^\[([0-9A-Fa-f:.]{2,45})\](?::(?:\d{1,5}|_[\w.-]+))?$/;
const DOTTED = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(?:\d{1,5}|_[\w.-]+))?$/;
const BARE = /^[0-9A-Fa-f:.]{2,45}$/;
