import { formatAddress, parseAddress } from '../../ip/address.ts';
import { TYPE_A } from '../constants.ts';
import { fieldCountProblem, problem } from '../rdata-field.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '<IPv4 address>';

/** RFC 1035 3.4.1. */
export const a: RdataType = {
  type: TYPE_A,
  kind: 'A',
  summary: 'IPv4 address of a host',
  syntax,
  layout: undefined,
  parse(tokens) {
    const [address] = tokens;
    if (address === undefined || tokens.length !== 1) {
      return fieldCountProblem('A', syntax, tokens.length);
    }
    const parsed = parseAddress(address.text);
    if (parsed?.family === 4) return { ok: true, rdata: parsed.bytes };
    return parsed === undefined
      ? problem(`"${address.text}" is not an IPv4 address`, 'write four numbers: 192.0.2.1')
      : problem(`"${address.text}" is an IPv6 address`, 'use the type AAAA for it');
  },
  format(rdata) {
    return rdata.length === 4 ? formatAddress({ family: 4, bytes: rdata }) : undefined;
  },
};
