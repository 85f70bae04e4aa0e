import type { PageReport } from '../balancer/session.ts';
import { networkKey } from '../clients/network-key.ts';
import type { PageReading } from '../clients/page-report.ts';
import { RTT_CARRIED_MS } from '../clients/rtt-collector.ts';
import type { Clock } from '../control/clock.ts';
import { type Address, formatAddress, parseAddress } from '../ip/address.ts';
import { formatPrefix, networkOf } from '../ip/prefix.ts';

/**
 * Who sends a report of its ways may say what it likes, of its own network alone, and has one voice: an IPv4 address, or
 * an IPv6 /64, is heard once in an hour, which is as long as single readings wait for others of their network. So it
 * takes as many hosts of a network as connections (`clientsMin`) to say anything of it.
 */
export type PageGate = {
  hear(reports: readonly PageReport[]): void;
  /** Reports so far that were taken, and that were not. */
  readonly counts: () => { readonly taken: number; readonly refused: number };
};

export type PageGateParts = {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** @param network of the client */
  take(network: number, reading: PageReading): void;
};

/** Hosts that are remembered; beyond them nobody is heard until the hour is over. */
export const HOSTS_MAX = 100_000;
/** Of one network in an hour: more say nothing new. */
export const HOSTS_PER_NETWORK_MAX = 100;
const HOST_BITS_6 = 64;

export function createPageGate({ clock, take }: PageGateParts): PageGate {
  const hosts = new Set<string>();
  const ofNetwork = new Map<number, number>();
  let [sinceMs, taken, refused] = [clock.nowMs(), 0, 0];
  const admits = (address: Address, network: number): boolean => {
    const host = hostOf(address);
    const known = ofNetwork.get(network) ?? 0;
    if (hosts.has(host) || hosts.size >= HOSTS_MAX || known >= HOSTS_PER_NETWORK_MAX) return false;
    hosts.add(host);
    ofNetwork.set(network, known + 1);
    return true;
  };
  return {
    hear(reports) {
      const nowMs = clock.nowMs();
      if (nowMs - sinceMs >= RTT_CARRIED_MS) {
        sinceMs = nowMs;
        hosts.clear();
        ofNetwork.clear();
      }
      for (const { address: text, readings } of reports) {
        const address = parseAddress(text);
        const network = address === undefined ? -1 : networkKey(address);
        if (address === undefined || network < 0 || !admits(address, network)) {
          refused += 1;
          continue;
        }
        taken += 1;
        for (const reading of readings) take(network, reading);
      }
    },
    counts: () => ({ taken, refused }),
  };
}

const hostOf = (address: Address): string =>
  address.family === 4 ? formatAddress(address) : formatPrefix(networkOf(address, HOST_BITS_6));
