import { z } from 'zod';
import { formatPrefix, type Prefix, parsePrefix } from '../../ip/prefix.ts';
import type { ClientFact, ClientNetwork, Marks, NetworkSet } from '../step.ts';

/**
 * How steps say which clients they mean: by place, by autonomous system, by network. A client is meant when one of
 * the lists has it; the narrowest says who means it most: network, system, subdivision, country, continent.
 */
const LIST_MAX = 10_000;

export const CONTINENTS = ['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'] as const;

const country = z
  .string()
  .regex(/^[A-Z]{2}$/)
  .meta({ what: 'a country code', hint: 'ISO 3166-1 alpha-2 in capitals: DE' });
const subdivision = z
  .string()
  .regex(/^[A-Z]{2}-[A-Z0-9]{1,3}$/)
  .meta({ what: 'a subdivision code', hint: 'ISO 3166-2 in capitals: US-VA' });
const SYSTEM_MAX = 2 ** 32 - 1;
const system = z
  .union([
    z.int().min(1).max(SYSTEM_MAX),
    z
      .string()
      .regex(/^AS[1-9][0-9]{0,9}$/)
      .refine((text) => Number(text.slice(2)) <= SYSTEM_MAX, {
        params: { said: 'is not an autonomous system' },
      }),
  ])
  .transform((value) => (typeof value === 'number' ? value : Number(value.slice(2))))
  .meta({ what: 'an autonomous system', hint: 'its number: 64496 or AS64496' });
const network = z
  .string()
  .transform((text, context): string => {
    const prefix = parsePrefix(text);
    if (prefix !== undefined) return formatPrefix(prefix);
    context.addIssue({ code: 'custom', params: { said: 'is not a network' } });
    return z.NEVER;
  })
  .meta({ what: 'a network', hint: '192.0.2.0/24 or 2001:db8::/32, without host bits' });

/** Lists of places, for steps that tell clients apart by them. */
export const placeLists = {
  continents: z
    .array(z.enum(CONTINENTS))
    .max(CONTINENTS.length)
    .optional()
    .describe('Continents: AF, AN, AS, EU, NA, OC, SA.'),
  countries: z.array(country).max(LIST_MAX).optional().describe('Countries, ISO 3166-1 alpha-2.'),
  subdivisions: z
    .array(subdivision)
    .max(LIST_MAX)
    .optional()
    .describe('States and provinces, ISO 3166-2: `US-VA`.'),
  systems: z
    .array(system)
    .max(LIST_MAX)
    .optional()
    .describe('Autonomous systems, by number; `geo.databases` must have a file that knows them.'),
};

export const networkList = z
  .array(network)
  .min(1)
  .max(LIST_MAX)
  .describe('Networks of clients; of nested ones the longest counts.');

/** What the lists of one rule come to. */
export type ClientLists = {
  readonly continents?: readonly string[] | undefined;
  readonly countries?: readonly string[] | undefined;
  readonly subdivisions?: readonly string[] | undefined;
  readonly systems?: readonly number[] | undefined;
  readonly networks?: readonly string[] | undefined;
};

export const saysWho = (lists: ClientLists): boolean =>
  LISTS.some((name) => (lists[name]?.length ?? 0) > 0);
export const LISTS = ['continents', 'countries', 'subdivisions', 'systems', 'networks'] as const;

/** What somebody has to know of clients to tell by the rules whom they mean. */
export function factsOf(rules: readonly ClientLists[]): readonly ClientFact[] {
  const has = (...names: readonly (keyof ClientLists)[]): boolean =>
    rules.some((rule) => names.some((name) => (rule[name]?.length ?? 0) > 0));
  return [
    ...(has('continents', 'countries', 'subdivisions') ? (['location'] as const) : []),
    ...(has('systems') ? (['system'] as const) : []),
    ...(has('networks') ? (['networks'] as const) : []),
  ];
}

export function systemsOf(rules: readonly ClientLists[]): readonly number[] {
  return rules.flatMap(({ systems }) => systems ?? []);
}

/** How well a rule fits a client; 0 = it does not mean it. */
export type Fit = (client: ClientNetwork) => number;

const FIT_CONTINENT = 1;
const FIT_COUNTRY = 2;
const FIT_SUBDIVISION = 3;
const FIT_SYSTEM = 4;
const FIT_NETWORK = 5;

/**
 * For each rule how well it fits. All networks of the rules are one set: of nested ones the longest counts, and of
 * equal ones the first rule's.
 */
export function compileFits(rules: readonly ClientLists[], marks: Marks): readonly Fit[] {
  const set: NetworkSet = rules.flatMap(({ networks = [] }, index) =>
    networks.flatMap((text) => {
      const prefix: Prefix | undefined = parsePrefix(text);
      return prefix === undefined ? [] : [{ prefix, value: index + 1 }];
    }),
  );
  // Of equal networks that are laid over others, the last stays on top.
  const mark = set.length > 0 ? marks(set.toReversed()) : -1;
  return rules.map((rule, index) => {
    const continents = new Set(rule.continents);
    const countries = new Set(rule.countries);
    const subdivisions = new Set(rule.subdivisions);
    const systems = new Set(rule.systems);
    return ({ location, marks: marked, system: own }) => {
      if (mark >= 0 && marked[mark] === index + 1) return FIT_NETWORK;
      if (own !== 0 && systems.has(own)) return FIT_SYSTEM;
      if (location === undefined) return 0;
      const { continent, country: code, subdivision: part } = location;
      if (part !== undefined && subdivisions.has(`${code}-${part}`)) return FIT_SUBDIVISION;
      if (code !== undefined && countries.has(code)) return FIT_COUNTRY;
      return continent !== undefined && continents.has(continent) ? FIT_CONTINENT : 0;
    };
  });
}

/** The index of the rule that fits best, the first of equals; -1 = none does. */
export function bestFit(fits: readonly Fit[], client: ClientNetwork): number {
  let best = -1;
  let most = 0;
  for (const [index, fit] of fits.entries()) {
    const own = fit(client);
    if (own <= most) continue;
    most = own;
    best = index;
  }
  return best;
}

/** `EU, DE, AS64496, 192.0.2.0/24`; the first ones. */
export function describeLists(lists: ClientLists): string {
  const texts = LISTS.flatMap((name) =>
    (lists[name] ?? []).map((each) => (name === 'systems' ? `AS${each}` : String(each))),
  );
  const shown = texts.slice(0, SHOWN_MAX);
  return texts.length > SHOWN_MAX ? `${shown.join(', ')} and others` : shown.join(', ');
}

const SHOWN_MAX = 4;
