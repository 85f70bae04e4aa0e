/**
 * ISO 3166-2 codes for the names that flat databases use instead. The names come with the centroids: those that
 * DB-IP's database has, each with its code (geo/build.ts).
 */

/** The part of the ISO 3166-2 code after the dash, of a name; undefined when it is not known. */
export type SubdivisionNames = (country: string, name: string) => string | undefined;

/** Names by `subdivisionNameKey`. What looks like a code is one: IPinfo and others give it where they know it. */
export function createSubdivisionNames(codes: ReadonlyMap<string, string>): SubdivisionNames {
  return (country, name) =>
    codes.get(subdivisionNameKey(country, name)) ?? (CODE.test(name) ? name : undefined);
}

const CODE = /^[A-Z0-9]{1,3}$/;

/** Names are compared without accents, case, spaces and punctuation. */
export function subdivisionNameKey(country: string, name: string): string {
  return `${country}:${foldName(name)}`;
}

export function foldName(name: string): string {
  return name
    .normalize('NFD')
    .toLowerCase()
    .replace(/[ßøłđıæœðþ]/g, (letter) => PLAIN[letter]!)
    .replace(/[^a-z0-9]/g, '');
}

/** Letters that have no decomposition. */
const PLAIN: Readonly<Record<string, string>> = {
  ...{ ß: 'ss', ø: 'o', ł: 'l', đ: 'd', ı: 'i', æ: 'ae', œ: 'oe', ð: 'd', þ: 'th' },
};
