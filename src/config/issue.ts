/**
 * One problem in a configuration file, with the place where a person should look. Problems are values:
 * validation returns all of them at once and never throws for bad input.
 */
export type ConfigIssue = {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units, as editors count. */
  readonly column: number;
  /** `zones.gslb.example.steered.www.pool`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
};

/** Keys and list indexes from the root of the file. */
export type ConfigPath = readonly (string | number)[];

/** What a check calls for a problem; the position is looked up from the path later. */
export type Report = (
  path: ConfigPath,
  message: string,
  hint?: string,
  at?: 'key' | 'value',
) => void;

/** A problem before its position is known. `at` says which end of the entry to point to. */
export type Finding = {
  readonly path: ConfigPath;
  /** `key` for a key that should not be there, `value` otherwise. */
  readonly at: 'key' | 'value';
  readonly message: string;
  readonly hint?: string;
};

/** The finding as a record; an absent hint stays absent. */
export function finding(
  path: ConfigPath,
  message: string,
  hint?: string,
  at: Finding['at'] = 'value',
): Finding {
  return hint === undefined ? { path, at, message } : { path, at, message, hint };
}

/** How a path is shown to people. */
export function formatPath(path: ConfigPath): string {
  return path.join('.');
}
