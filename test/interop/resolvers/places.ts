/** Who has which address on the island. */
export type Addresses = { readonly 4: string; readonly 6: string };

const host = (number: number): Addresses => ({ 4: `10.53.0.${number}`, 6: `fd53::${number}` });

export const ROOT = host(1);
export const TLD = host(2);
/** The nameserver of a zone that Meridian delegates. */
export const CHILD = host(3);
/** One Meridian node; a zone's two nameservers are both of its addresses. */
export const MERIDIAN = [host(5), host(6)] as const;
/** Each resolver asks and is asked here. */
export const RESOLVER = {
  unbound: host(11),
  bind: host(12),
  knot: host(13),
  powerdns: host(14),
} as const;
/** Where every resolver asks from: what Meridian's geography places. */
export const RESOLVER_NETWORKS = { 4: '10.53.0.0/24', 6: 'fd53::/64' } as const;

/**
 * Clients of one resolver in three networks. `neighbour` is in the same network as its client, and so
 * in the scope of the answer, but its subnet as a resolver sends it (/24, /56) is another.
 */
export const CLIENTS = [
  {
    network: '198.18.0.0/16',
    client: '198.18.1.10',
    neighbour: '198.18.200.10',
    region: 'frankfurt',
  },
  {
    network: '198.19.0.0/16',
    client: '198.19.1.10',
    neighbour: '198.19.200.10',
    region: 'virginia',
  },
  {
    network: '2001:db8:3::/48',
    client: '2001:db8:3:100::10',
    neighbour: '2001:db8:3:ff00::10',
    region: 'singapore',
  },
] as const;

export const ALL_ADDRESSES: readonly string[] = [
  ...[ROOT, TLD, CHILD, ...MERIDIAN, ...Object.values(RESOLVER)].flatMap((each) => [
    each[4],
    each[6],
  ]),
  ...CLIENTS.flatMap(({ client, neighbour }) => [client, neighbour]),
];
