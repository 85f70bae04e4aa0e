import { type Token, tokenize } from './token.ts';

/**
 * BIND's `$GENERATE range owner [TTL] [class] type data`: one record for each number of the range, with
 * `$` in owner and data standing for it; `${offset,width,base}` adds to it and formats it.
 */

/** Records of one directive. */
export const GENERATED_MAX = 65_536;

/** Hands over the tokens of every record; returns what is wrong with the directive. */
export function generate(
  tokens: readonly Token[],
  take: (record: readonly Token[]) => void,
): string | undefined {
  const [range, ...template] = tokens;
  const limits = /^([0-9]{1,10})-([0-9]{1,10})(?:\/([0-9]{1,10}))?$/.exec(range?.text ?? '');
  if (limits === null) return '$GENERATE needs a range';
  const [start, stop, step] = [Number(limits[1]), Number(limits[2]), Number(limits[3] ?? 1)];
  if (start > stop || step < 1) return `the range ${range!.text} is empty`;
  const count = Math.floor((stop - start) / step) + 1;
  if (count > GENERATED_MAX) return `${count} records are more than ${GENERATED_MAX}`;
  if (template.length < 3) return '$GENERATE needs an owner, a type and data';
  const data = unwrapped(template);
  if (typeof data === 'string') return data;
  for (let number = start; number <= stop; number += step) {
    const record: Token[] = [];
    for (const token of data) {
      const text = putIn(token.text, number);
      if (text === undefined) return `"${token.text}" has a broken \${offset,width,base}`;
      record.push({ ...token, text });
    }
    take(record);
  }
  return undefined;
}

/** As in BIND the data are one word or one quoted string, whose inside is read: `MX "10 mx$"`. */
function unwrapped(template: readonly Token[]): readonly Token[] | string {
  const last = template.at(-1)!;
  if (!last.quoted) return template;
  const inside = last.text.replaceAll(/\\(.)/gs, (pair, next) => (next === '"' ? next : pair));
  const fields = tokenize(inside);
  if (typeof fields === 'string') return fields;
  return [...template.slice(0, -1), ...fields.map((field) => ({ ...field, at: last.at }))];
}

const PLACE = /\\\$|\$\$|\$\{([^}]*)\}|\$/g;
const FORMAT = /^([+-]?[0-9]{1,10})(?:,([0-9]{1,3})(?:,([doxXnN]))?)?$/;

/** The text with the number in its places; `\$` and `$$` are a dollar sign. */
function putIn(text: string, number: number): string | undefined {
  let isBroken = false;
  const done = text.replaceAll(PLACE, (place, format?: string) => {
    if (place === '\\$' || place === '$$') return '$';
    if (format === undefined) return String(number);
    const parts = FORMAT.exec(format);
    if (parts === null) isBroken = true;
    else return formatNumber(number + Number(parts[1]), Number(parts[2] ?? 0), parts[3] ?? 'd');
    return '';
  });
  return isBroken ? undefined : done;
}

function formatNumber(value: number, width: number, base: string): string {
  switch (base) {
    case 'o':
      return pad(value, 8, width);
    case 'x':
      return pad(value, 16, width);
    case 'X':
      return pad(value, 16, width).toUpperCase();
    case 'n':
      return nibbles(value, width);
    case 'N':
      return nibbles(value, width).toUpperCase();
    default:
      return pad(value, 10, width);
  }
}

function pad(value: number, radix: number, width: number): string {
  const digits = Math.abs(value).toString(radix);
  return value < 0 ? `-${digits.padStart(width - 1, '0')}` : digits.padStart(width, '0');
}

/** Hexadecimal digits from the lowest, a dot between them, as reverse zones want them; `width` counts dots. */
function nibbles(value: number, width: number): string {
  let text = '';
  let rest = Math.max(0, value);
  do {
    text += (rest % 16).toString(16);
    rest = Math.floor(rest / 16);
    if (rest > 0 || text.length < width) text += '.';
  } while (rest > 0 || text.length < width);
  return text;
}
