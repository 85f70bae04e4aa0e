/**
 * What a name costs the cache of a resolver that honours scopes (RFC 7871 7.3.1): each client network, an IPv4 /24,
 * asks once before anything expires.
 */
export type CacheCost = {
  /** Answers that the cache holds in the end: so often the nameserver was asked. */
  readonly entries: number;
  /** Of the scopes of all clients' own answers. */
  readonly meanScope: number;
  /** The part of the clients who were answered from the cache, of those who would be without client subnets. */
  readonly hitShare: number;
};

/** What a resolver sends of a client: a longer scope says that more was needed, and is kept for this (7.3.1). */
export const SOURCE = 24;

/**
 * @param clients the first 24 bits of each
 * @param scopes of their answers, in the same order
 */
export function cacheCost(clients: Uint32Array, scopes: Uint8Array): CacheCost {
  const kept = Array.from({ length: SOURCE + 1 }, () => new Set<number>());
  let entries = 0;
  let sum = 0;
  for (const [index, client] of clients.entries()) {
    const scope = scopes[index]!;
    sum += scope;
    const isKept = kept.some((networks, length) => networks.has(client >>> (SOURCE - length)));
    if (isKept) continue;
    const length = Math.min(SOURCE, scope);
    kept[length]!.add(client >>> (SOURCE - length));
    entries += 1;
  }
  const hits = clients.length - entries;
  return { entries, meanScope: sum / clients.length, hitShare: hits / (clients.length - 1) };
}
