/** Names as a configuration of ours takes them, made of those of others: each thing has its own. */
export type Names = {
  /** The name of a thing; asked again, the same. */
  of(thing: string): string;
  /** A name that nothing else has, like the one wanted. */
  free(wanted: string): string;
};

/** Room for a number behind a name, within what a name may have (63). */
const LENGTH_MAX = 54;

/** @param taken names that are not to be given */
export function createNames(taken: Iterable<string> = []): Names {
  const used = new Set(taken);
  const known = new Map<string, string>();
  const free = (wanted: string): string => {
    const base = allowed(wanted);
    let name = base;
    for (let count = 2; used.has(name); count += 1) name = `${base}-${count}`;
    used.add(name);
    return name;
  };
  return {
    free,
    of(thing) {
      const name = known.get(thing) ?? free(thing);
      known.set(thing, name);
      return name;
    },
  };
}

/** Letters, digits, dots, dashes and underscores, the first a letter or digit. */
function allowed(text: string): string {
  const kept = text.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return kept.slice(0, LENGTH_MAX).replace(/[^A-Za-z0-9]+$/, '') || 'x';
}

/** Things by name of which equal ones are one. */
export type Interned<Thing> = {
  readonly byName: ReadonlyMap<string, Thing>;
  /** The name of a thing; `wanted` makes one when there is none like it. */
  nameOf(thing: Thing, wanted: () => string): string;
};

export function createInterned<Thing>(): Interned<Thing> {
  const byName = new Map<string, Thing>();
  const known = new Map<string, string>();
  return {
    byName,
    nameOf(thing, wanted) {
      const text = JSON.stringify(thing);
      const name = known.get(text) ?? wanted();
      known.set(text, name);
      byName.set(name, thing);
      return name;
    },
  };
}
