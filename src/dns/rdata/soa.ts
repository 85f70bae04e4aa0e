import { TYPE_SOA } from '../constants.ts';
import { formatName, nameLength } from '../name.ts';
import { fieldCountProblem, joinFields, nameField, numberField } from '../rdata-field.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '<mname> <rname> <serial> <refresh> <retry> <expire> <minimum>';
const numbers = ['serial', 'refresh', 'retry', 'expire', 'minimum'] as const;

/** RFC 1035 3.3.13; minimum is the negative TTL (RFC 2308 4). Times are whole seconds. */
export const soa: RdataType = {
  type: TYPE_SOA,
  kind: 'SOA',
  summary: 'start of a zone: its primary, contact, serial and timers',
  syntax,
  layout: { before: 0, names: 2, compress: true },
  parse(tokens, origin) {
    const [mname, rname, ...rest] = tokens;
    if (mname === undefined || rname === undefined || rest.length !== numbers.length) {
      return fieldCountProblem('SOA', syntax, tokens.length);
    }
    return joinFields(
      nameField(mname, 'mname', origin),
      nameField(rname, 'rname', origin),
      ...rest.map((token, index) => numberField(token, numbers[index]!, 4)),
    );
  },
  format(rdata) {
    const mname = nameLength(rdata, 0, rdata.length);
    if (mname < 0) return undefined;
    const rname = nameLength(rdata, mname, rdata.length);
    const start = mname + rname;
    if (rname < 0 || rdata.length !== start + 4 * numbers.length) return undefined;
    const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength);
    const values = numbers.map((_, index) => view.getUint32(start + 4 * index));
    return `${formatName(rdata)} ${formatName(rdata, mname)} ${values.join(' ')}`;
  },
};
