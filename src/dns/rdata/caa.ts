import { TYPE_CAA } from '../constants.ts';
import { type Field, fieldCountProblem, joinFields, numberField, problem } from '../rdata-field.ts';
import { quote, type Token, unescapeText } from '../token.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '<flags> <tag> "<value>"';
/** Tags are ASCII letters and digits (RFC 8659 4.1). */
const TAG = /^[A-Za-z0-9]{1,255}$/;

/** RFC 8659 4: which certificate authorities may issue for a name. */
export const caa: RdataType = {
  type: TYPE_CAA,
  kind: 'CAA',
  summary: 'certificate authority that may issue for a name',
  syntax,
  layout: undefined,
  parse(tokens) {
    const [flags, tag, value] = tokens;
    if (flags === undefined || tag === undefined || value === undefined || tokens.length !== 3) {
      return fieldCountProblem('CAA', syntax, tokens.length);
    }
    return joinFields(numberField(flags, 'flags', 1), tagField(tag), valueField(value));
  },
  format(rdata) {
    const tagEnd = 2 + (rdata[1] ?? 0);
    if (rdata.length < 2 || tagEnd > rdata.length) return undefined;
    const tag = String.fromCharCode(...rdata.subarray(2, tagEnd));
    if (!TAG.test(tag)) return undefined;
    return `${rdata[0]!} ${tag} ${quote(rdata.subarray(tagEnd))}`;
  },
};

function tagField(token: Token): Field {
  if (!TAG.test(token.text)) {
    return problem(
      `tag "${token.text}" is not letters and digits`,
      'for instance issue, issuewild',
    );
  }
  const field = new Uint8Array(1 + token.text.length);
  field[0] = token.text.length;
  for (let index = 0; index < token.text.length; index += 1) {
    field[1 + index] = token.text.charCodeAt(index);
  }
  return field;
}

function valueField(token: Token): Field {
  return unescapeText(token.text) ?? problem(`value "${token.text}" has a broken escape`);
}
