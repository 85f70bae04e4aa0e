/** Builds query bytes by hand for tests, so that every field can be wrong on purpose. */

export type QuerySpec = {
  readonly id?: number;
  readonly flags?: number;
  readonly counts?: readonly [number, number, number, number];
  /** Question bytes: name, type, class. Default www.Example.com A IN. */
  readonly question?: readonly number[];
  /** Bytes of the records behind the question. */
  readonly records?: readonly (readonly number[])[];
};

export const QUESTION = [
  ...[3, ...ascii('www'), 7, ...ascii('Example'), 3, ...ascii('com'), 0],
  ...[0, 1, 0, 1],
] as const;

/** ARCOUNT defaults to the number of records. */
export function buildQuery(spec: QuerySpec = {}): Uint8Array {
  const { id = 0x1234, flags = 0x0100, question = QUESTION, records = [] } = spec;
  const counts = spec.counts ?? [1, 0, 0, records.length];
  return Uint8Array.from([
    ...word(id),
    ...word(flags),
    ...counts.flatMap(word),
    ...question,
    ...records.flat(),
  ]);
}

/** An OPT record; `ttl` holds extended RCODE, version and flags. */
export function opt(options: readonly number[] = [], udpSize = 1232, ttl = [0, 0, 0, 0]): number[] {
  return [0, ...word(41), ...word(udpSize), ...ttl, ...word(options.length), ...options];
}

export function option(code: number, value: readonly number[]): number[] {
  return [...word(code), ...word(value.length), ...value];
}

/** A client subnet option with these bytes behind FAMILY. */
export function ecs(
  family: number,
  source: number,
  scope: number,
  address: readonly number[],
): number[] {
  return option(8, [...word(family), source, scope, ...address]);
}

export function record(owner: readonly number[], type: number, rdata: readonly number[]): number[] {
  return [...owner, ...word(type), 0, 1, 0, 0, 0, 60, ...word(rdata.length), ...rdata];
}

export function word(value: number): number[] {
  return [value >> 8, value & 0xff];
}

export function ascii(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

/** Bytes of hexadecimal text; blanks and everything from `#` to the end of a line are ignored. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, ''), 'hex'));
}
