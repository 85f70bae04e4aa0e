import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import { Packet } from 'dns2';

/** The answer to a query: records as dns2 writes them, and header bits. */
export type DnsAnswer = {
  readonly records?: readonly { readonly type: number; readonly [field: string]: unknown }[];
  readonly header?: Readonly<Record<string, number>>;
};

export function answerTo(query: Buffer, { header = {}, records = [] }: DnsAnswer): Buffer {
  const request = Packet.parse(query);
  const response = Packet.createResponseFromRequest(request);
  Object.assign(response.header, header);
  const name = request.questions[0]?.name ?? '';
  for (const record of records) {
    response.answers.push({ name, class: Packet.CLASS.IN, ttl: 5, ...record } as never);
  }
  return response.toBuffer();
}

export const a = (address: string) => ({ type: Packet.TYPE.A, address });

export type UdpFixture = {
  readonly port: number;
  readonly sources: readonly string[];
  readonly queries: readonly Buffer[];
};

/** A UDP server that does `onQuery` with every datagram; closed at the end of the test. */
export async function serveUdp(
  t: TestContext,
  onQuery: (query: Buffer, reply: (bytes: Buffer) => void, socket: Socket) => void,
  host = '127.0.0.1',
  wantedPort = 0,
): Promise<UdpFixture> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const sources: string[] = [];
  const queries: Buffer[] = [];
  socket.on('message', (query, { address, port }) => {
    sources.push(address);
    queries.push(query);
    onQuery(query, (bytes) => socket.send(bytes, port, address), socket);
  });
  socket.bind(wantedPort, host);
  await once(socket, 'listening');
  t.after(() => socket.close());
  return { port: socket.address().port, sources, queries };
}

/** A message with its length before it, as TCP wants it. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Answers the query on a connection. */
export const answeringDns =
  (answer: DnsAnswer) =>
  (socket: Duplex): void => {
    socket.once('data', (bytes: Buffer) =>
      socket.write(framed(answerTo(bytes.subarray(2), answer))),
    );
  };
