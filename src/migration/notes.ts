import type { ConfigIssue } from '../config/issue.ts';

/** Where something stands in a file that is read. */
export type Place = { readonly file: string; readonly line: number; readonly column: number };

/** Says what is to be known of a place, and what to do about it. */
export type Say = (at: Place, message: string, hint?: string) => void;

/** What a reader tells: errors, for which nothing is written, and warnings of what is not carried over. */
export type Notes = {
  readonly error: Say;
  readonly warn: Say;
  readonly errors: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
};

export function createNotes(): Notes {
  const into = (list: ConfigIssue[]): Say => {
    return (at, message, hint) => list.push(issueAt(at, message, hint));
  };
  const errors: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  return { error: into(errors), warn: into(warnings), errors, warnings };
}

/** The issue, with no path: that would be one in a file of ours. */
export function issueAt(at: Place, message: string, hint?: string): ConfigIssue {
  const { column, file, line } = at;
  return {
    ...{ file, line, column, path: '', message },
    ...(hint === undefined ? {} : { hint }),
  };
}

/** As editors jump to: by line and column, files in the order in which they come up. */
export function inOrder(issues: readonly ConfigIssue[]): readonly ConfigIssue[] {
  const files = [...new Set(issues.map(({ file }) => file))];
  return issues.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}
