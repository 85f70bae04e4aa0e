import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { eventually } from './rig.ts';

/** Real sockets of UDP on both sides of layer 4. */

export async function bound(port = 0) {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** Answers each datagram `times` times with its name and what it heard, and notes who asked. */
export async function startUdpEcho(name: string, times = 1) {
  const socket = await bound();
  const peers = new Set<number>();
  socket.on('message', (bytes, { port }: RemoteInfo) => {
    peers.add(port);
    for (let at = 0; at < times; at += 1) socket.send(`${name}:${bytes}`, port, '127.0.0.1');
  });
  return { port: socket.address().port, peers, close: () => socket.close() };
}

export async function startUdpClient(port: number, address = '127.0.0.1') {
  const socket = await bound();
  const heard: string[] = [];
  socket.on('message', (bytes, from: RemoteInfo) => {
    // From where it was sent to, or no client would take it.
    heard.push(from.port === port && from.address === address ? String(bytes) : 'stranger');
  });
  return {
    heard,
    send: (text: string): void => socket.send(text, port, address),
    async ask(text: string): Promise<string> {
      const before = heard.length;
      socket.send(text, port, address);
      await eventually(() => heard.length > before, `an answer to ${text}`);
      return heard.at(-1)!;
    },
    close: () => socket.close(),
  };
}
