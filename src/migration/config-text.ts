import { Document, YAMLSeq } from 'yaml';

/** Writes a configuration of ours as people would: short maps on one line, with comments before the keys. */

/** A value as it stands behind its key: on that line, or on lines of its own below it. */
export type Written = { readonly lines: readonly string[]; readonly isBelow: boolean };

export type Part = {
  readonly key: string;
  readonly value: Written;
  readonly comment?: string | undefined;
};
export type Item = { readonly value: Written; readonly comment?: string | undefined };

const INDENT = '  ';

/** On one line, however long. */
export const inline = (value: unknown): Written => ({ lines: [flowText(value)], isBelow: false });

/** One entry under the other. */
export function block(parts: readonly Part[]): Written {
  const lines = parts.flatMap(({ comment, key, value }) => {
    const [first = '', ...rest] = value.lines;
    const head = `${scalarText(key)}:`;
    return [
      ...commentLines(comment),
      ...(value.isBelow
        ? [head, ...value.lines.map((line) => `${INDENT}${line}`)]
        : [`${head} ${first}`, ...rest]),
    ];
  });
  return { lines, isBelow: true };
}

/** One item under the other, each with its comment behind it. */
export function items(list: readonly Item[]): Written {
  const lines = list.flatMap(({ comment, value }) => {
    const [first = '', ...rest] = value.lines;
    const behind = comment === undefined ? '' : `  # ${comment}`;
    return [`- ${first}${behind}`, ...rest.map((line) => `${INDENT}${line}`)];
  });
  return { lines, isBelow: true };
}

/** The whole file: sections with an empty line between them. */
export function writeConfig(heading: string, sections: readonly Part[]): string {
  const texts = sections.map((part) => `${block([part]).lines.join('\n')}\n`);
  return `${[`${commentLines(heading).join('\n')}\n`, ...texts].join('\n')}`;
}

function commentLines(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  // What else ends a line would end the comment.
  const lines = text.split('\n').map((line) => line.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' '));
  return lines.map((line) => (line === '' ? '#' : `# ${line}`));
}

function flowText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flowText).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return scalarText(value);
  const entries = Object.entries(value).map(
    ([key, each]) => `${scalarText(key)}: ${flowText(each)}`,
  );
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

/** With quotes where it needs them, wherever it stands. */
function scalarText(value: unknown): string {
  const own = typeof value === 'string' ? withoutVariables(value) : value;
  if (typeof own === 'string' && /[\p{Cc}\p{Zl}\p{Zp}]/u.test(own)) {
    return JSON.stringify(own);
  }
  const list = new YAMLSeq();
  list.flow = true;
  list.add(own);
  const document = new Document(null, { version: '1.2' });
  document.contents = list as unknown as typeof document.contents;
  return document.toString({ lineWidth: 0, flowCollectionPadding: false }).slice(1, -2);
}

/** A configuration has variables; what is written here has none. */
const withoutVariables = (text: string): string =>
  /\$[${]/.test(text) ? text.replaceAll('$', '$$$$') : text;
