/** The HTTP side of DNS over HTTPS (RFC 8484) without HTTP: which request is a query, how long a reply keeps. */
import { FLAG_TC, HEADER_LENGTH, RECORD_FIXED_LENGTH, TYPE_SOA } from '../dns/constants.ts';
import { readWord, skipName } from '../dns/message.ts';

export const DNS_MESSAGE = 'application/dns-message';
/** A query larger than this is not one that an authoritative server needs to read. */
export const DOH_QUERY_BYTES_MAX = 4096;
/** Octets in base 64. */
const GET_LENGTH_MAX = Math.ceil((DOH_QUERY_BYTES_MAX * 4) / 3);
/** A header; what is wrong behind it, DNS itself says. */
const QUERY_BYTES_MIN = HEADER_LENGTH;
/** Type and class behind a question's name. */
const QUESTION_FIXED_LENGTH = 4;

export type DohRequest = {
  readonly method: string;
  /** Path and query string, as they came. */
  readonly target: string;
  readonly contentType: string | undefined;
};

/** What to do with a request: the query of a GET, the body of a POST to be read, or a refusal. */
export type DohStep =
  | { readonly step: 'query'; readonly query: Uint8Array }
  | { readonly step: 'read-body' }
  | { readonly step: 'refuse'; readonly status: number; readonly why: string };

/** @param path where queries are served, for instance `/dns-query` */
export function readDohRequest(request: DohRequest, path: string): DohStep {
  // A proxy may say where it is asked too (RFC 9112 3.2.2).
  const target = request.target.replace(/^https?:\/\/[^/?#]*/i, '');
  const mark = target.indexOf('?');
  const asked = mark < 0 ? target : target.slice(0, mark);
  if (asked !== path) return refuse(404, `DNS queries go to ${path}`);
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return readGet(mark < 0 ? '' : target.slice(mark + 1));
    case 'POST': {
      const [type = ''] = (request.contentType ?? '').split(';');
      return type.trim().toLowerCase() === DNS_MESSAGE
        ? { step: 'read-body' }
        : refuse(415, `the body has to be ${DNS_MESSAGE}`);
    }
    default:
      return refuse(405, 'GET and POST are served');
  }
}

/** Of a body of more than DOH_QUERY_BYTES_MAX octets, which need not be kept to know it. */
export const BODY_TOO_LONG = refuse(413, 'the query is too long');

/** The body of a POST, whole. */
export function readDohBody(body: Uint8Array): DohStep {
  if (body.length > DOH_QUERY_BYTES_MAX) return BODY_TOO_LONG;
  return body.length < QUERY_BYTES_MIN
    ? refuse(400, 'the body is no DNS message')
    : { step: 'query', query: body };
}

/** The parameter `dns` holds the query in base 64 for URLs, without padding (RFC 8484 4.1, 6). */
function readGet(search: string): DohStep {
  const values = search.split('&').filter((part) => part.startsWith('dns='));
  const [value] = values;
  if (value === undefined || values.length > 1) return refuse(400, 'the parameter dns is missing');
  const text = value.slice('dns='.length);
  if (text.length > GET_LENGTH_MAX) return refuse(414, 'the query is too long');
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return refuse(400, 'the parameter dns is not base64url');
  return readDohBody(new Uint8Array(Buffer.from(text, 'base64url')));
}

function refuse(status: number, why: string): DohStep {
  return { step: 'refuse', status, why };
}

/**
 * Seconds for which an HTTP cache may keep a reply of ours: the smallest TTL of the answer and of the SOA that says
 * no, also at the end of aliases (RFC 8484 5.1, RFC 2308 5); 0 for what has neither, an error for instance. Steps
 * over the records without a look at what is in them, for this is done for every reply.
 */
export function freshnessSeconds(reply: Uint8Array): number {
  if (reply.length < HEADER_LENGTH || (readWord(reply, 2) & FLAG_TC) !== 0) return 0;
  let position = HEADER_LENGTH;
  for (let left = readWord(reply, 4); left > 0; left -= 1) {
    const name = skipName(reply, position, reply.length);
    if (name < 0) return 0;
    position = name + QUESTION_FIXED_LENGTH;
  }
  const answers = readWord(reply, 6);
  let seconds = Number.POSITIVE_INFINITY;
  for (let index = 0; index < answers + readWord(reply, 8); index += 1) {
    const fixed = skipName(reply, position, reply.length);
    if (fixed < 0 || fixed + RECORD_FIXED_LENGTH > reply.length) return 0;
    const isRelevant = index < answers || readWord(reply, fixed) === TYPE_SOA;
    const ttlSeconds = readWord(reply, fixed + 4) * 0x10000 + readWord(reply, fixed + 6);
    if (isRelevant) seconds = Math.min(seconds, ttlSeconds);
    position = fixed + RECORD_FIXED_LENGTH + readWord(reply, fixed + 8);
  }
  return Number.isFinite(seconds) ? seconds : 0;
}
