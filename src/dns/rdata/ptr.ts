import { TYPE_PTR } from '../constants.ts';
import { formatName } from '../name.ts';
import { endsWithName, fieldCountProblem, joinFields, nameField } from '../rdata-field.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '<target name>';

/** RFC 1035 3.3.12. */
export const ptr: RdataType = {
  type: TYPE_PTR,
  kind: 'PTR',
  summary: 'the name that an address belongs to',
  syntax,
  layout: { before: 0, names: 1, compress: true },
  parse(tokens, origin) {
    const [target] = tokens;
    if (target === undefined || tokens.length !== 1) {
      return fieldCountProblem('PTR', syntax, tokens.length);
    }
    return joinFields(nameField(target, 'target', origin));
  },
  format(rdata) {
    return endsWithName(rdata, 0) ? formatName(rdata) : undefined;
  },
};
