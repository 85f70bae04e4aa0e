import { parseAddress } from './address.ts';

/** Who sent something: one mutable record, filled anew for each, so that nothing is allocated. */
export type Source = {
  family: 4 | 6;
  /** 4 or 16 bytes used. */
  readonly address: Uint8Array;
  port: number;
};

/**
 * Puts a textual source address into the record. Dotted quads, the common case, are read in place;
 * an IPv6 address may carry a zone (`%eth0`), which is not part of it.
 */
export function setSourceAddress(source: Source, text: string, isIpv6: boolean): void {
  source.family = isIpv6 ? 6 : 4;
  if (isIpv6) {
    const zone = text.indexOf('%');
    const parsed = parseAddress(zone === -1 ? text : text.slice(0, zone));
    if (parsed) source.address.set(parsed.bytes);
    return;
  }
  let octet = 0;
  let index = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      source.address[index] = octet;
      index += 1;
      octet = 0;
    } else octet = octet * 10 + (code - DIGIT_0);
  }
  source.address[index] = octet;
}

const DOT = 0x2e;
const DIGIT_0 = 0x30;
