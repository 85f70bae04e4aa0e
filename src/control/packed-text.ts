import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';

/**
 * A text that is kept for long and read seldom: compressed as soon as that is done, on a thread of
 * the pool, and as it was until then (and should compressing fail).
 */
export type PackedText = {
  /** Characters, or octets once it is compressed. */
  size(): number;
  text(): Promise<string>;
};

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export function packText(text: string): PackedText {
  let plain: string | undefined = text;
  let packed = Buffer.alloc(0);
  compress(text).then(
    (bytes) => {
      packed = bytes;
      plain = undefined;
    },
    () => {},
  );
  return {
    size: () => plain?.length ?? packed.length,
    text: async () => plain ?? (await decompress(packed)).toString(),
  };
}
