import { parseAddress } from './address.ts';

/** An address with a port, as people write it: `192.0.2.1:53`, `[2001:db8::1]:53`. */
export type SocketAddress = { readonly address: string; readonly port: number };

/** The text of an address and port; IPv6 stands in brackets (RFC 3986 section 3.2.2). */
export function formatSocketAddress({ address, port }: SocketAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Its two parts; undefined when it is not that. The address is left as it was written. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  if (!match) return undefined;
  const host = match[1] ?? match[2]!;
  const number = Number(match[3]);
  const family = parseAddress(host)?.family;
  if (family !== (match[1] === undefined ? 4 : 6) || number < 1 || number > 65535) return undefined;
  return { address: host, port: number };
}
