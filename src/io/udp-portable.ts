import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
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
 * UDP through node:dgram: one system call per packet each way, on every platform. A reply that the kernel cannot take at once stays queued in
 * libuv, which keeps a pointer to its bytes, so every reply has a slot of its own in a slab until it
 * is sent; when all slots wait, queries are dropped, never queued without bound.
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
  const slots = createSlots();
  const { source } = handler;
  let closed = false;
  let sender: RemoteInfo;
  const later = () => {
    const { address, port } = sender;
    return (reply: Uint8Array): void => {
      // Its client may be gone, and the way to it: as with any datagram, nobody is told.
      if (!closed) udp.send(reply, 0, reply.length, port, address, () => {});
    };
  };
  udp.on('message', (packet, from) => {
    meter.received(1);
    // Port 0 says that no answer is wanted (RFC 768). Nobody can be sent one: node throws on trying.
    if (from.port === 0) return meter.dropped();
    const slot = packet.length > DATAGRAM_BYTES_MAX ? -1 : slots.take();
    if (slot < 0) {
      meter.dropped();
      return;
    }
    const reply = slots.bytes(slot);
    setSourceAddress(source, from.address, isIpv6);
    source.port = from.port;
    sender = from;
    const length = handler.serve(packet, packet.length, Date.now(), reply, later);
    if (length <= 0) slots.give(slot);
    else {
      udp.send(reply, 0, length, from.port, from.address, (error) => {
        if (error) meter.unsent();
        slots.give(slot);
      });
    }
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

function createSlots() {
  const slab = new Uint8Array(REPLY_SLOTS * REPLY_BYTES);
  const views = Array.from({ length: REPLY_SLOTS }, (_, slot) =>
    slab.subarray(slot * REPLY_BYTES, (slot + 1) * REPLY_BYTES),
  );
  const free = Int32Array.from({ length: REPLY_SLOTS }, (_, slot) => slot);
  let count = REPLY_SLOTS;
  return {
    take: (): number => (count === 0 ? -1 : free[--count]!),
    give: (slot: number): void => {
      free[count++] = slot;
    },
    bytes: (slot: number): Uint8Array => views[slot]!,
  };
}
