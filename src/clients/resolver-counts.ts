/**
 * Which networks ask most, out of a stream of who asked, in bounded memory (Misra and Gries, "Finding repeated
 * elements", 1982): of a network that is more than one in NETWORKS_MAX of what is counted some count is left,
 * whatever the others are. What was counted long ago counts less.
 */
import type { Address } from '../ip/address.ts';
import { networkKey } from './network-key.ts';

export type CountedResolver = {
  /** Of those of a network the one that was seen first. */
  readonly address: Address;
  /** How often it was seen, halved as time goes by; whole. */
  readonly count: number;
};

export type ResolverCounts = {
  add(address: Address): void;
  /** Those that asked most, first. */
  top(max: number): readonly CountedResolver[];
  /** Lets time go by. @param share what counts of before are worth, 0..1 */
  fade(share: number): void;
};

export const NETWORKS_MAX = 20_000;
/** Who was seen once may have come by. */
const COUNT_MIN = 2;

export function createResolverCounts(networksMax = NETWORKS_MAX): ResolverCounts {
  const counts = new Map<number, { readonly address: Address; count: number }>();
  const lower = (to: (count: number) => number): void => {
    for (const [network, entry] of counts) {
      entry.count = to(entry.count);
      if (entry.count < 0.5) counts.delete(network);
    }
  };
  return {
    add(address) {
      const network = networkKey(address);
      if (network < 0) return;
      const entry = counts.get(network);
      if (entry !== undefined) entry.count += 1;
      else if (counts.size < networksMax) counts.set(network, { address, count: 1 });
      else lower((count) => count - 1);
    },
    top: (max) =>
      [...counts.values()]
        .map(({ address, count }) => ({ address, count: Math.round(count) }))
        .filter(({ count }) => count >= COUNT_MIN)
        .sort((a, b) => b.count - a.count)
        .slice(0, max),
    fade: (share) => lower((count) => count * share),
  };
}
