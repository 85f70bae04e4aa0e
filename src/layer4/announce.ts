import type { UpstreamSnapshot } from '../balancer/snapshot.ts';
import { encodeProxyHeader } from '../ip/proxy-encode.ts';
import { NO_PROXY_OPTIONS, type ProxyOptions } from '../ip/proxy-options.ts';
import type { Flow } from './flow-key.ts';

/**
 * The PROXY header that tells a server of whom a flow is; undefined where it is told nothing.
 * @param serverName of the TLS ClientHello; empty when it was not read, or names nobody
 * @param draw random numbers in [0, 1), for the id of a flow that has none yet
 */
export function announcement(
  { proxyOptions = [], proxyProtocol }: UpstreamSnapshot,
  flow: Flow,
  isDatagrams: boolean,
  serverName: string,
  draw: () => number,
): Uint8Array | undefined {
  if (proxyProtocol === undefined) return undefined;
  const { alpn, authority, uniqueId } = flow.told ?? NO_PROXY_OPTIONS;
  const wanted = (kind: (typeof proxyOptions)[number]): boolean => proxyOptions.includes(kind);
  const options: ProxyOptions = {
    // What a ClientHello offers is not yet in use: only a proxy in front of us can know.
    alpn: wanted('alpn') ? alpn : undefined,
    authority: wanted('authority') ? nameOf(serverName, authority) : undefined,
    uniqueId: wanted('unique-id') ? (uniqueId ?? drawId(draw)) : undefined,
  };
  return encodeProxyHeader(proxyProtocol, flow, {
    isDatagrams,
    options,
    hasChecksum: wanted('crc32c'),
  });
}

/** The name inside is nearer to the server than one that the proxy in front has taken off. */
function nameOf(serverName: string, told: Uint8Array | undefined): Uint8Array | undefined {
  return serverName === '' ? told : Buffer.from(serverName, 'latin1');
}

const ID_LENGTH = 16;
const drawId = (draw: () => number): Uint8Array =>
  Uint8Array.from({ length: ID_LENGTH }, () => Math.floor(256 * draw()));
