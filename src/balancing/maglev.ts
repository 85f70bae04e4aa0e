import { z } from 'zod';
import type { BalancingAlgorithm } from './algorithm.ts';
import { hashKey, keySourceOf } from './hash-key.ts';
import { anyKey } from './hashing.ts';
import { buildMaglev, PLACES_DEFAULT, pickFromTable } from './maglev-table.ts';

/** A key stays on its server; when one leaves, hardly any other key moves. */
export const maglev: BalancingAlgorithm<MaglevOptions> = {
  kind: 'maglev',
  summary: 'The same server for the same key, by a table that all nodes build alike.',
  options: z.strictObject({
    key: hashKey,
    tableSize: z
      .union([
        z.literal(251),
        z.literal(1021),
        z.literal(4093),
        z.literal(16_381),
        z.literal(65_537),
        z.literal(262_139),
      ])
      .default(PLACES_DEFAULT)
      .describe(
        'Places of the table, a prime: 251, 1021, 4093, 16381, 65537 or 262139. A hundred times the number of servers makes shares exact to 1 %.',
      ),
  }),
  keySource: ({ key }) => keySourceOf(key),
  build(servers, { tableSize }) {
    const table = buildMaglev(servers, tableSize);
    return {
      pick: (state, key, draw) => pickFromTable(table, servers, state, key || anyKey(draw)),
      tableVersion: table.version,
    };
  },
};

export type MaglevOptions = { readonly key: string; readonly tableSize: number };
