/** What a YAML parser has against a text, in words that say what to do about it. */
import type { LineCounter } from 'yaml';

export type SyntaxProblem = {
  readonly code: string;
  readonly message: string;
  readonly pos: readonly [number, number];
};

/** `at` is an offset into the text. */
export type SyntaxFinding = {
  readonly at: number;
  readonly message: string;
  readonly hint: string | undefined;
};

/** Shown at most; what follows the first ones is mostly their echo. */
const SHOWN_MAX = 20;

/** The first problem of each line: the others on it are mostly its echo. */
export function explainSyntax(
  problems: readonly SyntaxProblem[],
  lines: LineCounter,
): readonly SyntaxFinding[] {
  const byLine = new Map<number, SyntaxProblem>();
  for (const problem of [...problems].sort((a, b) => a.pos[0] - b.pos[0])) {
    const { line } = lines.linePos(problem.pos[0]);
    if (!byLine.has(line)) byLine.set(line, problem);
  }
  return [...byLine.values()].slice(0, SHOWN_MAX).map((problem) => {
    const { message, hint } = SYNTAX_WORDS[problem.code] ?? {};
    const own = problem.message.charAt(0).toLowerCase() + problem.message.slice(1);
    return { at: problem.pos[0], message: `YAML: ${message ?? own}`, hint };
  });
}

/** Words for the slips that YAML punishes with a riddle. */
const SYNTAX_WORDS: Readonly<
  Record<string, { readonly message?: string; readonly hint?: string }>
> = {
  BAD_SCALAR_START: { hint: "quote it: '@'" },
  BAD_ALIAS: { hint: "a name that starts with * must be quoted: '*.wild'" },
  BAD_INDENT: { hint: 'check the indentation, and that every bracket is closed' },
  TAB_AS_INDENT: { hint: 'indent with spaces' },
  BLOCK_IN_FLOW: { hint: 'quote values that contain ": "' },
  BLOCK_AS_IMPLICIT_KEY: { hint: 'check the indentation, and quote values that contain ": "' },
  MULTILINE_IMPLICIT_KEY: { hint: 'is a colon missing on this line?' },
  MISSING_CHAR: { hint: 'is a quote, bracket or colon missing?' },
  UNEXPECTED_TOKEN: { hint: 'quote values that contain { } [ ] , & * # and variables' },
  MULTIPLE_DOCS: { message: 'a second document begins here', hint: 'remove the "---"' },
  TAG_RESOLVE_FAILED: { hint: 'tags are not supported; quote a value that starts with "!"' },
};
