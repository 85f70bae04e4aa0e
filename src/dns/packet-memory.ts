/** Memory that messages lie in, as octets and as words of 32 bits. Every message in it begins at a whole word. */
export type PacketMemory = { readonly bytes: Uint8Array; readonly words: Int32Array };
