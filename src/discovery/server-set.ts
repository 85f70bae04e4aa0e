import { readWord } from '../dns/message.ts';
import { formatName, nameLength } from '../dns/name.ts';
import { formatAddress } from '../ip/address.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';

/** A server that was found. What is known of one by this address and port is kept from set to set. */
export type FoundServer = {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** The least is asked first (RFC 2782). */
  readonly priority: number;
};

/** Of one upstream; what is beyond it is not used. */
export const FOUND_SERVERS_MAX = 1000;
/** Nobody is so much heavier than another: tables of algorithms grow with this ratio. */
const WEIGHT_RATIO_MAX = 100;

export const nameOf = (server: Pick<FoundServer, 'address' | 'port'>): string =>
  formatSocketAddress(server);

/** The address in the data of an A or AAAA record; undefined for other octets. */
export function addressOf(rdata: Uint8Array): string | undefined {
  if (rdata.length !== 4 && rdata.length !== 16) return undefined;
  return formatAddress({ family: rdata.length === 4 ? 4 : 6, bytes: rdata });
}

/** A line of SRV (RFC 2782). */
export type ServiceRecord = {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** With its last dot. */
  readonly target: string;
};

/** Undefined for other octets, and for the target `.`: the service is decidedly not there. */
export function readService(rdata: Uint8Array): ServiceRecord | undefined {
  if (rdata.length < 8 || nameLength(rdata, 6, rdata.length) < 0) return undefined;
  const target = formatName(rdata, 6).toLowerCase();
  const port = readWord(rdata, 4);
  if (target === '.' || port === 0) return undefined;
  return { priority: readWord(rdata, 0), weight: readWord(rdata, 2), port, target };
}

/**
 * The servers as they are used, each once, in an order that does not depend on that of the answer.
 * A weight of 0 beside greater ones is a very small one (RFC 2782), not none.
 */
export function arrange(found: readonly FoundServer[]): readonly FoundServer[] {
  const heaviest = Math.max(0, ...found.map(({ weight }) => weight));
  const lightest = heaviest / WEIGHT_RATIO_MAX;
  const sorted = found
    .map((server) => ({
      ...server,
      weight: heaviest === 0 ? 1 : Math.max(lightest, server.weight),
    }))
    .sort((a, b) => a.priority - b.priority || (nameOf(a) < nameOf(b) ? -1 : 1));
  const each = new Map<string, FoundServer>();
  for (const server of sorted) {
    if (!each.has(nameOf(server))) each.set(nameOf(server), server);
  }
  return [...each.values()].slice(0, FOUND_SERVERS_MAX);
}

export function isSameSet(a: readonly FoundServer[], b: readonly FoundServer[]): boolean {
  return JSON.stringify(a.map(plain)) === JSON.stringify(b.map(plain));
}

const plain = ({ address, port, priority, weight }: FoundServer) => [
  address,
  port,
  priority,
  weight,
];
