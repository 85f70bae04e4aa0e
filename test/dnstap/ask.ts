/** Asks so that the test knows every octet, and the port: by hand, from an address of its own. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';

/** Where a server is asked, and from where. */
export type Way = { readonly address: string; readonly port: number; readonly from: string };

/** @param header of a proxy, before the query */
export async function askUdp(
  { address, from, port }: Way,
  query: Uint8Array,
  header = Buffer.of(),
) {
  const socket = createSocket('udp4');
  socket.bind(0, from);
  await once(socket, 'listening');
  const own = socket.address().port;
  socket.send(Buffer.concat([header, query]), port, address);
  const [reply] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return { protocol: 'UDP', port: own, query: Buffer.from(query), reply };
}

export async function askTcp({ address, from, port }: Way, query: Uint8Array) {
  const socket = connect({ host: address, port, localAddress: from });
  await once(socket, 'connect');
  const own = socket.localPort;
  socket.write(Buffer.concat([Buffer.of(0, query.length), query]));
  let read = Buffer.alloc(0);
  for await (const part of socket) {
    read = Buffer.concat([read, part as Buffer]);
    if (read.length >= 2 && read.length >= 2 + read.readUInt16BE(0)) break;
  }
  return { protocol: 'TCP', port: own, query: Buffer.from(query), reply: read.subarray(2) };
}
