/**
 * A load generator for DNS over TCP and TLS: a few connections, on each of which a few queries are always under way
 * (RFC 7766 6.2.1.1), however fast answers come. As many answers arrive together, so many queries leave together: over
 * TCP in one write, over TLS in a record each. A program of its own, so that it can have a core of its own:
 *
 *   node stream-generator.ts '{"port":5300,"file":"queries","seconds":4,"connections":16,"outstanding":128}'
 *
 * It prints one line of JSON (LoadReport).
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { createLatencies } from './latencies.ts';
import type { LoadReport } from './load-generator.ts';
import { writeRecordByRecord } from './tls-records.ts';

export type StreamSetting = {
  readonly port: number;
  /** Length-prefixed messages, as they go out. */
  readonly file: string;
  readonly seconds: number;
  /** Of TLS 1.3; undefined for DNS over TCP. */
  readonly cipher?: string;
  readonly connections: number;
  /** Queries under way over all connections. */
  readonly outstanding: number;
};

const LOST_MS = 1000;
const LENGTH_BYTES = 2;
const FREE = -1;
const NOTHING = Buffer.alloc(0);

if (process.argv[2] !== undefined) {
  const report = await generate(JSON.parse(process.argv[2]) as StreamSetting);
  process.stdout.write(`${JSON.stringify(report)}\n`);
  process.exit(0);
}

async function generate(setting: StreamSetting): Promise<Omit<LoadReport, 'generatorShare'>> {
  const { connections, outstanding, seconds } = setting;
  const perConnection = Math.max(1, Math.floor(outstanding / connections));
  const next = rotation(readFileSync(setting.file));
  const latencies = createLatencies();
  const isJoined = setting.cipher === undefined;
  const codes = new Array<number>(16).fill(0);
  const sockets = await Promise.all(
    Array.from({ length: connections }, (_, index) => connect(setting, index)),
  );
  const startMs = performance.now();
  const clients = sockets.map((socket) => {
    const client = createClient(socket, perConnection, next, isJoined, (code, waitedMs) => {
      codes[code]! += 1;
      latencies.add(waitedMs * 1000);
    });
    client.start();
    return client;
  });
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const nowMs = performance.now();
  const { p50, p99, p999 } = latencies;
  return {
    answered: codes.reduce((sum, count) => sum + count, 0),
    lost: clients.reduce((sum, client) => sum + client.lost(nowMs), 0),
    codes,
    seconds: (nowMs - startMs) / 1000,
    p50: p50(),
    p99: p99(),
    p999: p999(),
  };
}

/** Each from an address in a network of its own, as resolvers are. */
async function connect({ cipher, port }: StreamSetting, index: number): Promise<net.Socket> {
  const localAddress = `127.1.${index}.1`;
  const options = { host: '127.0.0.1', port, localAddress, noDelay: true };
  if (cipher === undefined) {
    const socket = net.connect(options);
    await once(socket, 'connect');
    return socket;
  }
  const socket = tls.connect({
    ...options,
    ALPNProtocols: ['dot'],
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ciphers: cipher,
  });
  await once(socket, 'secureConnect');
  // Node's options for TLS have none for this.
  socket.setNoDelay(true);
  writeRecordByRecord(socket);
  return socket;
}

/** The queries of a file one after the other, again and again, each behind its length. */
function rotation(content: Buffer): () => Buffer {
  const queries: Buffer[] = [];
  for (let at = 0; at < content.length; ) {
    const end = at + LENGTH_BYTES + content.readUInt16BE(at);
    queries.push(content.subarray(at, end));
    at = end;
  }
  let index = 0;
  return () => {
    const query = queries[index]!;
    index = index + 1 === queries.length ? 0 : index + 1;
    return query;
  };
}

/**
 * One connection with `slots` queries under way; the message ID is the slot.
 * @param isJoined whether queries that leave together are one write
 */
function createClient(
  socket: net.Socket,
  slots: number,
  next: () => Buffer,
  isJoined: boolean,
  onAnswer: (code: number, waitedMs: number) => void,
) {
  const sentAtMs = new Float64Array(slots).fill(FREE);
  const answered: number[] = [];
  let rest: Buffer = NOTHING;
  const send = (): void => {
    const queries = answered.map(next);
    const nowMs = performance.now();
    for (const [index, slot] of answered.entries()) {
      queries[index]!.writeUInt16BE(slot, LENGTH_BYTES);
      sentAtMs[slot] = nowMs;
    }
    answered.length = 0;
    if (isJoined) socket.write(Buffer.concat(queries));
    // Node may keep what it is given, and the file's queries get other IDs.
    else for (const query of queries) socket.write(Buffer.from(query));
  };
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const nowMs = performance.now();
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + bytes.readUInt16BE(at);
      if (end > bytes.length) break;
      const slot = bytes.readUInt16BE(at + LENGTH_BYTES);
      const since = sentAtMs[slot] ?? FREE;
      if (since === FREE) fail(`an answer came with ID ${slot}, which was not asked`);
      sentAtMs[slot] = FREE;
      onAnswer(bytes[at + LENGTH_BYTES + 3]! & 0xf, nowMs - since);
      answered.push(slot);
      at = end;
    }
    rest = bytes.subarray(at);
    if (answered.length > 0) send();
  });
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('a connection was closed'));
  return {
    start(): void {
      answered.push(...sentAtMs.keys());
      send();
    },
    /** Queries that have waited too long. */
    lost: (nowMs: number) =>
      sentAtMs.filter((since) => since !== FREE && nowMs - since >= LOST_MS).length,
  };
}

function fail(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}
