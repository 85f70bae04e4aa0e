import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { z } from 'zod';
import { localFault } from './failure.ts';

/**
 * What every kind that speaks TLS asks of a certificate. The handshake itself never refuses one:
 * only then can the probe say what is wrong with it, and when it expires, in words.
 */

const hostName = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$/, 'a host name');

export const tlsShape = {
  sni: hostName
    .optional()
    .describe(
      'Name that the server is told and that its certificate must be for. Default: that of `host` where there is one; else none is told and the certificate must be for the address.',
    ),
  verify: z
    .boolean()
    .default(true)
    .describe('Whether the certificate must be valid: signed by a known authority, of that name.'),
  daysLeftMin: z
    .int()
    .min(0)
    .max(3650)
    .default(0)
    .describe('A certificate that expires in fewer days is a failure.'),
  daysLeftWarn: z
    .int()
    .min(0)
    .max(3650)
    .default(14)
    .describe('One that expires in fewer days is a warning beside the result.'),
  ca: z
    .string()
    .max(4096)
    .regex(/^\//, 'an absolute path')
    .optional()
    .describe(
      'PEM file of authorities to trust instead of the usual ones; read anew when changed.',
    ),
};
export const tlsSettings = z.strictObject(tlsShape);
export type TlsSettings = z.infer<typeof tlsSettings>;

export type CertificateFinding = {
  /** What is wrong with it; undefined = nothing. */
  readonly problem?: string;
  readonly warning?: string;
  readonly expiresAtMs?: number;
};

/** Judges the certificate of a connection whose handshake is done. */
export function judgeCertificate(
  socket: TLSSocket,
  { daysLeftMin, daysLeftWarn, verify }: TlsSettings,
  identity: string,
  nowMs: number,
): CertificateFinding {
  const expiresAtMs = expiryOf(socket);
  if (expiresAtMs === undefined) {
    return verify ? { problem: 'the server showed no certificate' } : {};
  }
  const daysLeft = Math.floor((expiresAtMs - nowMs) / DAY_MS);
  const expiry =
    daysLeft < 0
      ? `certificate expired on ${new Date(expiresAtMs).toISOString().slice(0, 10)}`
      : `certificate expires in ${daysLeft} days`;
  if (verify && !socket.authorized) {
    const code = String(socket.authorizationError);
    const isItself = code === EXPIRED && daysLeft < 0;
    return { expiresAtMs, problem: isItself ? expiry : problemOf(code, identity) };
  }
  if (daysLeftMin > 0 && daysLeft < daysLeftMin) {
    return { expiresAtMs, problem: `${expiry}, wanted ${daysLeftMin}` };
  }
  return daysLeft < daysLeftWarn ? { expiresAtMs, warning: expiry } : { expiresAtMs };
}

const EXPIRED = 'CERT_HAS_EXPIRED';

/** Whom the certificate must be for, and what the server is told (RFC 6066 3: never an address). */
export function identityOf(
  { sni }: Pick<TlsSettings, 'sni'>,
  host: string | undefined,
  address: string,
): { readonly identity: string; readonly servername?: string } {
  const bare = host?.replace(/:[0-9]+$/, '').replace(/^\[(.*)\]$/, '$1');
  const identity = sni ?? (bare || address);
  return isIP(identity) === 0 ? { identity, servername: identity } : { identity };
}

/** Authorities are kept parsed, for so many files. */
const CONTEXTS_MAX = 64;
/** More than any bundle of authorities has. */
const CA_BYTES_MAX = 4 * 1024 * 1024;
const DAY_MS = 86_400_000;

type Kept = { readonly mark: string; readonly context: SecureContext };
const contexts = new Map<string, Kept>();
let usual: SecureContext | undefined;

/** What to trust; made once for all probes, since parsing authorities costs more than a handshake. */
export async function trustOf(ca: string | undefined): Promise<SecureContext> {
  if (ca === undefined) {
    usual ??= createSecureContext();
    return usual;
  }
  try {
    const { mtimeMs, size } = await stat(ca);
    if (size > CA_BYTES_MAX) throw new Error('it is too large');
    const mark = `${mtimeMs} ${size}`;
    const kept = contexts.get(ca);
    if (kept?.mark === mark) return kept.context;
    const context = createSecureContext({ ca: await readFile(ca) });
    contexts.delete(ca);
    contexts.set(ca, { mark, context });
    const [oldest] = contexts.keys();
    if (contexts.size > CONTEXTS_MAX && oldest !== undefined) contexts.delete(oldest);
    return context;
  } catch (error) {
    throw localFault(`cannot use the CA file ${ca}: ${(error as Error).message}`);
  }
}

function expiryOf(socket: TLSSocket): number | undefined {
  const validTo = socket.getPeerX509Certificate()?.validToDate.getTime();
  return validTo !== undefined && Number.isFinite(validTo) ? validTo : undefined;
}

/** OpenSSL's verdict in words. */
function problemOf(code: string, identity: string): string {
  switch (code) {
    case EXPIRED:
      return 'a certificate of its chain has expired';
    case 'CERT_NOT_YET_VALID':
      return 'certificate is not valid yet';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `certificate is not for ${identity}`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return 'certificate is self-signed';
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return 'certificate is not signed by a known authority';
    default:
      return `certificate is not valid: ${code}`;
  }
}
