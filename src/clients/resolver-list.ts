/**
 * What a nameserver tells of who asks it most: JSON, `[["198.51.100.53", 912], …]`. It comes from other nodes:
 * whatever is wrong with it, it is refused.
 */
import { formatAddress, parseAddress } from '../ip/address.ts';
import { networkKey } from './network-key.ts';
import type { CountedResolver } from './resolver-counts.ts';

export const RESOLVERS_TOLD_MAX = 5000;
/** Of an entry: an IPv6 address and its count, with quotes and brackets. */
const ENTRY_OCTETS_MAX = 64;
const COUNT_MAX = 2 ** 32 - 1;

export function encodeResolvers(resolvers: readonly CountedResolver[]): string {
  const entries = resolvers
    .slice(0, RESOLVERS_TOLD_MAX)
    .map(({ address, count }) => [formatAddress(address), Math.min(COUNT_MAX, count)]);
  return JSON.stringify(entries);
}

/** The list in the text; undefined = it is none. */
export function decodeResolvers(text: string): readonly CountedResolver[] | undefined {
  if (text.length > RESOLVERS_TOLD_MAX * ENTRY_OCTETS_MAX) return undefined;
  const entries = readJson(text);
  if (!Array.isArray(entries) || entries.length > RESOLVERS_TOLD_MAX) return undefined;
  const resolvers: CountedResolver[] = [];
  for (const entry of entries) {
    const [written, count] = Array.isArray(entry) && entry.length === 2 ? entry : [];
    const address = typeof written === 'string' ? parseAddress(written) : undefined;
    if (address === undefined || networkKey(address) < 0) return undefined;
    if (!Number.isInteger(count) || count < 1 || count > COUNT_MAX) return undefined;
    resolvers.push({ address, count });
  }
  return resolvers;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Lists of several nodes as one: networks that ask most of all first, each with the address that asks most. */
export function mergeResolvers(
  lists: readonly (readonly CountedResolver[])[],
  max: number,
): readonly CountedResolver[] {
  const known = new Map<number, { most: CountedResolver; count: number }>();
  for (const resolver of lists.flat()) {
    const network = networkKey(resolver.address);
    const entry = known.get(network);
    if (entry === undefined) known.set(network, { most: resolver, count: resolver.count });
    else {
      entry.count += resolver.count;
      if (resolver.count > entry.most.count) entry.most = resolver;
    }
  }
  return [...known.values()]
    .sort((a, b) => b.count - a.count)
    .slice(0, max)
    .map(({ count, most: { address } }) => ({ address, count }));
}
