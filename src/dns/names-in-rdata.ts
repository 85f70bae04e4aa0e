import { rdataByType } from './rdata/registry.ts';

/** A name in uncompressed rdata: rdata.subarray(at, end). */
export type NameInRdata = {
  readonly at: number;
  readonly end: number;
  /** A writer may compress it (RFC 3597 4). */
  readonly compress: boolean;
};

/** The names in rdata of a type, in order; none from where the octets are not the type's. */
export function namesIn(type: number, rdata: Uint8Array): readonly NameInRdata[] {
  const names: NameInRdata[] = [];
  let at = 0;
  for (const field of rdataByType(type)?.fields ?? []) {
    const end = field.end(rdata, at);
    if (end < at || end > rdata.length) break;
    if (field.name) names.push({ at, end, compress: field.name.compress });
    at = end;
  }
  return names;
}
