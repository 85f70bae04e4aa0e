import type { Prefix } from '../ip/prefix.ts';
import type { Client } from './client.ts';

/** True when the source address of the query is in one of the networks; allocates nothing. */
export function isListed(networks: readonly Prefix[], { address, family }: Client): boolean {
  for (const { address: network, length } of networks) {
    if (network.family === family && sharesBits(network.bytes, address, length)) return true;
  }
  return false;
}

function sharesBits(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >>> 3;
  for (let i = 0; i < whole; i++) {
    if (a[i] !== b[i]) return false;
  }
  const rest = bits & 7;
  return rest === 0 || ((a[whole]! ^ b[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}
