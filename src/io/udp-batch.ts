import { isIPv6 } from 'node:net';
import { parseAddress } from '../ip/address.ts';
import { type Bell, heard, hush, isOver } from './bell.ts';
import {
  type DatagramHandler,
  type DatagramMeter,
  REPLY_BYTES,
  type Shorten,
  type UdpEngine,
} from './datagram.ts';
import { createGathering } from './gathering.ts';
import {
  createMessageSlab,
  type MessageSlab,
  PACKET_STRIDE,
  REPLY_STRIDE,
} from './message-slab.ts';
import type { HandedSocket } from './sockets.ts';
import { type BatchCalls, MSG_DONTWAIT, MSG_WAITFORONE, NO_TIMEOUT } from './syscall.ts';

/**
 * UDP by the batch, on Linux: the worker's thread waits in the kernel, takes what has come (recvmmsg), asks the
 * handler about each, and sends the replies together (sendmmsg). Two system calls for a batch, no copy, and
 * no turn of the event loop: that one gets when the bell has rung, so a message of another thread is met
 * between two batches.
 *
 * One socket under load is waited for in recvmmsg itself, for a few milliseconds at most (its SO_RCVTIMEO).
 * Several, or one that has been silent for so long, are waited for together with the bell (poll): an idle
 * worker does nothing at all. Between the two are some thousand datagrams a second, each of which would wake the
 * thread: they are left to gather (io/gathering.ts).
 */
export type BatchUdp = {
  readonly engines: readonly UdpEngine[];
  /** Serves until the bell rings; false = the process ends. */
  serve(): boolean;
};

export type BatchEntrance = {
  readonly socket: HandedSocket & { readonly fd: number };
  readonly handler: DatagramHandler;
};

/** Datagrams in a batch. More gains nothing, and is unkind to the cache. */
export const BATCH_MAX = 32;
/** Fewer datagrams are served before it would help. */
const FORESEEN_MIN = 4;
/** A thread that is to end and was not told: a bound for what cannot happen. */
const SLEEP_MAX_MS = 10_000n;

const UNANSWERED = -1;
const POLLIN = 1;
const POLL_ENTRY_BYTES = 8;
const TIMESPEC_WORDS = 4;
const TIMESPEC_NANOSECONDS = 2;
const NOWHERE = 0n;
const COUNTS = Array.from({ length: BATCH_MAX + 1 }, (_, count) => BigInt(count));
/** Nothing has come, or something that the next call may fare better with. */
const PASSING = new Set(['EAGAIN', 'EINTR', 'ENOMEM', 'ENOBUFS', 'ECONNREFUSED', 'EHOSTUNREACH']);

/** @param gatherUs how long datagrams may gather under load, in microseconds; 0 = not at all */
export function openBatchUdp(
  calls: BatchCalls,
  entrances: readonly BatchEntrance[],
  bell: Bell,
  meter: DatagramMeter,
  gatherUs: number,
): BatchUdp {
  const ports = entrances.map((entrance) => openPort(calls, entrance, meter));
  const gathering = createGathering(gatherUs);
  const pause = createPause(calls);
  const sleep = createSleep(calls, [...entrances.map(({ socket }) => socket.fd), bell.fd]);
  const only = ports.length === 1 ? ports[0] : undefined;
  let isBusy = false;
  let rings = 0;
  return {
    engines: entrances.map(({ socket: { address, port } }) => ({
      name: 'recvmmsg',
      address,
      port,
      // The descriptor is the main thread's.
      close: () => Promise.resolve(),
    })),
    serve() {
      for (;;) {
        const nowMs = Date.now();
        let answered = 0;
        // Those that had come when the bell was heard.
        for (const port of ports) answered += port.answer(nowMs);
        if (answered > 0) pause(gathering.waitUs(answered, nowMs));
        if (only !== undefined && isBusy) {
          isBusy = only.receive(MSG_WAITFORONE);
        } else {
          sleep.wait();
          if (sleep.isReady(ports.length)) hush(bell);
          isBusy = receiveReady(ports, sleep);
        }
        // What was said before a datagram came is met before it is answered.
        const now = heard(bell);
        if (now === rings) continue;
        rings = now;
        if (!isOver(bell)) return true;
        for (const port of ports) port.answer(Date.now());
        return false;
      }
    },
  };
}

type Port = ReturnType<typeof openPort>;
type Sleep = ReturnType<typeof createSleep>;

/** False when there was nothing. */
function receiveReady(ports: readonly Port[], sleep: Sleep): boolean {
  let isBusy = false;
  for (let index = 0; index < ports.length; index += 1) {
    if (sleep.isReady(index) && ports[index]!.receive(MSG_DONTWAIT)) isBusy = true;
  }
  return isBusy;
}

