import { textOf } from '../http/ascii.ts';
import {
  createChunkedDecoder,
  decodeChunked,
  isChunkedDone,
  isChunkedInvalid,
} from '../http/chunked.ts';
import { copyOctets } from '../http/copy-octets.ts';
import type { RequestHead } from '../http/head.ts';

/**
 * A look at the body of a request before its route is chosen. Only a body that is short, whole, not
 * compressed and of a known type says anything; all others have no fields, not even absent ones.
 */
export type BodyFields =
  | { readonly kind: 'json'; readonly root: unknown }
  /** One octet a UTF-16 unit. */
  | { readonly kind: 'form'; readonly text: string };
export type BodyKind = BodyFields['kind'];

/** With the framing of the chunked coding. A longer body is not looked at. */
export const BODY_LOOK_BYTES_MAX = 8 * 1024;

/** The type of a body that can be looked at, by Content-Type; undefined = it cannot. */
export function bodyKind(head: RequestHead): BodyKind | undefined {
  if (!head.chunked && head.contentLength <= 0) return undefined;
  if (head.contentLength > BODY_LOOK_BYTES_MAX) return undefined;
  if (fieldValues(head, 'content-encoding').length > 0) return undefined;
  const [type = '', ...more] = fieldValues(head, 'content-type');
  if (more.length > 0) return undefined;
  const essence = type.split(';')[0]!.trim().toLowerCase();
  if (essence === 'application/x-www-form-urlencoded') return 'form';
  // RFC 6839 section 3.1: what ends in +json is JSON.
  return /^application\/([^\s/]+\+)?json$/.test(essence) ? 'json' : undefined;
}

/**
 * @param bytes what has come, the body from `from` on
 * @returns the body's fields, undefined when it has none to show, or how many octets must come at least
 *   before it is worth another look
 */
export function lookAtBody(
  head: RequestHead,
  kind: BodyKind,
  bytes: Uint8Array,
  from: number,
  to: number,
): BodyFields | number | undefined {
  const body = head.chunked
    ? wholeChunks(bytes, from, to)
    : wholeLength(bytes, from, to, head.contentLength);
  if (body === undefined || typeof body === 'number') return body;
  if (kind === 'form') return { kind, text: textOf(body, 0, body.length) };
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    return { kind, root: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function wholeLength(
  bytes: Uint8Array,
  from: number,
  to: number,
  length: number,
): Uint8Array | number {
  return to - from < length ? length - (to - from) : bytes.subarray(from, from + length);
}

function wholeChunks(bytes: Uint8Array, from: number, to: number): Uint8Array | number | undefined {
  const decoder = createChunkedDecoder();
  const end = Math.min(to, from + BODY_LOOK_BYTES_MAX);
  const body = new Uint8Array(end - from);
  let length = 0;
  for (let at = from; at < end; ) {
    at = decodeChunked(decoder, bytes, at, end);
    copyOctets(body, length, bytes, decoder.dataStart, decoder.dataEnd);
    length += decoder.dataEnd - decoder.dataStart;
    if (isChunkedInvalid(decoder)) return undefined;
    if (isChunkedDone(decoder)) return body.subarray(0, length);
  }
  return to - from >= BODY_LOOK_BYTES_MAX ? undefined : decoder.remaining + 1;
}

/**
 * The scalar at a path of member names (and, in lists, of places from 0) as text; none when there is
 * nothing, an object or a list.
 */
export function jsonValues(root: unknown, path: readonly string[]): readonly string[] {
  let node = root;
  for (const name of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, name)) return [];
    if (Array.isArray(node) && !/^\d+$/.test(name)) return [];
    node = (node as Record<string, unknown>)[name];
  }
  return typeof node === 'object' && node !== null ? [] : [String(node)];
}

function fieldValues({ bytes, fields }: RequestHead, lowerName: string): readonly string[] {
  const values: string[] = [];
  for (let index = 0; index < fields.count; index++) {
    const [nameStart, nameEnd, start, end] = fields.spans.subarray(4 * index, 4 * index + 4);
    if (nameEnd! - nameStart! !== lowerName.length) continue;
    if (textOf(bytes, nameStart!, nameEnd!).toLowerCase() !== lowerName) continue;
    values.push(textOf(bytes, start!, end!));
  }
  return values;
}
