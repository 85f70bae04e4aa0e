/**
 * The fields of W3C Trace Context (level 1, sections 3.2 and 3.3): whether what came may travel on. A
 * recipient must not repair them: a trace that is not one is none.
 */

/** What may follow in versions to come. */
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x20-\x7e]*)?$/;
const TRACESTATE_MEMBERS_MAX = 32;
/** Section 3.3.1.5 asks for 512 octets at least; beyond this nobody needs more. */
export const TRACESTATE_LENGTH_MAX = 4096;
const MEMBER =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** The trace id of a well-formed `traceparent`, 32 hexadecimal digits; undefined when it is malformed. */
export function traceIdOf(traceparent: string): string | undefined {
  const [, version, id, rest] = TRACEPARENT.exec(traceparent) ?? [];
  // Version 00 is exactly this long.
  return version === '00' && rest !== undefined ? undefined : id;
}

/** @param tracestate all of its fields, joined as a list */
export function isTracestate(tracestate: string): boolean {
  if (tracestate.length > TRACESTATE_LENGTH_MAX) return false;
  const keys = new Set<string>();
  for (const part of tracestate.split(',')) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, '');
    if (member === '') continue;
    const key = member.slice(0, member.indexOf('='));
    if (!MEMBER.test(member) || keys.has(key)) return false;
    keys.add(key);
  }
  return keys.size > 0 && keys.size <= TRACESTATE_MEMBERS_MAX;
}

/** An X-Request-ID that logs can show as it is. */
export const isRequestId = (text: string): boolean => /^[\w.:/+=@-]{1,128}$/.test(text);
