import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type DecodedMessage, decodeMessage } from '../../src/dns/decode.ts';
import type { Desk } from '../../src/dns-transport/desk.ts';
import {
  createCertificates,
  openStreamListener,
  type StreamService,
} from '../../src/dns-transport/listeners.ts';
import { createSessions, type SessionLimits } from '../../src/dns-transport/sessions.ts';
import { createPortableEngine } from '../../src/io/stream-portable.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { counterSlots } from '../../src/nameserver/counters.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import {
  APEX_RECORDS,
  compiled,
  createConfig,
  NO_STOPWATCH,
  NOW_MS,
  queryBytes,
  rrset,
  startWorker,
} from '../nameserver/fixture.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { createAuthority } from '../probe/certificates.ts';

/** A stream worker's listeners in the test's own thread, on real sockets, with a clock that stands still. */
export type Rig = {
  readonly address: string;
  readonly limits: SessionLimits;
  port(protocol: Door): number;
  /** A counter by its metric and label, for instance `dns_connections_closed_total idle`. */
  count(name: string): number;
  /** Lets time pass, as the worker's timer sees it. */
  pass(ms: number): void;
  /** A connection from an address of 127/8; ended with the test at the latest. */
  open(door: Door, from: string): Promise<Peer>;
  /** Asks as somebody who knows nothing of what else goes on, and takes the answer. */
  ask(
    door: 'tcp' | 'tls',
    name: string,
    type: string,
    how?: { readonly edns: boolean },
  ): Promise<DecodedMessage>;
};
export type Door = 'tcp' | 'tls' | 'https' | 'proxied';
export type Peer = {
  readonly socket: Socket;
  isClosed(): boolean;
};

/** The only proxy. */
export const PROXY = '127.63.0.1';
/** Whose TXT is an answer of some 30 kB. */
export const LONG = 'long.gslb.example';
const LONG_RECORDS = 140;
/** Some 12 MB, more than the system takes for a reader that reads nothing. */
const ZONE_RECORDS = 60_000;

const authority = createAuthority();
const issued = authority.issue(['ns1.example']);

function compileZones(): Snapshot {
  const text = (fill: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `"${fill.repeat(200)}${index}"`);
  const base = createConfig();
  const zone = base.zones['gslb.example']!;
  const hosts = Array.from({ length: ZONE_RECORDS / 20 }, (_, index) =>
    rrset(`h${index}.large.test.`, 'TXT', text('y', 20)),
  );
  const apex = APEX_RECORDS.filter(({ type }) => type === 'NS');
  const large = {
    ...base.zones['second.test']!,
    soa: { ...zone.soa, mname: 'ns1.large.test.' },
    rrsets: [...apex.map((each) => ({ ...each, owner: 'large.test.' })), ...hosts],
    transfer: { networks: ['127.0.0.0/8'], keys: [], notify: [], steered: 'default' as const },
  };
  const config = createConfig({
    zones: {
      'gslb.example': {
        ...zone,
        rrsets: [...zone.rrsets, rrset(`${LONG}.`, 'TXT', text('x', LONG_RECORDS))],
      },
      'large.test': large,
    },
  });
  return compiled(config);
}
const snapshot = compileZones();

export async function startRig(t: TestContext, limits: SessionLimits): Promise<Rig> {
  const address = loopbackAddress();
  let nowMs = NOW_MS;
  const desk: Desk = {
    worker: startWorker(snapshot),
    nowMs: () => nowMs,
    tap: () => undefined,
    stopwatch: NO_STOPWATCH,
    defer: () => false,
    sign: () => false,
  };
  const { counters } = desk.worker;
  const sessions = createSessions(limits, (slot) => {
    counters[slot]! += 1;
  });
  const certificates = createCertificates([{ chain: issued.cert, key: issued.key }]);
  const engine = createPortableEngine();
  const doors: Readonly<Record<Door, Partial<StreamService>>> = {
    tcp: { protocol: 'tcp' },
    tls: { protocol: 'tls' },
    https: { protocol: 'https' },
    proxied: { protocol: 'tcp', proxies: [parsePrefix(`${PROXY}/32`)!] },
  };
  const ports = new Map<string, number>();
  for (const [door, special] of Object.entries(doors)) {
    const plain = {
      protocol: 'tcp',
      proxies: undefined,
      certificate: 0,
      path: '/dns-query',
    } as const;
    const service = { ...plain, ...special };
    const where = { address, port: 0 };
    const listener = await openStreamListener(engine, where, service, desk, sessions, certificates);
    ports.set(door, listener.port);
    t.after(() => listener.close());
  }
  const port = (door: Door): number => ports.get(door)!;
  // Not kept beyond their end: tests look at memory.
  const sockets = new Set<Socket>();
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const open = async (door: Door, from: string): Promise<Peer> => {
    const socket = connect({ host: address, port: port(door), localAddress: from });
    sockets.add(socket);
    let closed = false;
    socket.on('error', () => {});
    socket.on('close', () => {
      closed = true;
      sockets.delete(socket);
    });
    await once(socket, 'connect');
    return { socket, isClosed: () => closed };
  };
  return {
    address,
    limits,
    port,
    open,
    count(name) {
      const [metric, value = ''] = name.split(' ');
      const slot = counterSlots.find((each) => each.metric === metric && each.value === value);
      if (slot === undefined) throw new Error(`no counter ${name}`);
      return counters[slot.slot]!;
    },
    pass(ms) {
      nowMs += ms;
      sessions.sweep(nowMs);
    },
    async ask(door, name, type, how) {
      const { socket } = await open(door, loopbackAddress());
      const stream =
        door === 'tls'
          ? connectTls({ socket, ca: authority.cert, servername: 'ns1.example' })
          : socket;
      stream.on('error', () => {});
      stream.write(frame(queryBytes(name, type, how)));
      const reply = await firstMessage(stream);
      socket.destroy();
      return reply;
    },
  };
}

export const CA = authority.cert;

export function frame(message: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(message.length >> 8, message.length), message]);
}

async function firstMessage(stream: NodeJS.ReadableStream): Promise<DecodedMessage> {
  let read = Buffer.alloc(0);
  for await (const part of stream) {
    read = Buffer.concat([read, part as Buffer]);
    if (read.length < 2 || read.length < 2 + read.readUInt16BE(0)) continue;
    const decoded = decodeMessage(read.subarray(2, 2 + read.readUInt16BE(0)));
    if (decoded.ok) return decoded.message;
    throw new Error(decoded.reason);
  }
  throw new Error('closed without an answer');
}
