import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Addresses that no other test uses at the same time. All of 127/8 is local on Linux, so a test that
 * draws its own address from it may use any port there; on `::1`, of which there is one, and on
 * systems that have 127.0.0.1 only, the port has to be free.
 */

/** A random address of 127/8, away from 127.0.0.0/16 that people and the quickstart use. */
export function loopbackAddress(): string {
  return `127.${randomInt(64, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
}

/** A port of `address` that is free now for UDP and TCP; undefined when the machine lacks the address. */
export async function freePort(address: string): Promise<number | undefined> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const server = createServer();
    const listening = await settles(server, () => server.listen(0, address));
    if (!listening) return undefined;
    const { port } = server.address() as { port: number };
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const bound = await settles(socket, () => socket.bind(port, address));
    if (bound) socket.close();
    server.close();
    if (bound) return port;
  }
  return undefined;
}

async function settles(emitter: NodeJS.EventEmitter, start: () => unknown): Promise<boolean> {
  const listening = once(emitter, 'listening');
  start();
  return listening.then(
    () => true,
    () => false,
  );
}
