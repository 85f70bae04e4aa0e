import { errnoName, held, loadFfi, SyscallError, socketAddress } from './syscall.ts';

/**
 * The calls of a ring (io_uring(7)) and of its sockets. What is to be done and what has been done lie
 * in memory that the kernel shares. All parameters are addresses or numbers as BigInts, since any
 * integer type in a declaration brings in a wrapper that costs more than the call (`BatchCalls`).
 */
export type RingCalls = {
  /** @param parameters struct io_uring_params, filled in. @returns the ring's descriptor; throws why not */
  setup(entries: number, parameters: Uint8Array): number;
  /** @returns how many entries were taken, or -1: `errno` tells why. */
  enter(fd: bigint, count: bigint, waitFor: bigint, flags: bigint): number;
  register(fd: number, opcode: number, argument: Uint8Array, count: number): void;
  /** Memory that is shared with the ring, or nobody's yet (fd -1). */
  map(fd: number, offset: number, length: number): RingMemory;
  /** Memory that another thread has mapped. */
  view(address: bigint, length: number): ArrayBuffer;
  /** For a ring whose thread is gone: nobody may look at the memory any more. */
  unmap(address: bigint, length: bigint): void;
  /** What is in nobody's memory is not needed any more: the kernel has it until it is written again. */
  discard(address: number, length: number): void;
  /**
   * Gives nobody's memory back, and keeps its addresses from being used again: the kernel may still mean to write
   * there, and finds that it cannot. For a thread that is gone.
   */
  retire(address: bigint, length: bigint): void;
  errno(): string;
  close(fd: number): void;
  /** Finishes our side of a TCP connection (SHUT_WR). Never waits; the ring would do it in a thread of its own. */
  finish(fd: number): void;
  /** Readable while this thread's event loop has something to do. */
  loopDescriptor(): number;
  /** A TCP socket to connect with, whose small segments do not wait; bound when a local address is given. */
  streamSocket(family: 4 | 6, local: Uint8Array | undefined): number;
  /** Calls on the socket wait in the kernel, and small segments do not. */
  prepareStream(fd: number): void;
  /** Closing the socket resets the connection. */
  resetOnClose(fd: number): void;
  /** struct sockaddr of this end or of the peer's, until the next call; undefined when there is none any more. */
  socketName(fd: number, end: 'local' | 'peer'): Uint8Array | undefined;
  /** Octets that the peer's kernel has taken since the connection was made. */
  octetsTaken(fd: number): number;
  /** The least round-trip time that the kernel has seen, microseconds; 0 = none. */
  roundTripMicros(fd: number): number;
  readonly isDirect: boolean;
};

/** Whole pages; the address is exact as a number. */
export type RingMemory = { readonly memory: ArrayBuffer; readonly address: number };

export type RingCallsOrReason =
  | { readonly ok: true; readonly calls: RingCalls }
  | { readonly ok: false; readonly reason: string };

/** Each thread opens its own. Whether the kernel lets a process have a ring is for io/ring-probe.ts to try. */
export function openRingCalls(): RingCallsOrReason {
  const { arch, platform } = process;
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
    return { ok: false, reason: `no io_uring on ${platform} ${arch}` };
  }
  try {
    return { ok: true, calls: bindRingCalls() };
  } catch (error) {
    return { ok: false, reason: `node:ffi is not usable: ${(error as Error).message}` };
  }
}

