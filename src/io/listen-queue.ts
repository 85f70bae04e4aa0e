import type { Invoke, Scratch, Syscalls } from './syscall.ts';

/**
 * Ends a listening TCP socket without resetting those who have come: the kernel takes nobody new, and tells how many
 * wait to be accepted. Closing its last descriptor while anybody waits resets them, though they were told that they
 * are connected.
 */
export type ListenQueue = Pick<Syscalls, 'refuseNewClients' | 'waitingClients' | 'roundTripMicros'>;

// Linux values (asm-generic/socket.h, linux/tcp.h).
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** struct tcp_info: of a listening socket `tcpi_unacked` is how many wait to be accepted. */
const TCP_INFO_BYTES = 32;
const UNACKED_AT = 24;
/** `tcpi_min_rtt`, and what it is before there is one. */
const MIN_RTT_AT = 148;
const NO_RTT = 0xffffffff;
/**
 * A program for packets of a socket (linux/filter.h), each step its code with jumps, and its operand: load the flags
 * of the TCP header; of them SYN and ACK; with SYN alone go on, else skip one; let in nothing of it; let in all.
 */
const NO_SYN = [
  [0x30, 13],
  [0x54, 0x12],
  [0x0100_0015, 0x02],
  [0x06, 0],
  [0x06, -1],
] as const;
const PROGRAM_HEAD_BYTES = 16;

export function createListenQueue(call: Invoke, scratch: Scratch): ListenQueue {
  return {
    refuseNewClients(fd) {
      // struct sock_fprog: how many steps, and where they are: behind it.
      const program = new Int32Array(PROGRAM_HEAD_BYTES / 4 + 2 * NO_SYN.length);
      program[0] = NO_SYN.length;
      new BigUint64Array(program.buffer, 8, 1)[0] = scratch.address + BigInt(PROGRAM_HEAD_BYTES);
      program.set(NO_SYN.flat(), PROGRAM_HEAD_BYTES / 4);
      const at = scratch.pass(program);
      call('setsockopt', fd, SOL_SOCKET, SO_ATTACH_FILTER, at, PROGRAM_HEAD_BYTES);
    },
    roundTripMicros(fd) {
      const to = scratch.room(MIN_RTT_AT + 4);
      try {
        call('getsockopt', fd, IPPROTO_TCP, TCP_INFO, to, scratch.length);
      } catch {
        // It was closed, or the kernel does not tell.
        return 0;
      }
      const told = new Uint32Array(scratch.taken().buffer)[MIN_RTT_AT / 4] ?? NO_RTT;
      return told === NO_RTT ? 0 : told;
    },
    waitingClients(fd) {
      const to = scratch.room(TCP_INFO_BYTES);
      try {
        call('getsockopt', fd, IPPROTO_TCP, TCP_INFO, to, scratch.length);
      } catch {
        // A kernel that does not tell.
        return 0;
      }
      return new Uint32Array(scratch.taken().buffer)[UNACKED_AT / 4]!;
    },
  };
}
