import { createRequire } from 'node:module';
import { createListenQueue } from './listen-queue.ts';

/**
 * The only file that imports node:ffi: the few libc calls that Node does not offer. Here they let the
 * main thread own every listening descriptor and hand duplicates to workers, so that a worker's death
 * closes no port. Linux only; elsewhere, or when node:ffi is disabled, `openSyscalls` says why not and
 * workers open their sockets themselves (docs/decisions/0003-sockets.md).
 */
export type Syscalls = {
  /** A second descriptor of the same open socket. */
  duplicate(fd: number): number;
  close(fd: number): void;
  /**
   * A bound, non-blocking UDP socket. Port 0 lets the kernel choose. With `shared` the socket has
   * SO_REUSEPORT: the kernel spreads clients over all such sockets of one user.
   */
  udpSocket(address: Uint8Array, port: number, shared: boolean): number;
  /**
   * The same, shared, for a worker that waits in the kernel: it blocks, for `waitMs` at most, and on a wildcard
   * address every datagram comes with the local address that it was sent to.
   */
  batchSocket(address: Uint8Array, port: number, waitMs: number, receiveBytes: number): number;
  /**
   * What the UDP socket sends leaves in one piece, or not at all: EMSGSIZE (RFC 9715 3.1, R2). That is cheaper, too,
   * for what is never cut needs no number that its pieces would share (RFC 6864 4.1).
   */
  sendWhole(fd: number, family: 4 | 6): void;
  /** Asked for when somebody wants to know; SO_RXQ_OVFL would tell it with every datagram. */
  receiveQueue(fd: number): ReceiveQueue;
  /**
   * A listening TCP socket: the kernel completes handshakes even while no worker accepts.
   * @param fastOpenMax connections that may wait with data of their first packet (RFC 7413); 0 = none
   */
  tcpSocket(address: Uint8Array, port: number, fastOpenMax: number, shared?: boolean): number;
  /**
   * A socket for ICMP echo, bound to the source address (any = all zero). The kernel lets the groups
   * of `net.ipv4.ping_group_range` have one, without further rights, and passes on replies to its own
   * requests only; node:dgram takes it for a UDP socket.
   */
  pingSocket(source: Uint8Array): number;
  /** The local port that a socket is bound to. */
  localPort(fd: number): number;
  /**
   * From now on the kernel does not answer who wants to connect to the listening socket, whichever descriptor of it
   * others hold; who is shaking hands finishes that. A client tries again after a second, by when the socket is closed
   * or another one listens there.
   */
  refuseNewClients(fd: number): void;
  /** Connections that the kernel has taken for a listening socket and that nobody has accepted; 0 where it does not tell. */
  waitingClients(fd: number): number;
  /** The least round-trip time to a TCP connection's peer, microseconds; 0 = not known. */
  roundTripMicros(fd: number): number;
  /** A counter to be woken by (eventfd): readable while it is above 0. */
  eventCounter(): number;
};

/** What the kernel holds for a socket at most, and how many datagrams it has thrown away. */
export type ReceiveQueue = { readonly bytesMax: number; readonly drops: number };

/**
 * The calls of a worker that waits in the kernel and takes datagrams by the batch. All parameters are
 * addresses or plain numbers as BigInts: any integer type in a declaration brings in a wrapper that costs
 * more than the call. Results are the calls' own, -1 with `errno` when they fail.
 */
export type BatchCalls = {
  /** The address of memory that the kernel may write to from now on: it is never collected or moved. */
  hold(memory: ArrayBuffer): bigint;
  receive(fd: bigint, headers: bigint, count: bigint, flags: bigint, timeout: bigint): number;
  send(fd: bigint, headers: bigint, count: bigint, flags: bigint): number;
  poll(entries: bigint, count: bigint, timeoutMs: bigint): number;
  /** @param left where the kernel writes what was left of it; 0 = nowhere */
  sleep(time: bigint, left: bigint): number;
  /** Of the call that failed last in this thread. */
  errno(): string;
  /** True when no argument is looked at on the way: what a call costs depends on it. */
  readonly isDirect: boolean;
};

/** A failed call: `code` as Node names it (EADDRINUSE, EACCES, …). */
export class SyscallError extends Error {
  readonly code: string;
  constructor(call: string, code: string) {
    super(`${call}: ${code}`);
    this.code = code;
  }
}

export type SyscallsOrReason =
  | { readonly ok: true; readonly calls: Syscalls }
  | { readonly ok: false; readonly reason: string };

