import { type Address, parseAddress } from '../ip/address.ts';
import { formatPrefix, networkOf } from '../ip/prefix.ts';
import { parentNames, zoneNames } from './delegation.ts';
import { type Check, type Found, ok, warn } from './finding.ts';
import { serving } from './standing.ts';

/** Nameservers that fail together are one nameserver (RFC 2182 3.1). */
export const redundancy: Check = {
  kind: 'redundancy',
  look(observation) {
    const names = new Set([...parentNames(observation), ...zoneNames(observation)]);
    const servers = serving(observation);
    const addresses = servers.flatMap(({ address }) => parseAddress(address) ?? []);
    if (names.size === 0 || addresses.length === 0) return [];
    const found: Found[] = [];
    if (names.size < 2) {
      found.push(
        warn(
          'There is one nameserver only.',
          'Add a second one, in another place: with two, either may be restarted (RFC 1034 4.1).',
        ),
      );
    }
    const hosts = new Set(servers.map(({ host }) => host));
    if (names.size >= 2 && hosts.size < 2) {
      found.push(
        warn(
          `Of ${names.size} nameservers one answers: ${[...hosts].join('')}.`,
          'Mend the others before something happens to it.',
        ),
      );
    }
    found.push(...nearFindings(addresses));
    if (found.length > 0) return found;
    return [ok(`${names.size} nameservers in more than one network.`)];
  },
};

/** Networks that are announced and fail as one: the smallest that the world's routers accept. */
const NETWORK_BITS = { 4: 24, 6: 48 } as const;

/** More than one address, and a single network of either family. */
function nearFindings(addresses: readonly Address[]): readonly Found[] {
  const networks = new Set(
    addresses.map((address) => formatPrefix(networkOf(address, NETWORK_BITS[address.family]))),
  );
  const families = new Set(addresses.map(({ family }) => family));
  if (addresses.length < 2 || networks.size !== families.size) return [];
  return [
    warn(
      `All nameservers are in one network: ${[...networks].join(' and ')}.`,
      'Put one elsewhere (another site, another provider), or see that the network is anycast from several sites.',
    ),
  ];
}