// Linux values, the same on x86-64 and arm64.
const SYS_IO_URING_SETUP = 425n;
const SYS_IO_URING_ENTER = 426n;
const SYS_IO_URING_REGISTER = 427n;
const PROT_READ_WRITE = 3n;
const MAP_SHARED_POPULATE = 0x8001n;
const MAP_PRIVATE_ANONYMOUS = 0x22n;
const PROT_NONE = 0n;
/** With MAP_FIXED, in place of what is there, and MAP_NORESERVE. */
const MAP_RESERVED = 0x4032n;
const MADV_DONTNEED = 4n;
const NO_DESCRIPTOR = 0xffffffffffffffffn;
const MAP_FAILED = 0xffffffffffffffffn;
const SHUT_WR = 1n;
const AF_INET = 2n;
const AF_INET6 = 10n;
const SOCK_STREAM_CLOEXEC = 0o2000001n;
const F_SETFL = 4n;
const SOL_SOCKET = 1n;
const SO_LINGER = 13n;
const IPPROTO_TCP = 6n;
const TCP_NODELAY = 1n;
const TCP_INFO = 11n;
/** tcpi_bytes_acked of struct tcp_info (linux/tcp.h). */
const BYTES_ACKED_AT = 120;
/** tcpi_min_rtt, and what it is before there is one. */
const MIN_RTT_AT = 148;
const NO_RTT = 0xffffffff;
const SOCKADDR_IN6_BYTES = 28;
const SCRATCH_BYTES = 4096;

type Pointers = (...parameters: readonly bigint[]) => number;

function bindRingCalls(): RingCalls {
  const ffi = loadFfi();
  const pointers = (count: number, result = 'i32') => ({
    arguments: Array.from({ length: count }, () => 'pointer'),
    return: result,
  });
  const { functions } = ffi.dlopen(null, {
    syscall: pointers(6),
    mmap: pointers(6, 'pointer'),
    munmap: pointers(2),
    madvise: pointers(3),
    close: pointers(1),
    shutdown: pointers(2),
    uv_backend_fd: pointers(1),
    __errno_location: pointers(0, 'pointer'),
  });
  const {
    close,
    madvise,
    mmap,
    munmap,
    shutdown,
    syscall,
    uv_backend_fd: loop,
  } = functions as Record<string, Pointers>;
  const where = functions['__errno_location'] as unknown as () => bigint;
  const errno = (): string => errnoName(ffi.getInt32(where(), 0));
  const call = (name: string, number: bigint, a: bigint, b: bigint, c = 0n, d = 0n): number => {
    const result = syscall!(number, a, b, c, d, 0n);
    if (result < 0) throw new SyscallError(name, errno());
    return result;
  };
  return {
    setup: (entries, parameters) =>
      call('io_uring_setup', SYS_IO_URING_SETUP, BigInt(entries), ffi.getRawPointer(parameters)),
    enter: (fd, count, waitFor, flags) =>
      syscall!(SYS_IO_URING_ENTER, fd, count, waitFor, flags, 0n),
    register(fd, opcode, argument, count) {
      const at = ffi.getRawPointer(argument);
      const [ring, what, many] = [BigInt(fd), BigInt(opcode), BigInt(count)];
      call('io_uring_register', SYS_IO_URING_REGISTER, ring, what, at, many);
    },
    map(fd, offset, length) {
      const flags = fd < 0 ? MAP_PRIVATE_ANONYMOUS : MAP_SHARED_POPULATE;
      const on = fd < 0 ? NO_DESCRIPTOR : BigInt(fd);
      const parameters = [0n, BigInt(length), PROT_READ_WRITE, flags, on, BigInt(offset)];
      const at = mmap!(...parameters) as unknown as bigint;
      if (at === MAP_FAILED) throw new SyscallError('mmap', errno());
      const memory = ffi.toArrayBuffer(at, length, false);
      held.push(memory);
      return { memory, address: Number(at) };
    },
    view: (address, length) => ffi.toArrayBuffer(address, length, false),
    unmap: (address, length) => void munmap!(address, length),
    discard: (address, length) => void madvise!(BigInt(address), BigInt(length), MADV_DONTNEED),
    retire: (address, length) =>
      void mmap!(address, length, PROT_NONE, MAP_RESERVED, NO_DESCRIPTOR, 0n),
    errno,
    close: (fd) => void close!(BigInt(fd)),
    finish: (fd) => void shutdown!(descriptorWord(fd), SHUT_WR),
    loopDescriptor: () => loop!(ffi.getCurrentEventLoop()),
    isDirect: String(syscall).includes('[native code]'),
    ...bindSocketCalls(errno),
  };
}

