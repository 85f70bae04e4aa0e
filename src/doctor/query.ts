import {
  CLASS_IN,
  EDNS_FLAG_DO,
  FLAG_RD,
  OPTION_CLIENT_SUBNET,
  TYPE_OPT,
  UDP_SIZE_DEFAULT,
} from '../dns/constants.ts';
import type { DecodedOption } from '../dns/decode.ts';
import { ECS_FAMILY_IPV4, ECS_FAMILY_IPV6 } from '../dns/ecs.ts';
import type { Prefix } from '../ip/prefix.ts';

/** A question as a check wants it asked, odd ones included. */
export type Question = {
  /** Uncompressed wire form. */
  readonly name: Uint8Array;
  readonly type: number;
  /** RD: for resolvers only. */
  readonly recursion?: boolean;
  /** Undefined = a query without OPT. */
  readonly edns?: {
    readonly version?: number;
    readonly dnssecOk?: boolean;
    readonly options?: readonly DecodedOption[];
  };
};

/** The octets of a query of class IN (RFC 1035 4.1, RFC 6891 6.1.2), with room for 1232 octets in OPT. */
export function writeQuery(id: number, { name, type, recursion, edns }: Question): Uint8Array {
  const flags = recursion === true ? FLAG_RD : 0;
  const counts = [1, 0, 0, edns === undefined ? 0 : 1];
  const octets = [...[id, flags, ...counts].flatMap(word), ...name, ...word(type)];
  octets.push(...word(CLASS_IN));
  if (edns !== undefined) {
    const { dnssecOk, options = [], version = 0 } = edns;
    const values = options.flatMap(({ code, value }) => [
      ...word(code),
      ...word(value.length),
      ...value,
    ]);
    octets.push(0, ...word(TYPE_OPT), ...word(UDP_SIZE_DEFAULT), 0, version);
    octets.push(...word(dnssecOk === true ? EDNS_FLAG_DO : 0), ...word(values.length), ...values);
  }
  return Uint8Array.from(octets);
}

/** The client subnet of a query: no more octets than SOURCE needs, scope 0 (RFC 7871 6). */
export function subnetOption({ address, length }: Prefix): DecodedOption {
  const family = address.family === 4 ? ECS_FAMILY_IPV4 : ECS_FAMILY_IPV6;
  const kept = address.bytes.subarray(0, Math.ceil(length / 8));
  return { code: OPTION_CLIENT_SUBNET, value: Uint8Array.of(0, family, length, 0, ...kept) };
}

const word = (value: number): number[] => [value >> 8, value & 0xff];
