import { z } from 'zod';
import { typeName, typeNumber } from '../dns/type-names.ts';
import { isMetaType } from './allowed-records.ts';
import type { UpdateConfig } from './config.ts';
import { parseNamePattern } from './name-pattern.ts';
import { present } from './present.ts';
import { domainName, network, saying } from './values.ts';

/** The shape of a zone's `update`: who may change it while it is served (RFC 2136), and what of it. */

const UPDATERS_MAX = 64;
const PATTERNS_MAX = 64;
const NETWORKS_MAX = 64;
/** Of a right: every type that may stand in a zone. */
export const ANY_TYPE = '*';

const names = z
  .array(
    z
      .string()
      .max(255)
      .refine((text) => parseNamePattern(text) !== undefined, saying('is not a pattern of names'))
      .meta({
        what: 'a pattern of names',
        hint: '@, www, *.apps, _acme-challenge.** or, for all names, **',
      }),
  )
  .min(1)
  .max(PATTERNS_MAX);

const types = z
  .array(
    z
      .string()
      .transform((text) => (text === ANY_TYPE ? text : text.toUpperCase()))
      .refine((text) => text === ANY_TYPE || isData(text), saying('is not a type of records'))
      .meta({ what: 'a type of records', hint: 'TXT, A, AAAA, … or, for all types, *' })
      .transform((text) => (text === ANY_TYPE ? text : typeName(typeNumber(text)!))),
  )
  .min(1)
  .max(PATTERNS_MAX);

function isData(text: string): boolean {
  const type = typeNumber(text);
  return type !== undefined && !isMetaType(type);
}

const updater = z.strictObject({
  key: domainName
    .transform((text) => text.toLowerCase())
    .describe('Name of a key in `dns.keys`, which signs the update.'),
  names: names.describe(
    'Names that it may change, relative to the zone: `@` is the zone itself, `*` one label, `**` any number of them. Wildcard records need `**`: they answer for names of any depth.',
  ),
  types: types.describe('Types that it may change; `*` = all.'),
  networks: z
    .array(network)
    .min(1)
    .max(NETWORKS_MAX)
    .optional()
    .describe('Networks that it must come from. Default: any.'),
});

export const update = z.strictObject({
  allow: z
    .array(updater)
    .min(1)
    .max(UPDATERS_MAX)
    .describe('Who may: one entry per key, or several with different rights.'),
});

export function resolveUpdate({ allow }: z.output<typeof update>): UpdateConfig {
  return { allow: allow.map((each) => present({ networks: undefined, ...each })) };
}
