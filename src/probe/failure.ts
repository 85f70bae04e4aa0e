import { networkInterfaces } from 'node:os';
import type { ProbeResult } from './probe.ts';

/** A result without what the course of the attempt adds to it. */
export type Finding = Omit<ProbeResult, 'rttMs' | 'timings'>;

/**
 * From what a socket reports to a finding: the few words that operators know, and whether the
 * attempt failed in this host, in which case it tells nothing about the target.
 */
export function failure(error: unknown, address: string): Finding {
  const code = errorCode(error);
  const reason = shorten(REASONS[code] ?? messageOf(error, code));
  return isLocal(code, address) ? { ok: false, reason, local: true } : { ok: false, reason };
}

/** What to throw when something of this host is in the way: a file, a program, a permission. */
export function localFault(reason: string): Error {
  return Object.assign(new Error(reason), { code: LOCAL_FAULT });
}
const LOCAL_FAULT = 'LOCAL_FAULT';

/** What the monitor says about why it gave up: the signal's reason when it is text. */
export function abortReason(signal: AbortSignal): string {
  const reason: unknown = signal.reason;
  return typeof reason === 'string' ? shorten(reason) : 'timeout';
}

/** Longest reason that a probe gives. */
export const REASON_LENGTH_MAX = 120;

/** One line of at most REASON_LENGTH_MAX characters, without control characters. */
export function shorten(text: string): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length <= REASON_LENGTH_MAX ? line : `${line.slice(0, REASON_LENGTH_MAX - 1)}…`;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ECONNABORTED: 'connection aborted',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to host',
  EHOSTDOWN: 'host is down',
  ENETUNREACH: 'network unreachable',
  ENETDOWN: 'network is down',
  EADDRNOTAVAIL: 'source address not available on this host',
  EAFNOSUPPORT: 'address family not supported on this host',
  EMFILE: 'no file descriptors left on this host',
  ENFILE: 'no file descriptors left on this host',
  ENOBUFS: 'no buffers left on this host',
  EACCES: 'not permitted on this host',
  EPERM: 'not permitted on this host',
  EMSGSIZE: 'message too large',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the answer is not TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the answer is not TLS',
  ERR_SSL_HTTP_REQUEST: 'the answer is not TLS',
  ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR: 'the server ended the TLS handshake: internal error',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'the server ended the TLS handshake: nothing in common',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the server speaks another version of TLS',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'the server does not know this name (TLS SNI)',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'the server speaks none of these protocols (ALPN)',
  UND_ERR_SOCKET: 'connection closed before the response ended',
  UND_ERR_HEADERS_OVERFLOW: 'response headers too large',
  UND_ERR_RESPONSE_EXCEEDED_MAX_SIZE: 'response too large',
};

const LOCAL_CODES: ReadonlySet<string> = new Set([
  LOCAL_FAULT,
  // A request that was never sent.
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'EACCES',
  'EPERM',
]);

function isLocal(code: string, address: string): boolean {
  // "Network unreachable" is the target's fault only when this host has that address family at all.
  return LOCAL_CODES.has(code) || (code === 'ENETUNREACH' && !hasFamily(address));
}

function hasFamily(address: string): boolean {
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  for (const addresses of Object.values(networkInterfaces())) {
    for (const each of addresses ?? []) {
      const linkLocal = each.family === 'IPv6' && each.address.toLowerCase().startsWith('fe80:');
      if (each.family === family && !each.internal && !linkLocal) return true;
    }
  }
  return false;
}

/** The code of the innermost error that has one: undici wraps the socket's error as a cause. */
function errorCode(error: unknown): string {
  let code = '';
  for (let each = error, depth = 0; each instanceof Error && depth < CAUSES_MAX; depth += 1) {
    if ('code' in each && typeof each.code === 'string') code = each.code;
    each = each instanceof AggregateError ? each.errors[0] : each.cause;
  }
  return code;
}
const CAUSES_MAX = 4;

function messageOf(error: unknown, code: string): string {
  if (error instanceof Error && error.message !== '') return error.message;
  return code === '' ? 'failed' : code;
}
