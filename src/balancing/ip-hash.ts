import { z } from 'zod';
import type { BalancingAlgorithm } from './algorithm.ts';
import { anyKey } from './hashing.ts';
import { buildMaglev, pickFromTable } from './maglev-table.ts';

/** A client stays on its server, with all of its network; by Maglev's table, since a remainder would move all of them. */
export const ipHash: BalancingAlgorithm<IpHashOptions> = {
  kind: 'ip-hash',
  summary: 'The same server for all clients of a network.',
  options: z.strictObject({
    prefix4: z
      .int()
      .min(8)
      .max(32)
      .default(24)
      .describe('Bits of an IPv4 address that count: a household may have several addresses.'),
    prefix6: z.int().min(16).max(128).default(56).describe('Bits of an IPv6 address that count.'),
  }),
  keySource: ({ prefix4, prefix6 }) => ({ kind: 'client', prefix4, prefix6 }),
  build(servers) {
    const table = buildMaglev(servers);
    return {
      pick: (state, key, draw) => pickFromTable(table, servers, state, key || anyKey(draw)),
      tableVersion: table.version,
    };
  },
};

export type IpHashOptions = { readonly prefix4: number; readonly prefix6: number };
