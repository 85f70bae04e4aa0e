import { textOf } from '../../src/http/ascii.ts';
import {
  createChunkedDecoder,
  decodeChunked,
  isChunkedDone,
  isChunkedInvalid,
} from '../../src/http/chunked.ts';
import {
  canBeginRequest,
  createRequestHead,
  findHeadEnd,
  parseRequestHead,
} from '../../src/http/head.ts';

/** What a reader makes of one request. `host` is what it would route on, undefined for absolute targets. */
export type Reading = {
  readonly method: string;
  readonly target: string;
  readonly host: string | undefined;
  /** Undefined where the reader does not say. */
  readonly body: string | undefined;
};

/** How a stream of requests is read here: the requests before the first that is refused or not whole. */
export function ourReadings(text: string): readonly Reading[] {
  const bytes = Buffer.from(text, 'latin1');
  const readings: Reading[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (text.startsWith('\r\n', at)) at += 2;
    if (at >= bytes.length || !canBeginRequest(bytes[at]!)) break;
    const end = findHeadEnd(bytes, at, bytes.length, 0);
    const head = createRequestHead();
    if (end < 0 || parseRequestHead(bytes, at, end, head) !== undefined) break;
    const body = readBody(bytes, end, head);
    if (body === undefined) break;
    readings.push({
      method: head.method,
      target: textOf(bytes, head.targetStart, head.targetEnd),
      host:
        head.target.form === 'absolute' ? undefined : textOf(bytes, head.hostStart, head.hostEnd),
      body: body.text,
    });
    at = body.end;
    if (head.close || (head.minor === 0 && !head.keepAlive)) break;
  }
  return readings;
}

/** Undefined for one that is refused or not whole. */
function readBody(
  bytes: Buffer,
  from: number,
  head: { readonly chunked: boolean; readonly contentLength: number },
): { readonly text: string; readonly end: number } | undefined {
  if (!head.chunked) {
    const end = from + Math.max(0, head.contentLength);
    return end > bytes.length ? undefined : { text: bytes.toString('latin1', from, end), end };
  }
  const decoder = createChunkedDecoder();
  let text = '';
  let at = from;
  while (at < bytes.length && !isChunkedDone(decoder) && !isChunkedInvalid(decoder)) {
    at = decodeChunked(decoder, bytes, at, bytes.length);
    text += bytes.toString('latin1', decoder.dataStart, decoder.dataEnd);
  }
  return isChunkedDone(decoder) ? { text, end: at } : undefined;
}

/** nginx tells of absolute targets without the authority. */
const originForm = (target: string): string =>
  target.replace(/^http:\/\/[^/?]*(?=(\/?))/i, (_authority, slash) => (slash === '' ? '/' : ''));

/** Where both have read a request and do not agree on it; undefined where they agree, or one has refused. */
export function difference(
  ours: readonly Reading[],
  theirs: readonly Reading[],
): readonly [Reading, Reading] | undefined {
  for (const [index, mine] of ours.entries()) {
    const other = theirs[index];
    if (other === undefined) return undefined;
    const sameHost = mine.host === undefined || mine.host === other.host;
    const sameBody = other.body === undefined || mine.body === other.body;
    const same =
      mine.method === other.method && originForm(mine.target) === originForm(other.target);
    if (!same || !sameHost || !sameBody) return [mine, other];
  }
  return undefined;
}
