/** Asks a server over each transport, to compare what it says before anything is measured. */
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { ask, type Reply, readReply } from './dns-agreement.ts';
import { streamOf } from './query-bytes.ts';
import { writeRecordByRecord } from './tls-records.ts';

export type Transport = 'udp' | 'tcp' | 'tls' | 'https';

type Replies = readonly (Reply | undefined)[];

const WINDOW = 50;
const TIMEOUT_MS = 5000;
export const DOH_PATH = '/dns-query';

/** The replies in the order of the queries; undefined where none came within the time. */
export async function askOver(
  transport: Transport,
  port: number,
  queries: readonly Uint8Array[],
): Promise<Replies> {
  if (transport === 'udp') return ask(port, queries, TIMEOUT_MS);
  const askWindow = transport === 'https' ? askHttps : askStream;
  const replies: (Reply | undefined)[] = [];
  for (let start = 0; start < queries.length; start += WINDOW) {
    const window = queries.slice(start, start + WINDOW).map(withId);
    replies.push(...(await askWindow(port, window, transport === 'tls')));
  }
  return replies;
}

/** The path of a GET (RFC 8484 4.1). */
export function dohTarget(query: Uint8Array): string {
  return `${DOH_PATH}?dns=${Buffer.from(query).toString('base64url')}`;
}

/** The ID is the place in the window. */
function withId(query: Uint8Array, index: number): Uint8Array {
  const bytes = Uint8Array.from(query);
  bytes[0] = index >> 8;
  bytes[1] = index & 0xff;
  return bytes;
}

/** All on one connection at once, whatever the order of their answers. */
async function askStream(
  port: number,
  queries: readonly Uint8Array[],
  isTls: boolean,
): Promise<Replies> {
  const host = '127.0.0.1';
  const socket = isTls
    ? tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['dot'] })
    : net.connect({ host, port });
  const replies: (Reply | undefined)[] = queries.map(() => undefined);
  let missing = queries.length;
  let bytes = Buffer.alloc(0);
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  // Its replies then are missing.
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
      const end = 2 + bytes.readUInt16BE(0);
      const [id, reply] = readReply(bytes.subarray(2, end)) ?? [];
      if (id !== undefined && replies[id] === undefined) {
        replies[id] = reply;
        missing -= 1;
      }
      bytes = bytes.subarray(end);
    }
    if (missing === 0) socket.destroy();
  });
  writeRecordByRecord(socket);
  for (const query of queries) socket.write(streamOf([query]));
  await new Promise((done) => socket.once('close', done));
  return replies;
}

async function askHttps(port: number, queries: readonly Uint8Array[]): Promise<Replies> {
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  const replies = await Promise.all(queries.map((query) => askRequest(session, query)));
  session.destroy();
  return replies;
}

async function askRequest(
  session: http2.ClientHttp2Session,
  query: Uint8Array,
): Promise<Reply | undefined> {
  const request = session.request({ ':path': dohTarget(query), accept: 'application/dns-message' });
  request.setTimeout(TIMEOUT_MS, () => request.close());
  try {
    const [headers] = await once(request, 'response');
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    return headers[':status'] === 200 ? readReply(Buffer.concat(parts))?.[1] : undefined;
  } catch {
    return undefined;
  }
}
