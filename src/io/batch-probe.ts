import type { Source } from '../ip/source.ts';
import { DATAGRAM_BYTES_MAX, RECEIVE_BUFFER_BYTES, REPLY_BYTES } from './datagram.ts';
import {
  createMessageSlab,
  LINUX_64,
  LOCAL_AT,
  type MessageLayout,
  type MessageSlab,
} from './message-slab.ts';
import {
  type BatchCalls,
  type BatchCallsOrReason,
  MSG_DONTWAIT,
  NO_TIMEOUT,
  type SyscallError,
  type Syscalls,
  socketAddress,
} from './syscall.ts';

type Loopback = {
  readonly family: 4 | 6;
  readonly client: Uint8Array;
  /** Where a wildcard is asked: at what its replies would not leave from by themselves, where there are two. */
  readonly asked: Uint8Array;
};

const LOOPBACK_6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const LOOPBACKS: readonly Loopback[] = [
  { family: 4, client: Uint8Array.of(127, 0, 0, 1), asked: Uint8Array.of(127, 0, 0, 2) },
  { family: 6, client: LOOPBACK_6, asked: LOOPBACK_6 },
];
/** What a socket says on a machine without IPv6, or one whose loopback has none. */
const WITHOUT_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);
/** The one that is too long for its room lies between the others, so that a reply moves up. */
const LENGTHS = [40, DATAGRAM_BYTES_MAX + 1, 7];
const ANSWERED = LENGTHS.filter((length) => length <= DATAGRAM_BYTES_MAX);
/** Datagrams over loopback are there at once, or nearly: only what never comes takes this long. */
const WAIT_MS = 100;
const WAIT_FOR_ALL = 0n;

/**
 * Why batches cannot be used here, in words; undefined when a few datagrams went to and fro over loopback as
 * they should have. A struct that is laid out otherwise than we think shows here, and not in service.
 */
export function probeBatches(
  syscalls: Syscalls,
  opened: BatchCallsOrReason,
  layout: MessageLayout = LINUX_64,
): string | undefined {
  if (!opened.ok) return opened.reason;
  for (const loopback of LOOPBACKS) {
    const fault = probeFamily(syscalls, opened.calls, layout, loopback);
    if (fault === undefined) continue;
    return `the self-test of batches failed over IPv${loopback.family}: ${fault}`;
  }
  return undefined;
}

function probeFamily(
  syscalls: Syscalls,
  calls: BatchCalls,
  layout: MessageLayout,
  loopback: Loopback,
): string | undefined {
  const { asked, client, family } = loopback;
  const fds: number[] = [];
  const open = (address: Uint8Array): bigint => {
    const fd = syscalls.batchSocket(address, 0, WAIT_MS, RECEIVE_BUFFER_BYTES);
    fds.push(fd);
    return BigInt(fd);
  };
  try {
    const ends = { client: open(client), server: open(new Uint8Array(asked.length)) };
    exchange(calls, layout, loopback, ends, syscalls.localPort(Number(ends.server)));
    return undefined;
  } catch (error) {
    const { code, message } = error as SyscallError;
    return family === 6 && WITHOUT_IPV6.has(code) ? undefined : message;
  } finally {
    for (const fd of fds) syscalls.close(fd);
  }
}

type Ends = { readonly server: bigint; readonly client: bigint };

/** Datagrams of different lengths there, and what was in them back; throws what went wrong. */
function exchange(
  calls: BatchCalls,
  layout: MessageLayout,
  { asked, family }: Loopback,
  { client, server }: Ends,
  port: number,
): void {
  const slab = (hasLocal: boolean): MessageSlab =>
    createMessageSlab(calls.hold, { count: LENGTHS.length, family, hasLocal, layout });
  const send = (fd: bigint, { sendFrom }: MessageSlab, count: number): void => {
    const sent = calls.send(fd, sendFrom[0]!, BigInt(count), MSG_DONTWAIT);
    if (sent < 0) throw new Error(`sendmmsg: ${calls.errno()}`);
    demand(sent === count, `${sent} datagrams went of ${count}`);
  };
  const receive = (fd: bigint, { receiveFrom }: MessageSlab, count: number): void => {
    const came = calls.receive(fd, receiveFrom, BigInt(count), WAIT_FOR_ALL, NO_TIMEOUT);
    if (came < 0) throw new Error(`recvmmsg: ${calls.errno()}`);
    demand(came === count, `${came} datagrams came of ${count}`);
  };
  const [there, back] = [slab(false), slab(true)];
  const way = { name: socketAddress(asked, port), control: new Uint8Array() };
  for (const length of LENGTHS) {
    there.aimWay(way, new Uint8Array(Math.min(length, REPLY_BYTES)).fill(length));
    // What its own room does not hold is taken from the next one.
    there.aim(0, 0, length);
    send(client, there, 1);
  }
  receive(server, back, LENGTHS.length);
  send(server, back, repeatAll(back, family, asked));
  receive(client, there, ANSWERED.length);
  checkAnswers(there, asked, port);
}

/** Makes replies of what has come; returns how many. */
function repeatAll(slab: MessageSlab, family: 4 | 6, asked: Uint8Array): number {
  let ready = 0;
  for (const [index, length] of LENGTHS.entries()) {
    if (length > DATAGRAM_BYTES_MAX) {
      demand(slab.lengthOf(index) === -1, 'a datagram that was cut off did not say so');
      continue;
    }
    demand(isWhole(slab, index, length), 'a datagram did not come as it was sent');
    const local = slab.copyWay(index).control.subarray(LOCAL_AT[family]);
    demand(begins(local, asked), 'a datagram did not say which address it came to');
    slab.replies[ready]!.fill(length);
    slab.aim(ready, index, length);
    ready += 1;
  }
  return ready;
}

function checkAnswers(slab: MessageSlab, asked: Uint8Array, port: number): void {
  const source: Source = { family: 4, address: new Uint8Array(16), port: 0 };
  for (const [index, length] of ANSWERED.entries()) {
    demand(isWhole(slab, index, length), 'a reply did not come as it was sent');
    slab.readSource(index, source);
    const isFromThere = source.port === port && begins(source.address, asked);
    demand(isFromThere, 'a reply came from elsewhere than where it was asked for');
  }
}

const isWhole = (slab: MessageSlab, index: number, length: number): boolean =>
  slab.lengthOf(index) === length &&
  slab.packets[index]!.subarray(0, length).every((octet) => octet === length);

const begins = (octets: Uint8Array, expected: Uint8Array): boolean =>
  expected.every((octet, at) => octets[at] === octet);

function demand(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new Error(otherwise);
}
