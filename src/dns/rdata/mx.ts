import { TYPE_MX } from '../constants.ts';
import { formatName } from '../name.ts';
import {
  endsWithName,
  fieldCountProblem,
  joinFields,
  nameField,
  numberField,
} from '../rdata-field.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '<preference> <mail host>';

/** RFC 1035 3.3.9; `0 .` says that there is no mail here (RFC 7505). */
export const mx: RdataType = {
  type: TYPE_MX,
  kind: 'MX',
  summary: 'host that takes mail for a domain',
  syntax,
  layout: { before: 2, names: 1, compress: true },
  parse(tokens, origin) {
    const [preference, host] = tokens;
    if (preference === undefined || host === undefined || tokens.length !== 2) {
      return fieldCountProblem('MX', syntax, tokens.length);
    }
    return joinFields(
      numberField(preference, 'preference', 2),
      nameField(host, 'mail host', origin),
    );
  },
  format(rdata) {
    if (!endsWithName(rdata, 2)) return undefined;
    return `${(rdata[0]! << 8) | rdata[1]!} ${formatName(rdata, 2)}`;
  },
};
