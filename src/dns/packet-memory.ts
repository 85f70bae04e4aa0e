/**
 * Memory that messages lie in: as octets, as words of 32 bits, and as words that begin anywhere. Every message in it
 * begins at a whole word. The words are used on machines that have the lowest octet first, and only there.
 */
export type PacketMemory = {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
};

/** @param memory whole words */
export function packetMemory(memory: ArrayBuffer): PacketMemory {
  return {
    bytes: new Uint8Array(memory),
    words: new Int32Array(memory),
    view: new DataView(memory),
  };
}

/** The word that begins at an octet, as it would stand in `words`. */
export const wordAt = (view: DataView, at: number): number => view.getInt32(at, true);

export function setWord(view: DataView, at: number, word: number): void {
  view.setInt32(at, word, true);
}

/** Copies whole words to where none has to begin: a quarter of the steps that octets take. */
export function copyWords(
  view: DataView,
  to: number,
  words: Int32Array,
  from: number,
  count: number,
): void {
  for (let index = 0; index < count; index += 1)
    setWord(view, to + 4 * index, words[from + index]!);
}