export function openSyscalls(): SyscallsOrReason {
  if (process.platform !== 'linux') {
    return { ok: false, reason: `no descriptor hand-over on ${process.platform}` };
  }
  try {
    const calls = bindSyscalls();
    selfTest(calls);
    return { ok: true, calls };
  } catch (error) {
    return { ok: false, reason: `node:ffi is not usable: ${(error as Error).message}` };
  }
}

/**
 * Lets large pieces of memory that are freed go back to the kernel at once. By itself glibc takes the second piece of
 * a size from its heap, where the gaps that are left fit nothing later (mallopt(3), "dynamic mmap threshold"): with
 * each configuration that replaces another the process would hold more.
 * @returns false where there is no such thing: another C library, or another system
 */
export function giveBackMemory(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    const { functions } = loadFfi().dlopen(null, {
      mallopt: { arguments: ['i32', 'i32'], return: 'i32' },
    });
    const mallopt = functions['mallopt']!;
    return (
      mallopt(M_MMAP_THRESHOLD, GIVEN_BACK_BYTES) === 1 &&
      mallopt(M_TRIM_THRESHOLD, HELD_BYTES) === 1
    );
  } catch {
    return false;
  }
}

export type BatchCallsOrReason =
  | { readonly ok: true; readonly calls: BatchCalls }
  | { readonly ok: false; readonly reason: string };

/** Flags and a time-out of the calls. */
export const MSG_DONTWAIT = 0x40n;
export const MSG_WAITFORONE = 0x10000n;
export const NO_TIMEOUT = 0n;

/** Each thread opens its own. Whether they do what they should is for io/udp-batch to try. */
export function openBatchCalls(): BatchCallsOrReason {
  const { arch, platform } = process;
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
    return { ok: false, reason: `no batches of datagrams on ${platform} ${arch}` };
  }
  try {
    return { ok: true, calls: bindBatchCalls() };
  } catch (error) {
    return { ok: false, reason: `node:ffi is not usable: ${(error as Error).message}` };
  }
}

// Linux values, the same on x86-64 and arm64 (asm-generic/socket.h, bits/socket.h).
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SO_RCVTIMEO = 20;
const SO_MEMINFO = 55;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
const IP_MTU_DISCOVER = 10;
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const TCP_FASTOPEN = 23;
const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
/** Nothing is cut; and nothing is kept back because somebody says that a link on the way takes less (ip(7)). */
const PMTUDISC_PROBE = 3;
const EFD_NONBLOCK = SOCK_NONBLOCK;
const EFD_CLOEXEC = SOCK_CLOEXEC;
/** Words of what SO_MEMINFO tells (linux/sock_diag.h). */
const MEMINFO_WORDS = 9;
const MEMINFO_RCVBUF = 1;
const MEMINFO_DROPS = 8;
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
/** Each piece is a mapping, of which the kernel allows a process some 65,000. */
const GIVEN_BACK_BYTES = 1024 * 1024;
/** What the heap keeps at its end for small pieces; by itself glibc has this grow with the other one. */
const HELD_BYTES = 32 * 1024 * 1024;
const SOCKADDR_IN6_BYTES = 28;
const SOCKADDR_IN_BYTES = 16;
/** The longest of what these calls read or write: what TCP_INFO tells up to the round-trip time. */
const ARGUMENT_BYTES = 160;
/** Connections that the kernel may hold for a listener before a worker accepts them. */
const LISTEN_BACKLOG = 1024;
const ERRNO: Readonly<Record<number, string>> = {
  1: 'EPERM',
  4: 'EINTR',
  9: 'EBADF',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  16: 'EBUSY',
  22: 'EINVAL',
  23: 'ENFILE',
  24: 'EMFILE',
  32: 'EPIPE',
  38: 'ENOSYS',
  88: 'ENOTSOCK',
  90: 'EMSGSIZE',
  97: 'EAFNOSUPPORT',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
  101: 'ENETUNREACH',
  103: 'ECONNABORTED',
  104: 'ECONNRESET',
  105: 'ENOBUFS',
  107: 'ENOTCONN',
  110: 'ETIMEDOUT',
  111: 'ECONNREFUSED',
  113: 'EHOSTUNREACH',
  125: 'ECANCELED',
};

/** The name of an error number, as Node has it. */
export const errnoName = (number: number): string => ERRNO[number] ?? `errno ${number}`;

type Call = (...parameters: readonly (number | bigint)[]) => number;
export type Ffi = {
  dlopen(
    path: string | null,
    signatures: Record<string, { arguments: string[]; return: string }>,
  ): { functions: Record<string, Call> };
  getRawPointer(buffer: Uint8Array | ArrayBuffer): bigint;
  toArrayBuffer(pointer: bigint, length: number, copy: boolean): ArrayBuffer;
  getCurrentEventLoop(): bigint;
  getInt32(pointer: bigint, offset: number): number;
};

