import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';

/**
 * A text that is kept for long and read seldom: compressed as soon as that is done, on a thread of
 * the pool, and as it was until then (and should compressing fail).
 */
export type PackedText = {
  /** Octets once it is compressed, or characters if that failed; 0 until one of the two is known. */
  size(): number;
  text(): Promise<string>;
  /** Its size is known. */
  readonly settled: Promise<void>;
};

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export function packText(text: string): PackedText {
  let plain: string | undefined = text;
  let packed = Buffer.alloc(0);
  let size = 0;
  const settled = compress(text).then(
    (bytes) => {
      packed = bytes;
      plain = undefined;
      size = bytes.length;
    },
    () => {
      size = text.length;
    },
  );
  return {
    settled,
    size: () => size,
    text: async () => plain ?? (await decompress(packed)).toString(),
  };
}
