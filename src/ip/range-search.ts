/** Values of ranges by address, for those who have time: it takes no memory, where a prefix table takes as much as they. */
import { type Address, addressFromUint32, addressToUint32, bytesToInt32 } from './address.ts';
import type { Ranges } from './ranges.ts';

/** The value at an address. IPv6 addresses that carry an IPv4 address are answered by it (prefix-table.ts). */
export function valueAt(ranges: Ranges, address: Address): number {
  return ownValueAt(ranges, decidingAddress(address));
}

/** The IPv4 address that an IPv6 one carries; any other itself. */
export function decidingAddress(address: Address): Address {
  return (address.family === 6 ? carriedAddress(address.bytes) : undefined) ?? address;
}

function ownValueAt({ starts4, starts6, values4, values6 }: Ranges, address: Address): number {
  if (address.family === 4) {
    const key = addressToUint32(address);
    return values4[lastNotAfter(values4.length, (at) => starts4[at]! - key)]!;
  }
  const words = [0, 4, 8, 12].map((offset) => bytesToInt32(address.bytes, offset) >>> 0);
  const compare = (at: number): number => {
    for (const [index, word] of words.entries()) {
      const difference = starts6[4 * at + index]! - word;
      if (difference !== 0) return difference;
    }
    return 0;
  };
  return values6[lastNotAfter(values6.length, compare)]!;
}

/** The last of `count` ascending things that `compare` does not find after what is sought; the first never is. */
function lastNotAfter(count: number, compare: (at: number) => number): number {
  let [low, high] = [0, count - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (compare(middle) > 0) high = middle - 1;
    else low = middle;
  }
  return low;
}

/** Of IPv4-mapped, NAT64 and 6to4 addresses. */
function carriedAddress(bytes: Uint8Array): Address | undefined {
  const [first, second, third, fourth] = [0, 4, 8, 12].map((at) => bytesToInt32(bytes, at) >>> 0);
  if (first! >>> 16 === 0x2002) {
    return addressFromUint32(((first! << 16) | (second! >>> 16)) >>> 0);
  }
  const isMapped = first === 0 && second === 0 && third === 0xffff;
  const isNat64 = first === 0x64ff9b && second === 0 && third === 0;
  return isMapped || isNat64 ? addressFromUint32(fourth!) : undefined;
}