/** Through require, so that a Node without the module is a value here and not a failed import. */
export function loadFfi(): Ffi {
  return createRequire(import.meta.url)('node:ffi') as Ffi;
}

function bindSyscalls(): Syscalls {
  const ffi = loadFfi();
  const { functions } = ffi.dlopen(null, {
    dup: { arguments: ['i32'], return: 'i32' },
    close: { arguments: ['i32'], return: 'i32' },
    socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
    listen: { arguments: ['i32', 'i32'], return: 'i32' },
    bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
    setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
    getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
    getsockname: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
    getpeername: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
    eventfd: { arguments: ['u32', 'i32'], return: 'i32' },
    __errno_location: { arguments: [], return: 'pointer' },
  });
  const scratch = openScratch(ffi);
  const errno = functions['__errno_location'] as unknown as () => bigint;
  const call = (name: string, ...parameters: readonly (number | bigint)[]): number => {
    const result = functions[name]!(...parameters);
    if (result >= 0) return result;
    const number = ffi.getInt32(errno(), 0);
    throw new SyscallError(name, errnoName(number));
  };
  const option = (
    fd: number,
    level: number,
    name: number,
    value: Int32Array<ArrayBuffer> = Int32Array.of(1),
  ) => call('setsockopt', fd, level, name, scratch.pass(value), value.byteLength);
  const nameOf = (name: 'getsockname' | 'getpeername', fd: number): Uint8Array => {
    call(name, fd, scratch.room(SOCKADDR_IN6_BYTES), scratch.length);
    return scratch.taken();
  };
  const boundSocket = createBinder(call, scratch, option);
  return {
    duplicate: (fd) => call('dup', fd),
    close: (fd) => void call('close', fd),
    udpSocket: (address, port, shared) =>
      boundSocket(SOCK_DGRAM, shared ? SO_REUSEPORT : 0, address, port),
    batchSocket(address, port, waitMs, receiveBytes) {
      const fd = boundSocket(SOCK_DGRAM, SO_REUSEPORT, address, port, 0, 0);
      // struct timeval: seconds and microseconds, 64 bits each.
      const wait = Int32Array.of(Math.floor(waitMs / 1000), 0, (waitMs % 1000) * 1000, 0);
      try {
        option(fd, SOL_SOCKET, SO_RCVTIMEO, wait);
        option(fd, SOL_SOCKET, SO_RCVBUF, Int32Array.of(receiveBytes));
        if (address.some((byte) => byte !== 0)) return fd;
        if (address.length === 4) option(fd, IPPROTO_IP, IP_PKTINFO);
        else option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
        return fd;
      } catch (error) {
        functions['close']!(fd);
        throw error;
      }
    },
    sendWhole(fd, family) {
      const [level, name] =
        family === 4 ? [IPPROTO_IP, IP_MTU_DISCOVER] : [IPPROTO_IPV6, IPV6_MTU_DISCOVER];
      option(fd, level, name, Int32Array.of(PMTUDISC_PROBE));
    },
    receiveQueue(fd) {
      const to = scratch.room(4 * MEMINFO_WORDS);
      call('getsockopt', fd, SOL_SOCKET, SO_MEMINFO, to, scratch.length);
      const words = new Uint32Array(scratch.taken().buffer);
      return { bytesMax: words[MEMINFO_RCVBUF]!, drops: words[MEMINFO_DROPS]! };
    },
    eventCounter: () => call('eventfd', 0, EFD_NONBLOCK | EFD_CLOEXEC),
    tcpSocket(address, port, fastOpenMax, shared = false) {
      const reuse = shared ? SO_REUSEPORT : SO_REUSEADDR;
      const fd = boundSocket(SOCK_STREAM, reuse, address, port);
      try {
        if (fastOpenMax > 0) option(fd, IPPROTO_TCP, TCP_FASTOPEN, Int32Array.of(fastOpenMax));
      } catch {
        // A kernel without it: clients shake hands first, as ever.
      }
      return fd;
    },
    pingSocket(source) {
      const protocol = source.length === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
      return boundSocket(SOCK_DGRAM, 0, source, 0, protocol);
    },
    localPort(fd) {
      const name = nameOf('getsockname', fd);
      return (name[2]! << 8) | name[3]!;
    },
    ...createListenQueue(call, scratch),
  };
}

export type Invoke = (name: string, ...parameters: readonly (number | bigint)[]) => number;
type SetOption = (
  fd: number,
  level: number,
  name: number,
  value?: Int32Array<ArrayBuffer>,
) => number;

