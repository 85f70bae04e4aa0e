/**
 * CRC32C (Castagnoli; RFC 3720 appendix B.4, and RFC 9260 appendix A for SCTP): the checksum of PROXY headers.
 * @param holeAt four octets from here on count as zero: where the checksum itself stands; -1 = none
 * @returns an unsigned number of 32 bits
 */
export function crc32c(bytes: Uint8Array, end: number, holeAt: number): number {
  let rest = 0xffff_ffff;
  for (let at = 0; at < end; at += 1) {
    const isHole = holeAt >= 0 && at >= holeAt && at < holeAt + CHECKSUM_LENGTH;
    rest = (rest >>> 8) ^ TABLE[(rest ^ (isHole ? 0 : bytes[at]!)) & 0xff]!;
  }
  return (rest ^ 0xffff_ffff) >>> 0;
}

export const CHECKSUM_LENGTH = 4;

/** 0x1EDC6F41 with its bits in reverse. */
const POLYNOMIAL = 0x82f6_3b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, octet) => {
  let value = octet;
  for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL : 0);
  return value;
});
