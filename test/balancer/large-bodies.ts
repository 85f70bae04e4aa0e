import { once } from 'node:events';
import net from 'node:net';
import type { BalancerProcess } from './process.ts';

/** Long bodies of nothing in particular, and how much memory a balancer's process takes to pass them on. */

export const MB = 1024 * 1024;
/** A young heap that has not been collected yet, buffers of kernel size, and the collector's laziness. */
export const GROWTH_MAX = 128 * MB;
const BLOCK = Buffer.alloc(64 * 1024, 'x');
/** How often the process is looked at: every so many octets. */
const LOOK_EVERY = 8 * MB;

/** Sends `octets` with back-pressure. */
export function pour(socket: net.Socket, octets: number): void {
  let left = octets;
  const pump = (): void => {
    while (left > 0) {
      const length = Math.min(left, BLOCK.length);
      left -= length;
      if (!socket.write(BLOCK.subarray(0, length))) return;
    }
    socket.off('drain', pump);
  };
  socket.on('drain', pump);
  pump();
}

/** A server: GET gets a body of so many octets; those of a POST are counted, and its end is told. */
export async function startBodies(bodyOctets: number): Promise<net.Server> {
  const server = net.createServer((socket) => {
    let head = '';
    let got = 0;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      if (!head.includes('\r\n\r\n')) {
        head += bytes.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        got = head.length - end - 4;
        if (head.startsWith('GET ')) {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyOctets}\r\n\r\n`);
          pour(socket, bodyOctets);
        }
      } else got += bytes.length;
      if (head.startsWith('POST ') && got === bodyOctets) {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone`);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Looks at the process now and then. @returns the most that it held */
async function most(balancer: BalancerProcess, socket: net.Socket, total: number): Promise<number> {
  let held = 0;
  let looked = 0;
  const look = (octets: number): void => {
    if (octets - looked < LOOK_EVERY) return;
    looked = octets;
    held = Math.max(held, balancer.heldBytes());
  };
  let came = 0;
  socket.on('data', (bytes: Buffer) => {
    came += bytes.length;
    look(came);
  });
  socket.on('drain', () => look(socket.bytesWritten));
  while (came < total) await once(socket, 'data');
  socket.destroy();
  return Math.max(held, balancer.heldBytes());
}

/**
 * A download, then an upload, through the process.
 * @returns the most that the process held during each, more than before
 */
export async function passBodies(
  balancer: BalancerProcess,
  octets: number,
): Promise<Readonly<Record<'download' | 'upload', number>>> {
  const before = balancer.heldBytes();
  const open = (head: string): net.Socket => {
    const socket = net.connect(balancer.port, '127.0.0.1');
    socket.write(head);
    return socket;
  };
  const down = open('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const download = (await most(balancer, down, octets)) - before;
  const up = open(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${octets}\r\n\r\n`);
  pour(up, octets);
  const upload = (await most(balancer, up, 'HTTP/1.1 200 OK'.length)) - before;
  return { download, upload };
}