/** A socket on an address, or an error and no socket. */
function createBinder(call: Invoke, scratch: Scratch, option: SetOption) {
  return (
    type: number,
    reuse: number,
    address: Uint8Array,
    port: number,
    protocol = 0,
    blocking = SOCK_NONBLOCK,
  ): number => {
    const family = address.length === 4 ? AF_INET : AF_INET6;
    const fd = call('socket', family, type | blocking | SOCK_CLOEXEC, protocol);
    try {
      if (reuse !== 0) option(fd, SOL_SOCKET, reuse);
      if (family === AF_INET6) option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
      const name = socketAddress(address, port);
      call('bind', fd, scratch.pass(name), name.length);
      if (type === SOCK_STREAM) call('listen', fd, LISTEN_BACKLOG);
      return fd;
    } catch (error) {
      call('close', fd);
      throw error;
    }
  };
}

/**
 * What one call reads or writes. An address alone keeps no memory alive, so all calls share some that is never
 * collected; nothing runs between the filling of it and the call.
 */
export type Scratch = {
  /** Where what is passed lies. */
  readonly address: bigint;
  /** Address of a copy. */
  pass(value: ArrayBufferView<ArrayBuffer>): bigint;
  /** Address of so many octets for the kernel to write to. */
  room(octets: number): bigint;
  /** Where the kernel finds how much room there is, and says how much it took. */
  readonly length: bigint;
  /** A copy of what it wrote. */
  taken(): Uint8Array<ArrayBuffer>;
};

/** An argument, and behind it how long it is. */
const scratchMemory = new ArrayBuffer(ARGUMENT_BYTES + 4);
/** Memory that the kernel may write to: here nobody lets go of it while the thread lives. */
export const held: ArrayBuffer[] = [scratchMemory];

function openScratch(ffi: Ffi): Scratch {
  const octets = new Uint8Array(scratchMemory, 0, ARGUMENT_BYTES);
  const size = new Uint32Array(scratchMemory, ARGUMENT_BYTES, 1);
  const address = ffi.getRawPointer(scratchMemory);
  let given = 0;
  return {
    address,
    pass({ buffer, byteLength, byteOffset }) {
      octets.set(new Uint8Array(buffer, byteOffset, byteLength));
      return address;
    },
    room(wanted) {
      given = wanted;
      size[0] = wanted;
      octets.fill(0);
      return address;
    },
    length: address + BigInt(ARGUMENT_BYTES),
    // Of what did not fit the kernel says how long it would have been.
    taken: () => octets.slice(0, Math.min(size[0]!, given)),
  };
}

function bindBatchCalls(): BatchCalls {
  const ffi = loadFfi();
  const pointers = (count: number) => ({
    arguments: Array.from({ length: count }, () => 'pointer'),
    return: 'i32',
  });
  const { functions } = ffi.dlopen(null, {
    recvmmsg: pointers(5),
    sendmmsg: pointers(4),
    poll: pointers(3),
    nanosleep: pointers(2),
    __errno_location: { arguments: [], return: 'pointer' },
  });
  const { __errno_location: errno, nanosleep, poll, recvmmsg, sendmmsg } = functions;
  return {
    hold(memory) {
      held.push(memory);
      return ffi.getRawPointer(memory);
    },
    receive: recvmmsg as BatchCalls['receive'],
    send: sendmmsg as BatchCalls['send'],
    poll: poll as BatchCalls['poll'],
    sleep: nanosleep as BatchCalls['sleep'],
    errno() {
      const number = ffi.getInt32((errno as unknown as () => bigint)(), 0);
      return errnoName(number);
    },
    isDirect: [recvmmsg, sendmmsg, poll, nanosleep].every((each) =>
      String(each).includes('[native code]'),
    ),
  };
}

/** struct sockaddr_in / sockaddr_in6: family in host order, port in network order. */
export function socketAddress(address: Uint8Array, port: number): Uint8Array<ArrayBuffer> {
  const family = address.length === 4 ? AF_INET : AF_INET6;
  const name = new Uint8Array(family === AF_INET ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  new Uint16Array(name.buffer, 0, 1)[0] = family;
  name[2] = port >> 8;
  name[3] = port & 0xff;
  name.set(address, family === AF_INET ? 4 : 8);
  return name;
}

/** Opens, duplicates and closes a loopback socket: a wrong layout shows here, not in service. */
function selfTest(calls: Syscalls): void {
  const fd = calls.udpSocket(new Uint8Array([127, 0, 0, 1]), 0, true);
  const second = calls.duplicate(fd);
  const same = calls.localPort(fd) > 0 && calls.localPort(fd) === calls.localPort(second);
  calls.close(second);
  calls.close(fd);
  if (!same) throw new Error('self-test: a duplicate does not name the same socket');
}
