import { bytesOf, textOf } from '../http/ascii.ts';
import type { ByteSink } from '../http/byte-sink.ts';
import { putAll, putBytes, putLineEnd, putText } from '../http/byte-sink.ts';
import { FIELD } from '../http/fields.ts';
import { forwardedNode, forwardedValue, nodeAddress, parseForwarded } from '../http/forwarded.ts';
import type { RequestHead } from '../http/head.ts';
import { formatAddress, parseAddress } from '../ip/address.ts';
import { containsAddress, type Prefix, parsePrefix } from '../ip/prefix.ts';
import type { ForwardingField, TrustSnapshot } from './snapshot.ts';

/**
 * Who the client is, and what servers are told of it. A peer within the trusted networks is another
 * proxy: what it says is believed and goes on with us added, and the client is the first of its chain,
 * from the right, that is no such proxy. What anybody else says is left behind.
 *
 * Of X-Forwarded-* and Forwarded only that is read which the configuration says that the proxies write:
 * the other one they may have passed on as the client wrote it. It is then made anew of the first.
 */
export type Trust = {
  readonly proxies: readonly Prefix[];
  readonly believesX: boolean;
  readonly believesForwarded: boolean;
  readonly sends: Readonly<Record<ForwardingField, boolean>>;
};

/** What is known of the client of a request: made once for a connection, of a trusted peer for each request. */
export type ClientFacts = {
  readonly trust: Trust;
  readonly isTrusted: boolean;
  /** The client's, canonical where a proxy has told it. */
  readonly address: string;
  readonly proto: 'http' | 'https';
  /** What the client asked for, as a trusted peer says; undefined = the Host that came. */
  readonly host: string | undefined;
  /** Of X-Forwarded-For: those before us, and the peer. */
  readonly chain: string;
  /** That the client came to. */
  readonly port: string;
  /** Elements of Forwarded from those before us, and the beginning of ours; empty where it is not sent. */
  readonly forwarded: string;
};

export function compileTrust(settings: TrustSnapshot | undefined): Trust {
  const { believe = [], proxies = [], send = SENT_BY_DEFAULT } = settings ?? {};
  const sends = Object.fromEntries(FORWARDING_FIELDS.map((field) => [field, send.includes(field)]));
  return {
    // Validation has read them before; what cannot be read would trust nobody.
    proxies: proxies.flatMap((text) => parsePrefix(text) ?? []),
    believesX: believe.includes('x-forwarded'),
    believesForwarded: believe.includes('forwarded'),
    sends: sends as Trust['sends'],
  };
}

/** Of a longer chain only its end is looked at: the client is there, or nowhere. */
export const HOPS_MAX = 64;

/** The peer's address, and the port and the name of ours. */
type Ends = { readonly address: string; readonly port: number; readonly via: string };

/** Of a stranger they hold for all requests of the connection. */
export function clientFacts(trust: Trust, ends: Ends, head: RequestHead): ClientFacts {
  const isTrusted = trusts(trust, ends.address);
  return isTrusted ? factsOfProxy(trust, ends, listen(trust, head)) : factsOfStranger(trust, ends);
}

/** Puts what servers are told, but for Via. */
export function putClaims(sink: ByteSink, facts: ClientFacts, head: RequestHead): void {
  const { address, chain, forwarded, host, port, proto, trust } = facts;
  const hasHost = head.hostEnd > head.hostStart;
  if (trust.sends['x-forwarded-for']) putLine(sink, FORWARDED_FOR, chain);
  if (trust.sends['x-forwarded-proto']) putAll(sink, FORWARDED_PROTO[proto]);
  if (trust.sends['x-forwarded-port']) putLine(sink, FORWARDED_PORT, port);
  if (trust.sends['x-real-ip']) putLine(sink, REAL_IP, address);
  if (trust.sends['x-forwarded-host'] && (hasHost || host !== undefined)) {
    putAll(sink, FORWARDED_HOST);
    if (host !== undefined) putText(sink, host);
    else putBytes(sink, head.bytes, head.hostStart, head.hostEnd);
    putLineEnd(sink);
  }
  if (!trust.sends.forwarded) return;
  const received = hasHost ? textOf(head.bytes, head.hostStart, head.hostEnd) : '';
  putText(sink, `Forwarded: ${forwarded}`);
  if (received !== '') putText(sink, `;host=${forwardedValue(received)}`);
  putText(sink, ';proto=http\r\n');
}

function putLine(sink: ByteSink, name: Uint8Array, value: string): void {
  putAll(sink, name);
  putText(sink, value);
  putLineEnd(sink);
}

/** RFC 9110 section 7.6.3: the version is that of the message that was received. */
export function viaLines(via: string): readonly [Uint8Array, Uint8Array] {
  return [bytesOf(`Via: 1.0 ${via}\r\n`), bytesOf(`Via: 1.1 ${via}\r\n`)];
}

function trusts({ proxies }: Trust, text: string): boolean {
  if (proxies.length === 0) return false;
  const address = parseAddress(unmapped(text));
  return address !== undefined && proxies.some((each) => containsAddress(each, address));
}

/** A hop before us; `address` is canonical and undefined where the hop is not an address. */
type Hop = {
  readonly address: string | undefined;
  readonly host?: string | undefined;
  readonly proto?: string | undefined;
};

