import type { ConfigIssue } from '../control/control-plane.ts';

/** Exit codes: 0 and 1 as grep has them, 2 as getopt, the others from BSD's sysexits.h. */
export const EXIT_OK = 0;
/** The answer is no, or something is wrong with what was asked about. */
export const EXIT_NO = 1;
export const EXIT_USAGE = 2;
/** EX_UNAVAILABLE: the admin API or the nameserver does not answer. */
export const EXIT_UNAVAILABLE = 69;
/** EX_CONFIG. */
export const EXIT_CONFIG = 78;

/** Ends a command with a sentence and a code; caught in one place, by `runCli`. */
export class CliExit extends Error {
  readonly code: number;
  readonly hint: string | undefined;
  readonly issues: readonly ConfigIssue[];
  constructor(code: number, message: string, hint?: string, issues: readonly ConfigIssue[] = []) {
    super(message);
    this.name = 'CliExit';
    this.code = code;
    this.hint = hint;
    this.issues = issues;
  }
}
