/**
 * The signatures of a table's RRsets, made before anybody asks for them: for each row of `rrsets` where its
 * RRSIG records lie, as they appear on the wire when the owner is the question's name. Apart from the table,
 * for they are renewed while it stays.
 */
export type ZoneSignatures = {
  /** SIGNATURE_WORDS for each row of `rrsets`. */
  readonly index: Int32Array;
  readonly arena: Uint8Array;
};

export const SIGNATURE_WORDS = 2;
/** Offset and length in the arena; length 0 = the RRset is not signed. */
export const SIGNATURE_OFFSET = 0;
export const SIGNATURE_LENGTH = 1;

/** Lays them out in memory that threads share. @param records by row; undefined = not signed */
export function packSignatures(records: readonly (Uint8Array | undefined)[]): ZoneSignatures {
  const length = records.reduce((sum, one) => sum + (one?.length ?? 0), 0);
  const arena = new Uint8Array(new SharedArrayBuffer(length));
  const index = new Int32Array(new SharedArrayBuffer(records.length * SIGNATURE_WORDS * 4));
  let at = 0;
  for (const [row, one] of records.entries()) {
    if (one === undefined) continue;
    arena.set(one, at);
    index[row * SIGNATURE_WORDS + SIGNATURE_OFFSET] = at;
    index[row * SIGNATURE_WORDS + SIGNATURE_LENGTH] = one.length;
    at += one.length;
  }
  return { index, arena };
}