/** What a trusted peer says; the texts are as received. */
type Told = {
  readonly hops: readonly Hop[];
  readonly chain: string | undefined;
  readonly forwarded: string | undefined;
  readonly proto: string | undefined;
  readonly host: string | undefined;
  readonly port: string | undefined;
};

function listen({ believesForwarded, believesX }: Trust, head: RequestHead): Told {
  const chain = believesX ? listOf(head, FIELD.xForwardedFor) : undefined;
  const text = believesForwarded ? listOf(head, FIELD.forwarded) : undefined;
  const elements = text === undefined ? undefined : parseForwarded(text);
  const hops: readonly Hop[] =
    chain !== undefined
      ? members(chain)
          .slice(-HOPS_MAX)
          .map((member) => ({ address: hopAddress(member) }))
      : (elements ?? []).slice(-HOPS_MAX).map(({ for: node = '', host, proto }) => ({
          address: hopAddress(node),
          host: acceptable(host, HOST),
          proto: acceptable(proto?.toLowerCase(), SCHEME),
        }));
  const last = (code: number): string | undefined =>
    believesX ? members(listOf(head, code) ?? '').at(-1) : undefined;
  return {
    hops,
    chain,
    forwarded: elements === undefined ? undefined : text,
    // Of several only the last is the peer's own word.
    proto: acceptable(last(FIELD.xForwardedProto)?.toLowerCase(), SCHEME),
    host: acceptable(last(FIELD.xForwardedHost), HOST),
    port: acceptable(last(FIELD.xForwardedPort), PORT),
  };
}

/** A few words for each connection: octets of its own would cost as much again. */
const factsOfStranger = (trust: Trust, ends: Ends): ClientFacts => ({
  trust,
  isTrusted: false,
  address: ends.address,
  proto: 'http',
  host: undefined,
  chain: ends.address,
  port: `${ends.port}`,
  forwarded: trust.sends.forwarded ? ownElement(ends) : '',
});

function factsOfProxy(trust: Trust, ends: Ends, told: Told): ClientFacts {
  const { hops } = told;
  let address = ends.address;
  let client: Hop | undefined;
  for (const hop of hops.toReversed()) {
    // Who is behind somebody without a name nobody can vouch for.
    if (hop.address === undefined) break;
    client = hop;
    address = hop.address;
    if (!trusts(trust, address)) break;
  }
  const host = told.host ?? client?.host;
  const forwarded = told.forwarded ?? hops.map((hop) => elementOf(hop, client, told)).join(', ');
  const chain = told.chain ?? hops.map((hop) => hop.address ?? 'unknown').join(', ');
  return {
    trust,
    isTrusted: true,
    address,
    proto: (told.proto ?? client?.proto) === 'https' ? 'https' : 'http',
    host,
    chain: joined(chain, ends.address),
    port: told.port ?? `${ends.port}`,
    forwarded: trust.sends.forwarded ? joined(forwarded, ownElement(ends)) : '',
  };
}

const ownElement = ({ address, via }: Ends): string =>
  `by=_${via};for=${forwardedNode(unmapped(address))}`;

/** RFC 7239 section 7.4: X-Forwarded-* written as Forwarded; host and proto are what is known of the client. */
function elementOf(hop: Hop, client: Hop | undefined, { host, proto }: Told): string {
  const element = `for=${forwardedNode(hop.address)}`;
  if (hop !== client) return element;
  const ofHost = host === undefined ? '' : `;host=${forwardedValue(host)}`;
  return `${element}${ofHost}${proto === undefined ? '' : `;proto=${proto}`}`;
}

const joined = (before: string, own: string): string => (before === '' ? own : `${before}, ${own}`);

/** All values of a field as one list (RFC 9110 section 5.3), whatever Connection says of it: it is for us. */
function listOf({ bytes, fields }: RequestHead, code: number): string | undefined {
  let value: string | undefined;
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== code) continue;
    const more = textOf(bytes, fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!);
    value = value === undefined ? more : joined(value, more);
  }
  return value === '' ? undefined : value;
}

const members = (list: string): readonly string[] =>
  list
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');

function hopAddress(node: string): string | undefined {
  const address = parseAddress(unmapped(nodeAddress(node) ?? ''));
  return address && formatAddress(address);
}

/** An IPv4 address that came through a socket of IPv6 is still that of IPv4. */
function unmapped(text: string): string {
  return MAPPED.exec(text)?.[1] ?? text;
}

function acceptable(text: string | undefined, form: RegExp): string | undefined {
  return text !== undefined && form.test(text) ? text : undefined;
}

const FORWARDING_FIELDS: readonly ForwardingField[] = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
  'forwarded',
  'via',
];
const SENT_BY_DEFAULT: readonly ForwardingField[] = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'via',
];

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const SCHEME = /^https?$/;
const HOST = /^(?:[\w.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const PORT = /^[1-9]\d{0,4}$/;
const FORWARDED_FOR = bytesOf('X-Forwarded-For: ');
const FORWARDED_PROTO = {
  http: bytesOf('X-Forwarded-Proto: http\r\n'),
  https: bytesOf('X-Forwarded-Proto: https\r\n'),
};
const FORWARDED_PORT = bytesOf('X-Forwarded-Port: ');
const FORWARDED_HOST = bytesOf('X-Forwarded-Host: ');
const REAL_IP = bytesOf('X-Real-IP: ');
