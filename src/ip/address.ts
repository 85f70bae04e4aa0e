/**
 * IP addresses as bytes in network order. Text is parsed strictly, because one address must have one
 * meaning everywhere: `010.0.0.1` is octal to some programs and decimal to others, so it is refused,
 * and so are zone ids (`fe80::1%eth0`), which mean something on one host only.
 */
export type Address = { readonly family: 4 | 6; readonly bytes: Uint8Array };

const GROUPS = 8;
const LONGEST_TEXT = 45;

/** Reads dotted IPv4 or any RFC 4291 section 2.2 form of IPv6; undefined when it is neither. */
export function parseAddress(text: string): Address | undefined {
  if (text.length === 0 || text.length > LONGEST_TEXT) return undefined;
  if (!text.includes(':')) {
    const bytes = parseDotted(text);
    return bytes && { family: 4, bytes };
  }
  const bytes = parseColons(text);
  return bytes && { family: 6, bytes };
}

/** The canonical text: RFC 5952 for IPv6, with IPv4-mapped addresses in mixed notation (section 5). */
export function formatAddress(address: Address): string {
  const { bytes } = address;
  if (address.family === 4) return formatDotted(bytes, 0);
  if (isMapped(bytes)) return `::ffff:${formatDotted(bytes, 12)}`;
  const groups: number[] = [];
  for (let i = 0; i < GROUPS; i++) groups.push((bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  const run = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (run.length < 2) return hex.join(':');
  const left = hex.slice(0, run.start).join(':');
  const right = hex.slice(run.start + run.length).join(':');
  return `${left}::${right}`;
}

/** The text of the IPv4 address whose four bytes begin at `offset`; a fifth of the cost of `join`. */
export const formatDotted = (bytes: Uint8Array, offset: number): string =>
  `${DOTTED[bytes[offset]!]!}${DOTTED[bytes[offset + 1]!]!}${DOTTED[bytes[offset + 2]!]!}${bytes[offset + 3]!}`;

const DOTTED: readonly string[] = Array.from({ length: 256 }, (_, byte) => `${byte}.`);

/** True for 127.0.0.0/8 and ::1, also when IPv4-mapped. */
export function isLoopback(address: Address): boolean {
  const { bytes } = address;
  if (address.family === 4) return bytes[0] === 127;
  if (isMapped(bytes)) return bytes[12] === 127;
  return bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/**
 * True when the address says nothing about where a client is: this host, loopback, link-local, private
 * and carrier-grade NAT space. Documentation networks are not private, so that examples and tests can
 * use them as if they were clients.
 */
export function isPrivate(address: Address): boolean {
  return privateScope(address.family, address.bytes, 0) >= 0;
}

/** The blocks of privateScope() in CIDR notation. IPv4-mapped ones belong to those that they map. */
export const PRIVATE_NETWORKS = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.168.0.0/16', '::/128', '::1/128', 'fc00::/7', 'fe80::/10'],
] as const;

/**
 * The length in bits of the special-use block (RFC 6890) that holds the address at `offset`, or -1 when
 * the address is globally meaningful. A client subnet from such a block is answered by the resolver's
 * own address, with this scope (RFC 7871 section 11.1). Allocates nothing.
 */
export function privateScope(family: 4 | 6, bytes: Uint8Array, offset: number): number {
  if (family === 4) return privateScope4(bytesToInt32(bytes, offset));
  const first = bytesToInt32(bytes, offset);
  if (first >>> 25 === 0xfc >>> 1) return 7; // fc00::/7, RFC 4193
  if (first >>> 22 === 0xfe80 >>> 6) return 10; // fe80::/10, RFC 4291
  if (first !== 0 || bytesToInt32(bytes, offset + 4) !== 0) return -1;
  const third = bytesToInt32(bytes, offset + 8);
  const last = bytesToInt32(bytes, offset + 12);
  if (third === 0) return last >>> 1 === 0 ? 128 : -1; // :: and ::1
  if (third !== 0xffff) return -1;
  const mapped = privateScope4(last);
  return mapped < 0 ? -1 : mapped + 96;
}

/** The address as an unsigned 32-bit number; of an IPv6 address, its first 32 bits. */
export function addressToUint32(address: Address): number {
  return bytesToUint32(address.bytes, 0);
}

/** Four bytes in network order as an unsigned 32-bit number, which from 2^31 on may be a heap object. */
export function bytesToUint32(bytes: Uint8Array, offset: number): number {
  return bytesToInt32(bytes, offset) >>> 0;
}

/** The same as a signed number. Allocates nothing. */
export function bytesToInt32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset]! << 24) |
    (bytes[offset + 1]! << 16) |
    (bytes[offset + 2]! << 8) |
    bytes[offset + 3]!
  );
}

/** The IPv4 address with this number. */
export function addressFromUint32(value: number): Address {
  const bytes = Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  return { family: 4, bytes };
}

/** The IPv6 address with these four 32-bit words. */
export function addressFromWords(words: Uint32Array): Address {
  const bytes = new Uint8Array(2 * GROUPS);
  for (let i = 0; i < bytes.length; i++) bytes[i] = words[i >>> 2]! >>> (24 - 8 * (i & 3));
  return { family: 6, bytes };
}

function privateScope4(value: number): number {
  switch (value >>> 24) {
    case 0: // "this network", RFC 791
    case 10: // RFC 1918
    case 127: // loopback, RFC 1122
      return 8;
    case 100: // carrier-grade NAT, RFC 6598
      return ((value >>> 22) & 3) === 1 ? 10 : -1;
    case 169: // link-local, RFC 3927
      return ((value >>> 16) & 255) === 254 ? 16 : -1;
    case 172: // RFC 1918
      return ((value >>> 20) & 15) === 1 ? 12 : -1;
    case 192: // RFC 1918
      return ((value >>> 16) & 255) === 168 ? 16 : -1;
    default:
      return -1;
  }
}

export function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 255 && bytes[11] === 255;
}

function parseDotted(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return undefined;
    const value = Number(part);
    if (value > 255) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

function parseColons(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const abbreviated = halves.length === 2;
  const left = parseGroups(halves[0]!, !abbreviated);
  const right = abbreviated ? parseGroups(halves[1]!, true) : [];
  if (!left || !right) return undefined;
  const written = left.length + right.length;
  // "::" stands for at least one group of zeros (RFC 4291 section 2.2).
  if (abbreviated ? written >= GROUPS : written !== GROUPS) return undefined;
  const bytes = new Uint8Array(2 * GROUPS);
  const write = (group: number, at: number): void => {
    bytes[2 * at] = group >>> 8;
    bytes[2 * at + 1] = group & 255;
  };
  for (const [i, group] of left.entries()) write(group, i);
  for (const [i, group] of right.entries()) write(group, GROUPS - right.length + i);
  return bytes;
}

/** Sixteen-bit groups; only the end of an address may be in dotted notation. */
function parseGroups(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const dotted = isEnd && i === parts.length - 1 ? parseDotted(part) : undefined;
    if (!dotted) return undefined;
    groups.push((dotted[0]! << 8) | dotted[1]!, (dotted[2]! << 8) | dotted[3]!);
  }
  return groups;
}

/** The first of the longest runs, as RFC 5952 section 4.2.3 asks. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    if (end > start) start = end;
  }
  return best;
}
