import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { packetMemory } from '../dns/packet-memory.ts';
import { setSourceAddress } from '../ip/source.ts';
import {
  DATAGRAM_BYTES_MAX,
  type DatagramHandler,
  type DatagramMeter,
  RECEIVE_BUFFER_BYTES,
  REPLY_BYTES,
  type UdpEngine,
} from './datagram.ts';
import type { HandedSocket } from './sockets.ts';

/**
 * UDP through node:dgram: one system call per packet each way, on every platform. A reply that the kernel cannot take
 * at once stays queued in libuv, which keeps a pointer to its bytes, so replies lie one behind the other in a ring
 * that is longer than the queue may be; when that is full, queries are dropped, never queued without bound.
 */
/** Replies that may wait for the kernel at once. */
export const REPLY_SLOTS = 512;

/** Serves the socket until it is closed; rejects with the system's error when it cannot be bound. */
export async function openPortableUdp(
  socket: HandedSocket,
  handler: DatagramHandler,
  meter: DatagramMeter,
): Promise<UdpEngine> {
  const isIpv6 = isIPv6(socket.address);
  const udp = createSocket({
    type: isIpv6 ? 'udp6' : 'udp4',
    reusePort: socket.fd === undefined && process.platform === 'linux',
    ipv6Only: isIpv6,
    // Addresses are literals; the default look-up would cost a tick per reply.
    lookup: (name, _options, done) => done(null, name, isIpv6 ? 6 : 4),
  });
  const ring = createRing();
  const { fast, source } = handler;
  let closed = false;
  let sender: RemoteInfo;
  const later = () => {
    const { address, port } = sender;
    return (reply: Uint8Array): void => {
      // Its client may be gone, and the way to it: as with any datagram, nobody is told.
      if (!closed) udp.send(reply, 0, reply.length, port, address, () => {});
    };
  };
  const answer = (packet: Uint8Array, nowMs: number): number => {
    if (fast !== undefined) {
      ring.memory.bytes.set(packet, QUERY_AT);
      const length = fast(ring.memory, QUERY_AT, packet.length, nowMs, ring.at());
      if (length >= 0) return length;
    }
    return handler.serve(packet, packet.length, nowMs, ring.room(), later);
  };
  const sent = (error: Error | null): void => {
    if (error) meter.unsent();
  };
  udp.on('message', (packet, from) => {
    meter.received(1);
    // Port 0 says that no answer is wanted (RFC 768). Nobody can be sent one: node throws on trying.
    const isServed = from.port !== 0 && packet.length <= DATAGRAM_BYTES_MAX;
    if (!isServed || udp.getSendQueueCount() >= REPLY_SLOTS) {
      meter.dropped();
      return;
    }
    setSourceAddress(source, from.address, isIpv6);
    source.port = from.port;
    sender = from;
    const nowMs = Date.now();
    const length = answer(packet, nowMs);
    handler.answered?.(nowMs);
    if (length > 0) udp.send(ring.take(length), from.port, from.address, sent);
  });
  await bind(udp, socket);
  enlargeReceiveBuffer(udp);
  // After the bind an error is about one packet (an ICMP refusal): nothing to do for the service.
  udp.on('error', () => {});
  return {
    name: 'node:dgram',
    address: socket.address,
    port: udp.address().port,
    close() {
      closed = true;
      return new Promise((done) => udp.close(() => done()));
    },
  };
}

function bind(udp: Socket, socket: HandedSocket): Promise<void> {
  return new Promise((done, fail) => {
    udp.once('error', fail);
    udp.once('listening', () => {
      udp.off('error', fail);
      done();
    });
    if (socket.fd !== undefined) udp.bind({ fd: socket.fd });
    else udp.bind({ address: socket.address, port: socket.port, exclusive: true });
  });
}

function enlargeReceiveBuffer(udp: Socket): void {
  try {
    udp.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // Linux gives what it may; other systems refuse a size above theirs, and the default remains.
  }
}

/** Where a query lies for `fast`: behind the replies. */
const QUERY_AT = REPLY_SLOTS * REPLY_BYTES;

function createRing() {
  const memory = new ArrayBuffer(QUERY_AT + DATAGRAM_BYTES_MAX);
  const rooms = Array.from({ length: REPLY_SLOTS }, (_, slot) =>
    Buffer.from(memory, slot * REPLY_BYTES, REPLY_BYTES),
  );
  /** Of each room what was sent last: the next reply is often as long, and a new view costs as much as copying it. */
  const sent = rooms.slice();
  let slot = 0;
  return {
    memory: packetMemory(memory),
    /** Where the next reply goes. */
    at: (): number => slot * REPLY_BYTES,
    room: (): Uint8Array => rooms[slot]!,
    /** The reply that was written there. */
    take(length: number): Buffer {
      if (sent[slot]!.length !== length) sent[slot] = rooms[slot]!.subarray(0, length);
      const reply = sent[slot]!;
      slot = (slot + 1) % REPLY_SLOTS;
      return reply;
    },
  };
}
