/**
 * Memory that threads share, for many short runs of octets that stay: a hundred thousand small zones in a few
 * large pieces, as each piece costs as much as a small zone and has to be handed over.
 */
export type OctetPieces = {
  /** Room for exactly so many octets, from `at` on. */
  take(length: number): { readonly bytes: Uint8Array; readonly at: number };
};

const PIECE_LENGTH = 4 * 1024 * 1024;
/** What is larger gets a piece of its own. */
const SHARING_LENGTH_MAX = PIECE_LENGTH / 16;
/** The first piece: who reads one zone should not pay for thousands. */
const FIRST_LENGTH = 16 * 1024;

export function createOctetPieces(): OctetPieces {
  let piece: Uint8Array = new Uint8Array();
  let used = 0;
  let nextLength = FIRST_LENGTH;
  return {
    take(length) {
      if (length > SHARING_LENGTH_MAX) {
        return { bytes: new Uint8Array(new SharedArrayBuffer(length)), at: 0 };
      }
      if (used + length > piece.length) {
        piece = new Uint8Array(new SharedArrayBuffer(Math.max(length, nextLength)));
        nextLength = Math.min(PIECE_LENGTH, nextLength * 4);
        used = 0;
      }
      used += length;
      return { bytes: piece, at: used - length };
    },
  };
}
