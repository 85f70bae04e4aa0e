import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';

/** A program that listens and has been stopped, with as many connections in its queue as that takes. @param at the port, 0 = any */
export async function startSilent(at = 0) {
  const script = `require('net').createServer().listen({ host: '127.0.0.1', port: ${at}, backlog: 1 },
    function () { console.log(this.address().port); })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  const queued = Array.from({ length: 4 }, () => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    return socket;
  });
  await Promise.race(queued.map((socket) => once(socket, 'connect')));
  return {
    port,
    close(): void {
      child.kill('SIGKILL');
      for (const socket of queued) socket.destroy();
    },
  };
}
