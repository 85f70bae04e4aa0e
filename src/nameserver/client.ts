import { parseAddress } from '../ip/address.ts';
import type { Source } from '../ip/source.ts';

/**
 * Who asks: one mutable record per socket, filled anew for every message so that nothing is
 * allocated. Transports fill it, `respond` reads it.
 */
export type Client = Source & {
  transport: Transport;
  /** The address that the message came to: 4 or 16 bytes used, as of the source; zeros = not known. */
  readonly localAddress: Uint8Array;
  /** 0 = not known. */
  localPort: number;
};

export type Transport =
  | typeof TRANSPORT_UDP
  | typeof TRANSPORT_TCP
  | typeof TRANSPORT_TLS
  | typeof TRANSPORT_HTTPS;
export const TRANSPORT_UDP = 0;
export const TRANSPORT_TCP = 1;
/** RFC 7858. */
export const TRANSPORT_TLS = 2;
/** RFC 8484. */
export const TRANSPORT_HTTPS = 3;

export function createClient(transport: Transport): Client {
  return {
    family: 4,
    address: new Uint8Array(16),
    port: 0,
    transport,
    localAddress: new Uint8Array(16),
    localPort: 0,
  };
}

/** A wildcard leaves it unknown. */
export function setLocalAddress(client: Client, text: string): void {
  const zone = text.indexOf('%');
  const parsed = parseAddress(zone === -1 ? text : text.slice(0, zone));
  if (parsed) client.localAddress.set(parsed.bytes);
}
