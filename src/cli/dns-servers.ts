import { getServers } from 'node:dns';
import { parseAddress } from '../ip/address.ts';
import { parseSocketAddress } from '../ip/socket-address.ts';
import type { DnsServer } from './dns-client.ts';

const DNS_PORT = 53;

/** `192.0.2.1`, `127.0.0.1:5300`, `[::1]:5300`. */
export function readServer(text: string): DnsServer | undefined {
  const isBare = parseAddress(text) !== undefined;
  return isBare ? { address: text, port: DNS_PORT } : parseSocketAddress(text);
}

/** Those that this machine asks. Addresses with a zone id (fe80::1%eth0) are left out. */
export function systemResolvers(): readonly DnsServer[] {
  return getServers().flatMap((text) => readServer(text) ?? []);
}
