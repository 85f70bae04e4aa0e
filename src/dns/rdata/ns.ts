import { TYPE_NS } from '../constants.ts';
import { formatName } from '../name.ts';
import { endsWithName, fieldCountProblem, joinFields, nameField } from '../rdata-field.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '<name of the nameserver>';

/** RFC 1035 3.3.11. */
export const ns: RdataType = {
  type: TYPE_NS,
  kind: 'NS',
  summary: 'nameserver of a zone',
  syntax,
  layout: { before: 0, names: 1, compress: true },
  parse(tokens, origin) {
    const [target] = tokens;
    if (target === undefined || tokens.length !== 1) {
      return fieldCountProblem('NS', syntax, tokens.length);
    }
    return joinFields(nameField(target, 'nameserver', origin));
  },
  format(rdata) {
    return endsWithName(rdata, 0) ? formatName(rdata) : undefined;
  },
};
