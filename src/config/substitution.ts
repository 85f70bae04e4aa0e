/**
 * `${VAR}` and `${VAR:-default}` in text values; `$$` is a dollar sign. A default is used when the
 * variable is unset or empty, as in a shell. What is put in is never read again, neither for variables
 * nor as YAML, so a value of the environment cannot become configuration structure.
 */
export type Substitution = {
  readonly text: string;
  /** Names of unset variables without a default; nothing was put in for them. */
  readonly missing: readonly string[];
  /** A `${` that is not closed or does not hold a name. */
  readonly malformed: boolean;
};

const REFERENCE = /\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/** Puts the environment's values into the text. */
export function substitute(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): Substitution {
  const missing: string[] = [];
  let malformed = false;
  const replaced = text.replace(REFERENCE, (match, name?: string, fallback?: string) => {
    if (match === '$$') return '$';
    if (name === undefined) {
      malformed = true;
      return match;
    }
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) missing.push(name);
    return value ?? '';
  });
  return { text: replaced, missing, malformed };
}
