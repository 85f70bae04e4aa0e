import { formatAddress, parseAddress } from '../../ip/address.ts';
import { TYPE_AAAA } from '../constants.ts';
import { fieldCountProblem, problem } from '../rdata-field.ts';
import type { RdataType } from './rdata-type.ts';

const syntax = '<IPv6 address>';

/** RFC 3596 2.2. */
export const aaaa: RdataType = {
  type: TYPE_AAAA,
  kind: 'AAAA',
  summary: 'IPv6 address of a host',
  syntax,
  layout: undefined,
  parse(tokens) {
    const [address] = tokens;
    if (address === undefined || tokens.length !== 1) {
      return fieldCountProblem('AAAA', syntax, tokens.length);
    }
    const parsed = parseAddress(address.text);
    if (parsed?.family === 6) return { ok: true, rdata: parsed.bytes };
    return parsed === undefined
      ? problem(`"${address.text}" is not an IPv6 address`, 'write for instance 2001:db8::1')
      : problem(`"${address.text}" is an IPv4 address`, 'use the type A for it');
  },
  format(rdata) {
    return rdata.length === 16 ? formatAddress({ family: 6, bytes: rdata }) : undefined;
  },
};
