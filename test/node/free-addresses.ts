import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closedPort } from '../closed-port.ts';

/**
 * Addresses that no other test uses at the same time. All of 127/8 is local on Linux, so a test that
 * draws its own address from it may use any port there; on `::1`, of which there is one, and on
 * systems that have 127.0.0.1 only, the port has to be free.
 */

/** A random address of 127/8, away from 127.0.0.0/16 that people and the quickstart use. */
export function loopbackAddress(): string {
  return `127.${randomInt(64, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
}

/** A port on which nobody listens, by UDP or TCP; rejects when the machine lacks the address. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = await closedPort(address);
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4').bind(port, address);
    const isFree = await once(socket, 'listening').then(
      () => true,
      () => false,
    );
    socket.close();
    if (isFree) return port;
  }
}
