import { stripVTControlCharacters } from 'node:util';

/**
 * Aligned columns for people. Thirty lines instead of a dependency: no boxes, two spaces between
 * columns, numbers to the right, colours not counted in a cell's width.
 */
export type Column = {
  readonly title: string;
  readonly align?: 'left' | 'right';
};

/** The table as text with a final newline; `style` is applied to the heading line. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: (heading: string) => string = (heading) => heading,
): string {
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => width(row[index] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, index) => pad(cells[index] ?? '', widths[index] ?? 0, column.align ?? 'left'))
      .join('  ')
      .trimEnd();
  const heading = style(line(columns.map((column) => column.title)));
  return `${[heading, ...rows.map(line)].join('\n')}\n`;
}

/** Two columns without a heading: what a thing has, and what it is. */
export function formatFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  const longest = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${name.padEnd(longest)}  ${value}\n`).join('');
}

const width = (text: string): number => [...stripVTControlCharacters(text)].length;

function pad(text: string, to: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, to - width(text)));
  return align === 'right' ? `${space}${text}` : `${text}${space}`;
}
