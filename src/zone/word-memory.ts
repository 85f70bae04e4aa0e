/** Memory that threads share, for so many signed words; all are 0. */
export const sharedWords = (count: number): Int32Array<SharedArrayBuffer> =>
  new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