/** One socket with its slab. */
function openPort(calls: BatchCalls, { handler, socket }: BatchEntrance, meter: DatagramMeter) {
  const family = isIPv6(socket.address) ? 6 : 4;
  // However a wildcard is written.
  const hasLocal = parseAddress(socket.address)?.bytes.every((byte) => byte === 0) ?? false;
  const slab = createMessageSlab(calls.hold, { count: BATCH_MAX, family, hasLocal });
  const lateSlab = createMessageSlab(calls.hold, { count: 1, family, hasLocal });
  const fd = BigInt(socket.fd);
  const { memory, packets, packetsAt, receiveFrom, replies, repliesAt } = slab;
  const { fast, foresee, shorten, source } = handler;
  const sendAll = (from: MessageSlab, count: number) =>
    send(calls, fd, from, count, meter, shorten);
  const lengths = new Int32Array(BATCH_MAX);
  let current = 0;
  /** Datagrams that are there and not answered yet. */
  let waiting = 0;
  const later = () => {
    const way = slab.copyWay(current);
    return (reply: Uint8Array): void => {
      if (reply.length > REPLY_BYTES) {
        meter.unsent();
        return;
      }
      lateSlab.aimWay(way, reply);
      sendAll(lateSlab, 1);
    };
  };
  const answer = (count: number, nowMs: number): void => {
    let ready = 0;
    for (let index = 0; index < count; index += 1) lengths[index] = slab.lengthOf(index);
    if (count >= FORESEEN_MIN) foresee?.(memory, packetsAt, PACKET_STRIDE, lengths, count);
    for (let index = 0; index < count; index += 1) {
      const length = lengths[index]!;
      slab.readSource(index, source);
      // Port 0 says that no answer is wanted (RFC 768).
      if (length < 0 || source.port === 0) {
        meter.dropped();
        continue;
      }
      let written = UNANSWERED;
      if (fast !== undefined) {
        const at = packetsAt + index * PACKET_STRIDE;
        written = fast(memory, at, length, nowMs, repliesAt + ready * REPLY_STRIDE);
      }
      if (written < 0) {
        current = index;
        written = handler.serve(packets[index]!, length, nowMs, replies[ready]!, later);
      }
      if (written <= 0) continue;
      slab.aim(ready, index, written);
      ready += 1;
    }
    if (ready > 0) sendAll(slab, ready);
  };
  return {
    /** Takes what is there; false when there was nothing. */
    receive(flags: bigint): boolean {
      const count = calls.receive(fd, receiveFrom, COUNTS[BATCH_MAX]!, flags, NO_TIMEOUT);
      if (count <= 0) {
        const code = calls.errno();
        if (!PASSING.has(code)) throw new Error(`recvmmsg: ${code}`);
        return false;
      }
      waiting = count;
      return true;
    },
    /** Answers what was taken; returns how many datagrams that were. */
    answer(nowMs: number): number {
      const count = waiting;
      if (count === 0) return 0;
      meter.received(count);
      answer(count, nowMs);
      handler.answered?.(nowMs);
      slab.reset(count);
      waiting = 0;
      return count;
    },
  };
}

/** Sends the first replies of a slab. One that the kernel does not take must not hold up those behind it. */
function send(
  calls: BatchCalls,
  fd: bigint,
  slab: MessageSlab,
  count: number,
  meter: DatagramMeter,
  shorten: Shorten | undefined,
): void {
  const { sendFrom } = slab;
  let at = 0;
  while (at < count) {
    const sent = calls.send(fd, sendFrom[at]!, COUNTS[count - at]!, MSG_DONTWAIT);
    if (sent > 0) at += sent;
    else if (calls.errno() !== 'EMSGSIZE' || !cut(slab, at, shorten)) {
      meter.unsent();
      at += 1;
    }
  }
}

/** Makes the reply a shorter one; false when there is none. */
function cut(slab: MessageSlab, reply: number, shorten: Shorten | undefined): boolean {
  const length = slab.replyLength(reply);
  const shorter = shorten === undefined ? 0 : shorten(slab.replies[reply]!, length);
  if (shorter <= 0 || shorter >= length) return false;
  slab.cutReply(reply, shorter);
  return true;
}

/** Does nothing for so many microseconds, of which a signal, or a kernel that does not let us, may take some off. */
function createPause(calls: BatchCalls): (us: number) => void {
  // struct timespec: seconds and nanoseconds, 64 bits each.
  const words = new Int32Array(TIMESPEC_WORDS);
  const time = calls.hold(words.buffer);
  return (us) => {
    if (us === 0) return;
    words[TIMESPEC_NANOSECONDS] = us * 1000;
    calls.sleep(time, NOWHERE);
  };
}

/** Waits for any of the descriptors (poll). */
function createSleep(calls: BatchCalls, descriptors: readonly number[]) {
  const memory = new ArrayBuffer(Math.max(64, descriptors.length * POLL_ENTRY_BYTES));
  const entries = calls.hold(memory);
  const words = new Int32Array(memory);
  const flags = new Int16Array(memory);
  for (const [index, fd] of descriptors.entries()) {
    words[2 * index] = fd;
    flags[4 * index + 2] = POLLIN;
  }
  const count = BigInt(descriptors.length);
  return {
    wait(): void {
      if (calls.poll(entries, count, SLEEP_MAX_MS) >= 0) return;
      const code = calls.errno();
      if (code !== 'EINTR') throw new Error(`poll: ${code}`);
      for (let at = 3; at < flags.length; at += 4) flags[at] = 0;
    },
    isReady: (index: number): boolean => flags[4 * index + 3] !== 0,
  };
}
