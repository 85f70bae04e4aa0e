import { TYPE_SRV } from '../constants.ts';
import { formatName } from '../name.ts';
import {
  endsWithName,
  fieldCountProblem,
  joinFields,
  nameField,
  numberField,
} from '../rdata-field.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '<priority> <weight> <port> <target>';

/** RFC 2782. The target is never compressed ("name compression is not to be used for this field"). */
export const srv: RdataType = {
  type: TYPE_SRV,
  kind: 'SRV',
  summary: 'host and port of a service',
  syntax,
  layout: { before: 6, names: 1, compress: false },
  parse(tokens, origin) {
    const [priority, weight, port, target] = tokens;
    if (
      priority === undefined ||
      weight === undefined ||
      port === undefined ||
      target === undefined ||
      tokens.length !== 4
    ) {
      return fieldCountProblem('SRV', syntax, tokens.length);
    }
    return joinFields(
      numberField(priority, 'priority', 2),
      numberField(weight, 'weight', 2),
      numberField(port, 'port', 2),
      nameField(target, 'target', origin),
    );
  },
  format(rdata) {
    if (!endsWithName(rdata, 6)) return undefined;
    const view = new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength);
    const numbers = [view.getUint16(0), view.getUint16(2), view.getUint16(4)];
    return `${numbers.join(' ')} ${formatName(rdata, 6)}`;
  },
};
