/** Queries as messages. */
import { encode, type OptAnswer } from 'dns-packet';

/** Those that the encoder knows by name, and others by their octets. */
type PlainOption = { readonly code: number; readonly data: Buffer };
export type Options = readonly (OptAnswer['options'][number] | PlainOption)[];

const DO = 0x8000;

/**
 * One question with EDNS and 1232 octets, as resolvers send them.
 * @param isSigned with DO
 */
export function encodeQuery(
  name: string,
  type: 'A' | 'AAAA',
  options: Options,
  isSigned = false,
): Uint8Array {
  return encode({
    type: 'query',
    questions: [{ type, name }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: isSigned ? DO : 0,
        flag_do: isSigned,
        options: options as OptAnswer['options'],
      },
    ],
  });
}

/** Messages one after the other, each behind its length in two octets. */
export function streamOf(queries: readonly Uint8Array[]): Uint8Array {
  const lengths = queries.map(({ length }) => Uint8Array.of(length >> 8, length & 0xff));
  return Buffer.concat(queries.flatMap((bytes, index) => [lengths[index]!, bytes]));
}
