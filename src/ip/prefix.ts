import { type Address, formatAddress, parseAddress } from './address.ts';

/** A network: the bits of `address` after the first `length` are zero. */
export type Prefix = { readonly address: Address; readonly length: number };

/**
 * Reads CIDR notation; a plain address is the network of that one host. Undefined when it is not one or
 * when host bits are set: `10.1.2.3/8` is more often a slip than a wish.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address) return undefined;
  const bits = address.bytes.length * 8;
  if (slash < 0) return { address, length: bits };
  const digits = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  const length = Number(digits);
  if (length > bits || !hostBitsAreZero(address, length)) return undefined;
  return { address, length };
}

/** CIDR notation, always with the length. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.address)}/${prefix.length}`;
}

/** True when the address is in the network; families never mix. */
export function containsAddress(prefix: Prefix, address: Address): boolean {
  if (prefix.address.family !== address.family) return false;
  const { length } = prefix;
  const whole = length >>> 3;
  for (let i = 0; i < whole; i++) {
    if (prefix.address.bytes[i] !== address.bytes[i]) return false;
  }
  const rest = length & 7;
  if (rest === 0) return true;
  return ((prefix.address.bytes[whole]! ^ address.bytes[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}

/** The network of the given length that holds the address. */
export function networkOf(address: Address, length: number): Prefix {
  const bytes = address.bytes.slice();
  for (let i = 0; i < bytes.length; i++) {
    const kept = Math.min(8, Math.max(0, length - 8 * i));
    bytes[i] = bytes[i]! & (0xff00 >>> kept) & 0xff;
  }
  return { address: { family: address.family, bytes }, length };
}

function hostBitsAreZero(address: Address, length: number): boolean {
  const network = networkOf(address, length).address;
  return network.bytes.every((byte, i) => byte === address.bytes[i]);
}
