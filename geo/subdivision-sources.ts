/**
 * ISO 3166-2 codes by the names of subdivisions, as CLDR has them in English, and a list of other spellings. The
 * names of a database are looked up as they are, and then without the words that say what kind of part it is:
 * "Lusaka Province", "City of Zagreb".
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { foldName, type SubdivisionNames } from '../src/geo/subdivision-names.ts';
import { SUBDIVISION_ALIASES } from './subdivision-aliases.ts';

/** Remembers what it was asked for. */
export type SeenNames = {
  readonly subdivisionNames: SubdivisionNames;
  /** The names, folded, of `CC-SUB`: all that are listed and those that were asked for. */
  namesOf(code: string): readonly string[];
};

const KINDS = new Set(
  (
    'province region state governorate county oblast district prefecture municipality department parish ' +
    'division city autonomous republic krai kray territory emirate voivodeship voblast voblasc raion of the ' +
    'de do grad free hanseatic and area capital sheng shi kommune'
  ).split(' '),
);

/** @param names, levels folders of the packages cldr-subdivisions-full and cldr-core */
export function readNames(names: string, levels: string): SeenNames {
  const { bare, whole } = namesOfCldr(names, topLevelOf(levels));
  for (const [country, list] of Object.entries(SUBDIVISION_ALIASES)) {
    for (const entry of list.split(/,\s+/)) {
      const [, name, code] = /^(.*)=([A-Z0-9]{1,3})$/.exec(entry.trim())!;
      whole.set(`${country}:${foldName(name!)}`, code!);
    }
  }
  const seen = new Map<string, Set<string>>();
  const see = (country: string, code: string, folded: string): void => {
    const full = `${country}-${code}`;
    seen.set(full, (seen.get(full) ?? new Set()).add(folded));
  };
  for (const [key, code] of whole) see(key.slice(0, 2), code, key.slice(3));
  return {
    subdivisionNames(country, name) {
      const folded = foldName(name);
      const code = whole.get(`${country}:${folded}`) ?? bare.get(`${country}:${bareName(name)}`);
      if (code === undefined) return undefined;
      see(country, code, folded);
      return code;
    },
    namesOf: (code) => [...(seen.get(code) ?? [])].sort(),
  };
}

/** Folded, without the words of KINDS, unless it has no others. */
function bareName(name: string): string {
  const words = name.split(/[^\p{L}\p{M}\p{N}]+/u).filter((word) => !KINDS.has(word.toLowerCase()));
  return words.length > 0 ? words.map(foldName).join('') : foldName(name);
}

/** Codes by `CC:name`; of a region and a county of one name, the larger one. `bare`: of `bareName`. */
function namesOfCldr(folder: string, topLevel: ReadonlySet<string>) {
  const whole = new Map<string, string>();
  const bare = new Map<string, string>();
  const { subdivisions } = readJson(join(folder, 'subdivisions/en/en.json'));
  const names = subdivisions.localeDisplayNames.subdivisions as Readonly<Record<string, string>>;
  for (const [id, name] of Object.entries(names)) {
    const [country, code] = [id.slice(0, 2).toUpperCase(), id.slice(2).toUpperCase()];
    const isTop = topLevel.has(id);
    const key = `${country}:${foldName(name)}`;
    if (isTop || !whole.has(key)) whole.set(key, code);
    const bareKey = `${country}:${bareName(name)}`;
    if (isTop || !bare.has(bareKey)) bare.set(bareKey, code);
  }
  return { whole, bare };
}

/** CLDR's ids (`usva`) of the parts of countries that are not parts of parts. */
function topLevelOf(folder: string): ReadonlySet<string> {
  const { supplemental } = readJson(join(folder, 'supplemental/subdivisionContainment.json'));
  const containment = supplemental.subdivisionContainment as Readonly<
    Record<string, { readonly _contains: readonly string[] }>
  >;
  return new Set(
    Object.entries(containment).flatMap(([whole, { _contains }]) =>
      /^[A-Z]{2}$/.test(whole) ? _contains : [],
    ),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: CLDR's own schema, of one pinned version.
function readJson(path: string): any {
  return JSON.parse(readFileSync(path, 'utf8'));
}
