import { TYPE_TXT } from '../constants.ts';
import { type Field, fieldCountProblem, joinFields, problem } from '../rdata-field.ts';
import { CHARACTER_STRING_LENGTH_MAX, quote, type Token, unescapeText } from '../token.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '"text" ["more text" ...]';

/** RFC 1035 3.3.14: one or more character-strings of at most 255 octets. */
export const txt: RdataType = {
  type: TYPE_TXT,
  kind: 'TXT',
  summary: 'text, in strings of at most 255 octets',
  syntax,
  layout: undefined,
  parse(tokens) {
    if (tokens.length === 0) return fieldCountProblem('TXT', syntax, 0);
    return joinFields(...tokens.map(stringField));
  },
  format(rdata) {
    const strings: string[] = [];
    let position = 0;
    while (position < rdata.length) {
      const end = position + 1 + rdata[position]!;
      if (end > rdata.length) return undefined;
      strings.push(quote(rdata.subarray(position + 1, end)));
      position = end;
    }
    return strings.length === 0 ? undefined : strings.join(' ');
  },
};

/** A length octet and the string's octets. */
function stringField(token: Token): Field {
  const octets = unescapeText(token.text);
  if (octets === undefined) {
    return problem(
      `"${token.text}" has a broken escape`,
      'write \\" or \\\\ or \\DDD (000 to 255)',
    );
  }
  if (octets.length > CHARACTER_STRING_LENGTH_MAX) {
    return problem(
      `a string of ${octets.length} octets is longer than ${CHARACTER_STRING_LENGTH_MAX}`,
      'split it into several quoted strings: "first part" "second part"',
    );
  }
  const field = new Uint8Array(1 + octets.length);
  field[0] = octets.length;
  field.set(octets, 1);
  return field;
}
