import { RECEIVE_BUFFER_BYTES, RECEIVE_WAIT_MS } from './datagram.ts';
import { createMessageSlab, LINUX_64, type MessageLayout } from './message-slab.ts';
import {
  type BatchCalls,
  type BatchCallsOrReason,
  MSG_DONTWAIT,
  MSG_WAITFORONE,
  NO_TIMEOUT,
  type Syscalls,
} from './syscall.ts';

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const PROBE_LENGTHS = [40, 7];

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
  const { calls } = opened;
  const fds: number[] = [];
  const open = (address: Uint8Array): number => {
    const fd = syscalls.batchSocket(address, 0, RECEIVE_WAIT_MS, RECEIVE_BUFFER_BYTES);
    fds.push(fd);
    return fd;
  };
  try {
    // The one has the local address of what it gets, the other has not.
    const [server, client] = [open(new Uint8Array(4)), open(LOOPBACK)];
    return exchange(calls, layout, { server, client, port: syscalls.localPort(server) });
  } catch (error) {
    return `the self-test of batches failed: ${(error as Error).message}`;
  } finally {
    for (const fd of fds) syscalls.close(fd);
  }
}

type Ends = { readonly server: number; readonly client: number; readonly port: number };

/** Two datagrams of different lengths there, and what was in them back. */
function exchange(
  calls: BatchCalls,
  layout: MessageLayout,
  { client, port, server }: Ends,
): string | undefined {
  const failed = (what: string): string => `the self-test of batches failed: ${what}`;
  const there = createMessageSlab(calls.hold, { count: 2, family: 4, hasLocal: false, layout });
  const back = createMessageSlab(calls.hold, { count: 2, family: 4, hasLocal: true, layout });
  // struct sockaddr_in: family, port, address.
  const name = Uint8Array.of(2, 0, port >> 8, port & 0xff, ...LOOPBACK, 0, 0, 0, 0, 0, 0, 0, 0);
  const way = { name, control: new Uint8Array() };
  for (const length of PROBE_LENGTHS) {
    there.aimWay(way, new Uint8Array(length).fill(length));
    if (calls.send(BigInt(client), there.sendFrom[0]!, 1n, MSG_DONTWAIT) !== 1) {
      return failed(`sendmmsg: ${calls.errno()}`);
    }
  }
  const count = calls.receive(BigInt(server), back.receiveFrom, 2n, MSG_WAITFORONE, NO_TIMEOUT);
  if (count !== PROBE_LENGTHS.length) return failed(`${count} datagrams came of 2`);
  for (const [index, length] of PROBE_LENGTHS.entries()) {
    const isWhole = back.packets[index]!.subarray(0, length).every((byte) => byte === length);
    if (back.lengthOf(index) !== length || !isWhole) return failed('a datagram was not itself');
    back.replies[index]!.fill(length);
    back.aim(index, index, length);
  }
  if (calls.send(BigInt(server), back.sendFrom[0]!, 2n, MSG_DONTWAIT) !== 2) {
    return failed(`sendmmsg: ${calls.errno()}`);
  }
  const source = { family: 4 as const, address: new Uint8Array(16), port: 0 };
  const answers = calls.receive(BigInt(client), there.receiveFrom, 2n, MSG_WAITFORONE, NO_TIMEOUT);
  there.readSource(0, source);
  const isRight = source.port === port && source.address[0] === 127;
  return answers === 2 && isRight ? undefined : failed('an answer came from elsewhere');
}
