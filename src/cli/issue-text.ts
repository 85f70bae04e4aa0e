import type { ConfigIssue } from '../control/control-plane.ts';

/** `file:line:column: message`, as compilers write it and editors read it, and the hint below. */
export function issueText({ file, line, column, message, hint }: ConfigIssue): string {
  const where = `${file}:${line}:${column}: ${message}\n`;
  return hint === undefined ? where : `${where}  hint: ${hint}\n`;
}

/** The same for what does not stand in the way. */
export function warningText(issue: ConfigIssue): string {
  return issueText({ ...issue, message: `warning: ${issue.message}` });
}
