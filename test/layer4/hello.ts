import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';

/** What OpenSSL really sends for this name. */
export async function helloOf(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const client = tls.connect({ ...options, host: '127.0.0.1', port });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

/** The same content in records of `length` octets. */
export function inRecords(hello: Uint8Array, length: number): Uint8Array {
  const content = hello.subarray(5);
  const records: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += length) {
    const piece = content.subarray(at, at + length);
    records.push(Uint8Array.of(22, 3, 1, piece.length >> 8, piece.length & 0xff), piece);
  }
  return Buffer.concat(records);
}
