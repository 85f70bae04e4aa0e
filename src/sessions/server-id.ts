import { createHash } from 'node:crypto';

/**
 * What a session says instead of a server's name: eight octets of SHA-256, the same on every node and over
 * restarts, whatever else the upstream holds. Cookies carry all of it; tables, which know their upstream
 * by the key, carry the first half.
 */
export type ServerId = { readonly high: number; readonly low: number };

/** No server has it. */
export const NO_SERVER = 0;

export function serverIdOf(upstream: string, server: string): ServerId {
  const digest = createHash('sha256').update(`${upstream}\n${server}`).digest();
  return { high: digest.readUInt32BE(0) || 1, low: digest.readUInt32BE(4) };
}

/** The way back from the halves of an id to a server's index; -1 for a server that is gone. */
export type ServerIds = {
  readonly ids: readonly ServerId[];
  readonly indexByHigh: ReadonlyMap<number, number>;
};

/**
 * Of two servers whose halves are alike (one upstream of 500 in 34,000 has such) the first by name is meant, on
 * every node: sessions of the other do not stick, and none is torn between them.
 */
export function createServerIds(upstream: string, servers: readonly string[]): ServerIds {
  const ids = servers.map((server) => serverIdOf(upstream, server));
  const order = [...servers.keys()].sort((a, b) => (servers[a]! < servers[b]! ? -1 : 1));
  const indexByHigh = new Map<number, number>();
  for (const index of order) {
    const { high } = ids[index]!;
    if (!indexByHigh.has(high)) indexByHigh.set(high, index);
  }
  return { ids, indexByHigh };
}

/** @param high what a table holds */
export function serverIndexOf({ indexByHigh }: ServerIds, high: number): number {
  return indexByHigh.get(high) ?? -1;
}

/** The same with both halves, as a cookie holds them. */
export function cookieServerIndex({ ids, indexByHigh }: ServerIds, id: ServerId): number {
  const index = indexByHigh.get(id.high) ?? -1;
  return index >= 0 && ids[index]!.low === id.low ? index : -1;
}
