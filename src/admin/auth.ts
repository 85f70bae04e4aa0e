import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { HttpProblem } from './problem.ts';

/**
 * Who may do what with the admin API.
 *
 * - On loopback without tokens everybody on the machine may. What must be kept out then is a web page
 *   in the operator's browser: a page cannot set a foreign Host (so a name that a rebinding
 *   attacker points at 127.0.0.1 is refused: only address literals and localhost pass), cannot hide
 *   its Origin on a write, and cannot send `application/json` without a preflight that is never granted.
 * - With tokens, or off loopback, every request carries `authorization: Bearer <token>`. Tokens
 *   are compared as SHA-256 digests in constant time, and every token is always looked at.
 *
 * Open to all: liveness, readiness, the API's description, and the static page (which holds no data).
 */
export type Guard = {
  /** True when requests need a token. */
  readonly tokenRequired: boolean;
  /** Throws an HttpProblem (401, 403, 415) unless the request may go on; returns who asks. */
  admit(request: FastifyRequest): string;
};

/** Builds the guard of an API that listens on `address` with the configured `tokens` (plain or `sha256:<hex>`). */
export function createGuard(address: string, tokens: readonly string[]): Guard {
  const digests = tokens.map(tokenDigest);
  const tokenRequired = digests.length > 0 || !isLoopback(address);

  function admit(request: FastifyRequest): string {
    if (!tokenRequired) refuseForeignHost(request);
    if (isWrite(request)) {
      refuseForeignOrigin(request);
      refuseOtherThanJson(request);
    }
    const person = personOf(request);
    if (!tokenRequired || isOpen(request)) return `${person}${request.ip}`;
    const digest = bearerDigest(request.headers.authorization);
    if (digest === undefined || !matchesOne(digest, digests))
      throw unauthorized(digest !== undefined);
    return `${person}token ${digest.toString('hex').slice(0, 8)} at ${request.ip}`;
  }
  return { tokenRequired, admit };
}

/** True for 127.0.0.0/8, ::1, IPv4-mapped loopback and the name localhost. */
export function isLoopback(address: string): boolean {
  if (address === 'localhost') return true;
  const family = isIP(address);
  if (family === 0) return false;
  return LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

const OPEN_ROUTES: ReadonlySet<string | undefined> = new Set([
  '/healthz',
  '/livez',
  '/readyz',
  '/openapi.json',
  '/',
  '/*',
  undefined, // No route: the answer is 404 and tells nothing.
]);

/** Decided by the matched route, not by the URL's text: `/%61pi/…` matches `/api/…` too. */
function isOpen(request: FastifyRequest): boolean {
  const route = request.routeOptions.url;
  if (route === '/readyz') return !request.url.includes('verbose');
  return OPEN_ROUTES.has(route);
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const isWrite = (request: FastifyRequest): boolean => !SAFE_METHODS.has(request.method);

function refuseForeignHost(request: FastifyRequest): void {
  const name = hostName(request.headers.host ?? '');
  if (isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return;
  throw new HttpProblem({
    status: 403,
    code: 'host-not-allowed',
    detail: `The request is for the host "${name}", but without tokens this API answers only to addresses and localhost.`,
    hint: 'Use http://127.0.0.1:PORT, or configure admin.tokens to reach it by another name.',
  });
}

/** The host of a Host header, without port and brackets, lower case. */
function hostName(host: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host.toLowerCase());
  return match?.[1] ?? match?.[2] ?? '';
}

function refuseForeignOrigin(request: FastifyRequest): void {
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const sameOrigin =
    origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  const sameSite = site === undefined || site === 'same-origin' || site === 'none';
  if (sameOrigin && sameSite) return;
  throw new HttpProblem({
    status: 403,
    code: 'origin-not-allowed',
    detail: `A page of ${origin ?? 'another site'} may not change anything here.`,
    hint: 'Use the page that this node serves, or call the API from a program that sends no Origin header.',
  });
}

/** A DELETE needs none: a browser never sends it across origins without asking first. */
function refuseOtherThanJson(request: FastifyRequest): void {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json' || (request.method === 'DELETE' && type === '')) return;
  throw new HttpProblem({
    status: 415,
    code: 'not-json',
    detail: `A ${request.method} request needs the content type application/json${type === '' ? '' : `, not ${type}`}.`,
    hint: 'Send the header "content-type: application/json"; the body may be empty where nothing is needed.',
  });
}

/** `sha256:<hex>` is the digest of the token itself, so that the configuration need not hold it. */
function tokenDigest(token: string): Buffer {
  const hashed = /^sha256:([0-9a-f]{64})$/i.exec(token);
  return hashed?.[1] === undefined ? sha256(token) : Buffer.from(hashed[1], 'hex');
}

function bearerDigest(authorization: string | undefined): Buffer | undefined {
  const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return token === undefined ? undefined : sha256(token);
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

function matchesOne(digest: Buffer, digests: readonly Buffer[]): boolean {
  let matches = false;
  for (const candidate of digests) matches = timingSafeEqual(digest, candidate) || matches;
  return matches;
}

function unauthorized(tokenSent: boolean): HttpProblem {
  return new HttpProblem(
    {
      status: 401,
      code: tokenSent ? 'wrong-token' : 'token-required',
      detail: tokenSent
        ? 'The token is not one that this node accepts.'
        : 'This API needs a token.',
      hint: 'Send "authorization: Bearer TOKEN" with one of admin.tokens; the CLI takes --token or MERIDIAN_TOKEN.',
    },
    { 'www-authenticate': 'Bearer realm="meridian"' },
  );
}

/** A name that the caller gives itself, for the audit trail only; it grants nothing. */
export const PERSON_HEADER = 'x-meridian-user';

function personOf(request: FastifyRequest): string {
  const person = request.headers[PERSON_HEADER];
  return typeof person === 'string' && /^[\w.@+-]{1,64}$/.test(person) ? `${person}, ` : '';
}
