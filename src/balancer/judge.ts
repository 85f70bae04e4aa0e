import { bytesOf, equalsIgnoringCase } from '../http/ascii.ts';
import { FIELD } from '../http/fields.ts';
import type { RequestHead } from '../http/head.ts';
import { viaNames } from '../http/via.ts';
import { hopsLeft } from './rewrite.ts';
import type { BalancerLimits } from './snapshot.ts';

/** A status to answer with, and why. */
export type Refusal = { readonly status: number; readonly reason: string };

/**
 * What is refused although it is well formed.
 * @param via this node's name in Via
 */
export function judge(
  head: RequestHead,
  limits: Pick<BalancerLimits, 'requestBodyBytesMax'>,
  via: string,
): Refusal | undefined {
  // A tunnel to anywhere and an echo of credentials: neither has a place before an origin.
  if (head.method === 'CONNECT' || head.method === 'TRACE') {
    return { status: 405, reason: `${head.method} is not allowed` };
  }
  if (head.contentLength > limits.requestBodyBytesMax) {
    return { status: 413, reason: 'body too large' };
  }
  for (let index = 0; index < head.fields.count; index++) {
    const code = head.fields.codes[index]!;
    const start = head.fields.spans[4 * index + 2]!;
    const end = head.fields.spans[4 * index + 3]!;
    if (code === FIELD.expect && head.minor === 1) {
      // RFC 9110 section 10.1.1: there is no other expectation.
      if (!equalsIgnoringCase(head.bytes, start, end, CONTINUE)) {
        return { status: 417, reason: 'unknown expectation' };
      }
    } else if (code === FIELD.via && viaNames(head.bytes, start, end, via)) {
      return { status: 508, reason: 'the request has come here before' };
    }
  }
  return undefined;
}

/** RFC 9110 section 7.6.2: the last hop allowed answers itself. */
export const isLastHop = (head: RequestHead): boolean =>
  head.method === 'OPTIONS' && hopsLeft(head) === 0;

/** Of a path that means different things to different servers. */
export const AMBIGUOUS_PATH: Refusal = { status: 400, reason: 'ambiguous path' };

const CONTINUE = bytesOf('100-continue');
