import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

/** Below the ports that Linux gives to sockets that ask for none (ip_local_port_range), and above those of services. */
const [FIRST, END] = [10_240, 32_768];

/**
 * A port of the loopback on which nothing listens, and which no other test gets by binding port 0 or by connecting
 * from it: who connects to such a port over and over may meet himself.
 */
export async function closedPort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    const server = net.createServer().listen(port, '127.0.0.1');
    const [error] = await Promise.race([
      once(server, 'listening'),
      new Promise<[Error]>((done) => server.once('error', (problem) => done([problem]))),
    ]);
    if (error !== undefined) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
