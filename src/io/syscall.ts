import { createRequire } from 'node:module';

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
  /** A listening TCP socket: the kernel completes handshakes even while no worker accepts. */
  tcpSocket(address: Uint8Array, port: number): number;
  /**
   * A socket for ICMP echo, bound to the source address (any = all zero). The kernel lets the groups
   * of `net.ipv4.ping_group_range` have one, without further rights, and passes on replies to its own
   * requests only; node:dgram takes it for a UDP socket.
   */
  pingSocket(source: Uint8Array): number;
  /** The local port that a socket is bound to. */
  localPort(fd: number): number;
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

// Linux values, the same on x86-64 and arm64 (asm-generic/socket.h, bits/socket.h).
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_ICMP = 1;
const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const IPV6_V6ONLY = 26;
const SOCKADDR_IN6_BYTES = 28;
const SOCKADDR_IN_BYTES = 16;
/** Connections that the kernel may hold for a listener before a worker accepts them. */
const LISTEN_BACKLOG = 1024;
const ERRNO: Readonly<Record<number, string>> = {
  1: 'EPERM',
  13: 'EACCES',
  22: 'EINVAL',
  23: 'ENFILE',
  24: 'EMFILE',
  97: 'EAFNOSUPPORT',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
};

type Call = (...parameters: readonly (number | bigint)[]) => number;
type Ffi = {
  dlopen(
    path: string | null,
    signatures: Record<string, { arguments: string[]; return: string }>,
  ): { functions: Record<string, Call> };
  getRawPointer(buffer: Uint8Array): bigint;
  getInt32(pointer: bigint, offset: number): number;
};

function bindSyscalls(): Syscalls {
  // Through require, so that a Node without the module is a value here and not a failed import.
  const ffi = createRequire(import.meta.url)('node:ffi') as Ffi;
  const { functions } = ffi.dlopen(null, {
    dup: { arguments: ['i32'], return: 'i32' },
    close: { arguments: ['i32'], return: 'i32' },
    socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
    listen: { arguments: ['i32', 'i32'], return: 'i32' },
    bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
    setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
    getsockname: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
    __errno_location: { arguments: [], return: 'pointer' },
  });
  const errno = functions['__errno_location'] as unknown as () => bigint;
  const call = (name: string, ...parameters: readonly (number | bigint)[]): number => {
    const result = functions[name]!(...parameters);
    if (result >= 0) return result;
    const number = ffi.getInt32(errno(), 0);
    throw new SyscallError(name, ERRNO[number] ?? `errno ${number}`);
  };
  const one = new Uint8Array([1, 0, 0, 0]);
  const option = (fd: number, level: number, name: number) =>
    call('setsockopt', fd, level, name, ffi.getRawPointer(one), 4);

  const boundSocket = (
    type: number,
    reuse: number,
    address: Uint8Array,
    port: number,
    protocol = 0,
  ) => {
    const family = address.length === 4 ? AF_INET : AF_INET6;
    const fd = call('socket', family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    try {
      if (reuse !== 0) option(fd, SOL_SOCKET, reuse);
      if (family === AF_INET6) option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
      const name = socketAddress(family, address, port);
      call('bind', fd, ffi.getRawPointer(name), name.length);
      if (type === SOCK_STREAM) call('listen', fd, LISTEN_BACKLOG);
      return fd;
    } catch (error) {
      functions['close']!(fd);
      throw error;
    }
  };
  return {
    duplicate: (fd) => call('dup', fd),
    close: (fd) => void call('close', fd),
    udpSocket: (address, port, shared) =>
      boundSocket(SOCK_DGRAM, shared ? SO_REUSEPORT : 0, address, port),
    tcpSocket: (address, port) => boundSocket(SOCK_STREAM, SO_REUSEADDR, address, port),
    pingSocket(source) {
      const protocol = source.length === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
      return boundSocket(SOCK_DGRAM, 0, source, 0, protocol);
    },
    localPort(fd) {
      const name = new Uint8Array(SOCKADDR_IN6_BYTES);
      const length = new Uint8Array([SOCKADDR_IN6_BYTES, 0, 0, 0]);
      call('getsockname', fd, ffi.getRawPointer(name), ffi.getRawPointer(length));
      return (name[2]! << 8) | name[3]!;
    },
  };
}

/** struct sockaddr_in / sockaddr_in6: family in host order, port in network order. */
function socketAddress(family: number, address: Uint8Array, port: number): Uint8Array {
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
