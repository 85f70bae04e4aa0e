import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { BalancerProcess } from './process.ts';
import { ENGINES, startBalancerProcess } from './process.ts';
import { snapshotOf } from './rig.ts';

/** What passes through is never held: a process that hands on a large body stays as small as before. */

const MB = 1024 * 1024;
const BODY_OCTETS = 256 * MB;
/** A young heap that has not been collected yet, buffers of kernel size, and the collector's laziness. */
const GROWTH_MAX = 128 * MB;
const BLOCK = Buffer.alloc(64 * 1024, 'x');
/** How often the process is looked at: every so many octets. */
const LOOK_EVERY = 8 * MB;

/** Sends `octets` with back-pressure. */
function pour(socket: net.Socket, octets: number): void {
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

/** GET gets a long body; of a POST the octets are counted and told. */
async function startOrigin(): Promise<net.Server> {
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
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY_OCTETS}\r\n\r\n`);
          pour(socket, BODY_OCTETS);
        }
      } else got += bytes.length;
      if (head.startsWith('POST ') && got === BODY_OCTETS) {
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

for (const engine of ENGINES) {
  test(`a download and an upload of ${BODY_OCTETS / MB} MiB leave memory flat, ${engine}`, async (t) => {
    const origin = await startOrigin();
    const { port } = origin.address() as AddressInfo;
    const balancer = await startBalancerProcess(snapshotOf({ servers: [port] }), engine);
    t.after(() => Promise.all([balancer.kill(), origin.close()]));
    const before = balancer.heldBytes();
    const open = (head: string): net.Socket => {
      const socket = net.connect(balancer.port, '127.0.0.1');
      socket.write(head);
      return socket;
    };
    const down = open('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const downMost = await most(balancer, down, BODY_OCTETS);
    const up = open(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY_OCTETS}\r\n\r\n`);
    pour(up, BODY_OCTETS);
    const upMost = await most(balancer, up, 'HTTP/1.1 200 OK'.length);
    for (const [what, held] of [
      ['download', downMost],
      ['upload', upMost],
    ] as const) {
      t.diagnostic(`${what}: ${Math.round((held - before) / MB)} MiB more than before`);
      assert.ok(held - before < GROWTH_MAX, `${what}: from ${before} to ${held} octets`);
    }
  });
}
