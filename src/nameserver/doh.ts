/** The HTTP side of DNS over HTTPS (RFC 8484) without HTTP: which request is a query, how long a reply keeps. */
import { TYPE_SOA } from '../dns/constants.ts';
import { decodeMessage } from '../dns/decode.ts';

export const DNS_MESSAGE = 'application/dns-message';
/** A query larger than this is not one that an authoritative server needs to read. */
export const DOH_QUERY_BYTES_MAX = 4096;
/** Octets in base 64. */
const GET_LENGTH_MAX = Math.ceil((DOH_QUERY_BYTES_MAX * 4) / 3);
/** A header; what is wrong behind it, DNS itself says. */
const QUERY_BYTES_MIN = 12;

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
  const mark = request.target.indexOf('?');
  const asked = mark < 0 ? request.target : request.target.slice(0, mark);
  if (asked !== path) return refuse(404, `DNS queries go to ${path}`);
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return readGet(mark < 0 ? '' : request.target.slice(mark + 1));
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
 * Seconds for which an HTTP cache may keep a reply: the smallest TTL of the answer, or of the SOA that
 * says no (RFC 8484 5.1); 0 for what has neither, an error for instance.
 */
export function freshnessSeconds(reply: Uint8Array): number {
  const decoded = decodeMessage(reply);
  if (!decoded.ok) return 0;
  const { answer, authority, truncated } = decoded.message;
  if (truncated) return 0;
  const relevant = answer.length > 0 ? answer : authority.filter(({ type }) => type === TYPE_SOA);
  if (relevant.length === 0) return 0;
  return Math.min(...relevant.map(({ ttlSeconds }) => ttlSeconds));
}
