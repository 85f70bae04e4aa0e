import { networksOf } from '../clients/network-key.ts';
import type { ProbeTarget, ProbeWay } from '../clients/probe-round.ts';
import type { CountedResolver } from '../clients/resolver-counts.ts';
import type { BeaconConfig, ProbesConfig } from '../config/latency-config.ts';
import { type Address, formatAddress, isPrivate } from '../ip/address.ts';
import { containsAddress, type Prefix, parsePrefix } from '../ip/prefix.ts';

/** Whom probes measure: what the operator has named, and of those that ask nobody who must not be measured. */
export function probeTargets(
  { allow, beacons, exclude, methods }: ProbesConfig,
  resolvers: readonly CountedResolver[],
): readonly ProbeTarget[] {
  const [allowed, excluded] = [prefixesOf(allow), prefixesOf(exclude)];
  const isIn = (prefixes: readonly Prefix[], address: Address): boolean =>
    prefixes.some((prefix) => containsAddress(prefix, address));
  const ways = methods.map((kind): ProbeWay => ({ kind, port: RESOLVER_PORTS[kind] }));
  const measured = resolvers.flatMap(({ address }): ProbeTarget[] => {
    const isSpecial = isPrivate(address) || isNoHost(address);
    if (isIn(excluded, address) || (isSpecial && !isIn(allowed, address))) return [];
    const networks = networksOf({ address, length: address.bytes.length * 8 });
    if (networks === undefined) return [];
    return [{ address: formatAddress(address), methods: ways, networks: [networks] }];
  });
  return [...beacons.map(beaconTarget), ...measured];
}

/** A resolver has nothing else than its port for queries; whether it is open, closed or refuses is all the same. */
const RESOLVER_PORTS = { dns: 53, tcp: 53, icmp: 0 } as const;

function beaconTarget({ address, kind, networks, port }: BeaconConfig): ProbeTarget {
  const spans = prefixesOf(networks).flatMap((prefix) => networksOf(prefix) ?? []);
  return { address, methods: [{ kind, port }], networks: spans };
}

/** Multicast, and what is reserved: 224.0.0.0/3 and ff00::/8. */
function isNoHost({ bytes, family }: Address): boolean {
  return family === 4 ? bytes[0]! >= 224 : bytes[0] === 0xff;
}

const prefixesOf = (texts: readonly string[]): readonly Prefix[] =>
  texts.flatMap((text) => parsePrefix(text) ?? []);