/** As the calls of every connection take it. A BigInt is an object: each is made once. */
const descriptorWord = (fd: number): bigint => (DESCRIPTOR_WORDS[fd] ??= BigInt(fd));
const DESCRIPTOR_WORDS: bigint[] = [];

type SocketCalls = Pick<
  RingCalls,
  | 'streamSocket'
  | 'prepareStream'
  | 'resetOnClose'
  | 'socketName'
  | 'octetsTaken'
  | 'roundTripMicros'
>;

function bindSocketCalls(errno: () => string): SocketCalls {
  const ffi = loadFfi();
  const pointers = (count: number) => ({
    arguments: Array.from({ length: count }, () => 'pointer'),
    return: 'i32',
  });
  const { functions } = ffi.dlopen(null, {
    socket: pointers(3),
    bind: pointers(3),
    close: pointers(1),
    fcntl: pointers(3),
    setsockopt: pointers(5),
    getsockname: pointers(3),
    getpeername: pointers(3),
    getsockopt: pointers(5),
  });
  const { getpeername, getsockname, getsockopt } = functions as Record<string, Pointers>;
  const scratch = new Uint8Array(SCRATCH_BYTES);
  held.push(scratch.buffer);
  const words = new Int32Array(scratch.buffer);
  const at = ffi.getRawPointer(scratch);
  const lengthAt = at + BigInt(SCRATCH_BYTES / 2);
  const call = (name: string, ...parameters: readonly bigint[]): number => {
    const result = functions[name]!(...parameters);
    if (result < 0) throw new SyscallError(name, errno());
    return result;
  };
  const option = (fd: number, level: bigint, name: bigint, ...value: readonly number[]): void => {
    words.set(value);
    call('setsockopt', BigInt(fd), level, name, at, BigInt(4 * value.length));
  };
  return {
    streamSocket(family, local) {
      const fd = call('socket', family === 4 ? AF_INET : AF_INET6, SOCK_STREAM_CLOEXEC, 0n);
      option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      if (local === undefined) return fd;
      const name = socketAddress(local, 0);
      scratch.set(name);
      try {
        call('bind', BigInt(fd), at, BigInt(name.length));
        return fd;
      } catch (error) {
        call('close', BigInt(fd));
        throw error;
      }
    },
    prepareStream(fd) {
      call('fcntl', BigInt(fd), F_SETFL, 0n);
      option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    },
    // struct linger: on, for no time.
    resetOnClose: (fd) => option(fd, SOL_SOCKET, SO_LINGER, 1, 0),
    socketName(fd, end) {
      words[SCRATCH_BYTES / 8] = SOCKADDR_IN6_BYTES;
      const read = end === 'local' ? getsockname! : getpeername!;
      return read(descriptorWord(fd), at, lengthAt) < 0 ? undefined : scratch;
    },
    roundTripMicros(fd) {
      words[SCRATCH_BYTES / 8] = MIN_RTT_AT + 4;
      words[MIN_RTT_AT / 4] = NO_RTT;
      getsockopt!(descriptorWord(fd), IPPROTO_TCP, TCP_INFO, at, lengthAt);
      const micros = words[MIN_RTT_AT / 4]! >>> 0;
      return micros === NO_RTT ? 0 : micros;
    },
    octetsTaken(fd) {
      words[SCRATCH_BYTES / 8] = BYTES_ACKED_AT + 8;
      words.fill(0, BYTES_ACKED_AT / 4, BYTES_ACKED_AT / 4 + 2);
      getsockopt!(descriptorWord(fd), IPPROTO_TCP, TCP_INFO, at, lengthAt);
      return (words[BYTES_ACKED_AT / 4]! >>> 0) + (words[BYTES_ACKED_AT / 4 + 1]! >>> 0) * 2 ** 32;
    },
  };
}
