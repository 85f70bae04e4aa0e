import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

/** Below the ports that Linux gives to sockets that ask for none (ip_local_port_range), and above those of services. */
const [FIRST, END] = [10_240, 32_768];
/** Then something else is wrong than that others have them. */
const TRIES_MAX = 100;

/**
 * A port on which nothing listens by TCP, and which no other test gets by binding port 0 or by connecting from it:
 * who connects to such a port over and over may meet himself. Rejects when the machine lacks the address.
 */
export async function closedPort(address = '127.0.0.1'): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = randomInt(FIRST, END);
    const server = net.createServer().listen(port, address);
    try {
      await once(server, 'listening');
    } catch (error) {
      if (tries < TRIES_MAX && (error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
