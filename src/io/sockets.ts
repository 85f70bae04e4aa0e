import { networkInterfaces } from 'node:os';
import { parseAddress } from '../ip/address.ts';
import { formatSocketAddress, type SocketAddress } from '../ip/socket-address.ts';
import { RECEIVE_BUFFER_BYTES, RECEIVE_WAIT_MS } from './datagram.ts';
import type { ReceiveQueue, SyscallError, Syscalls } from './syscall.ts';

/**
 * The listening sockets of a node. The main thread opens each once and keeps it for the node's life;
 * workers get duplicates. A worker that dies takes only its duplicate with it: the port stays bound,
 * packets and connections wait in the kernel for its successor. Without descriptor hand-over
 * (`syscalls` undefined) workers open the sockets themselves and only the address travels.
 */

/**
 * What a worker is handed. `fd` is a duplicate that the worker owns and closes; of a socket for batches it is
 * the descriptor itself, for nothing would close a duplicate when the worker dies.
 */
export type HandedSocket = SocketAddress & { readonly fd: number | undefined };

export type OwnedSocket = SocketAddress & {
  hand(): HandedSocket;
  /** Undefined = not known. */
  queue(): ReceiveQueue | undefined;
  /** Of a listening one, before it closes: the kernel takes nobody new, so that those it has taken can be served. */
  refuseNew(): void;
  close(): void;
};

/** Why a socket could not be opened, in words for the operator. */
export type SocketProblem = {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
};

export type Opened<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: SocketProblem };

/**
 * UDP sockets by worker; refuses an address that another program serves. A wildcard has a socket on each
 * address of this machine beside its own: a reply leaves from the address that its socket is bound to,
 * and from a wildcard it leaves from whichever the route prefers, where nobody waits for it. The kernel
 * gives a packet to the most specific socket, so that the wildcard's own is left with addresses that
 * the machine gets later.
 */
export function openUdpSockets(
  syscalls: Syscalls | undefined,
  at: SocketAddress,
  bytes: Uint8Array,
  count: number,
  local: (family: 4 | 6) => readonly string[] = localAddresses,
): Opened<readonly (readonly OwnedSocket[])[]> {
  if (!syscalls) return { ok: true, value: Array.from({ length: count }, () => [unowned(at)]) };
  return attempt('UDP', at, () => {
    claim(syscalls, at, bytes);
    const first = owned(syscalls, at, syscalls.udpSocket(bytes, at.port, true));
    const { port } = first;
    const open = (address: string, on: Uint8Array): OwnedSocket =>
      owned(syscalls, { address, port }, syscalls.udpSocket(on, port, true));
    const byWorker = Array.from({ length: count }, (_, worker) => [
      worker === 0 ? first : open(at.address, bytes),
    ]);
    const isWildcard = bytes.every((byte) => byte === 0);
    for (const address of isWildcard ? local(bytes.length === 4 ? 4 : 6) : []) {
      const on = parseAddress(address)?.bytes;
      // An address may go while this runs; the wildcard's own socket serves it if it returns.
      const opened = on && attempt('UDP', { address, port }, () => open(address, on));
      if (!on || !opened?.ok) continue;
      for (const [worker, sockets] of byWorker.entries()) {
        sockets.push(worker === 0 ? opened.value : open(address, on));
      }
    }
    return byWorker;
  });
}

/**
 * A socket for each worker, to be read by the batch (io/udp-batch.ts). On a wildcard each datagram says which
 * address it came to, so that one socket is enough; addresses that the machine gets later are served, too.
 */
export function openBatchSockets(
  syscalls: Syscalls,
  at: SocketAddress,
  bytes: Uint8Array,
  count: number,
): Opened<readonly (readonly OwnedSocket[])[]> {
  const open = (port: number): OwnedSocket => {
    const fd = syscalls.batchSocket(bytes, port, RECEIVE_WAIT_MS, RECEIVE_BUFFER_BYTES);
    try {
      syscalls.sendWhole(fd, bytes.length === 4 ? 4 : 6);
    } catch {
      // A kernel that cannot: long answers are sent in fragments, as by the portable engine.
    }
    return owned(syscalls, at, fd, 'lent');
  };
  return attempt('UDP', at, () => {
    claim(syscalls, at, bytes);
    const first = open(at.port);
    return Array.from({ length: count }, (_, worker) => [worker === 0 ? first : open(first.port)]);
  });
}

/**
 * SO_REUSEPORT would let a second program of the same user share the port unnoticed, so the address is
 * first claimed alone.
 */
function claim(syscalls: Syscalls, { port }: SocketAddress, bytes: Uint8Array): void {
  if (port !== 0) syscalls.close(syscalls.udpSocket(bytes, port, false));
}

/** What this machine can be asked at; link-local addresses mean something on one link only. */
function localAddresses(family: 4 | 6): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => one.family === `IPv${family}` && !(one.family === 'IPv6' && one.scopeid !== 0))
    .map(({ address }) => address);
}

/**
 * A listening TCP socket; every worker that gets a duplicate accepts from the same queue.
 * @param fastOpenMax connections that may wait with data of their first packet (RFC 7413): for services where
 *   a request that comes twice does no harm
 */
export function openTcpSocket(
  syscalls: Syscalls | undefined,
  at: SocketAddress,
  bytes: Uint8Array,
  fastOpenMax = 0,
): Opened<OwnedSocket> {
  if (!syscalls) return { ok: true, value: unowned(at) };
  return attempt('TCP', at, () => {
    return owned(syscalls, at, syscalls.tcpSocket(bytes, at.port, fastOpenMax));
  });
}

/** An address that workers open themselves with SO_REUSEPORT; refused when another program has it. */
export function reserveUdp(
  syscalls: Syscalls | undefined,
  at: SocketAddress,
  bytes: Uint8Array,
): Opened<OwnedSocket> {
  return attempt('UDP', at, () => {
    if (syscalls) claim(syscalls, at, bytes);
    return unowned(at);
  });
}

/** The sentence for a bind that failed with `code`. */
export function describeBindFailure(kind: string, at: SocketAddress, code: string): SocketProblem {
  const where = `${kind} ${formatSocketAddress(at)}`;
  switch (code) {
    case 'EADDRINUSE':
      return {
        code,
        message: `${where} is taken by another program.`,
        hint: `Stop that program (\`ss -lnp 'sport = :${at.port}'\` shows it) or choose another port in the configuration.`,
      };
    case 'EACCES':
    case 'EPERM':
      return {
        code,
        message: `This user may not open ${where}.`,
        hint: 'Ports below 1024 need root, CAP_NET_BIND_SERVICE, or sysctl net.ipv4.ip_unprivileged_port_start=0; or choose a port above 1023.',
      };
    case 'EADDRNOTAVAIL':
      return {
        code,
        message: `${where} is not an address of this machine.`,
        hint: 'Give the address to an interface (`ip addr add`) or change it in the configuration; on macOS each loopback address but 127.0.0.1 needs `sudo ifconfig lo0 alias ADDRESS`.',
      };
    default:
      return {
        code,
        message: `${where} cannot be opened: ${code}.`,
        hint: 'Check the address in the configuration and the limits of this machine (`ulimit -n`).',
      };
  }
}

function attempt<T>(kind: string, at: SocketAddress, open: () => T): Opened<T> {
  try {
    return { ok: true, value: open() };
  } catch (error) {
    const code = (error as SyscallError).code ?? 'UNKNOWN';
    return { ok: false, problem: describeBindFailure(kind, at, code) };
  }
}

/** The socket with the port that it has, also when any was asked for. */
function owned(
  syscalls: Syscalls,
  { address }: SocketAddress,
  fd: number,
  how: 'duplicated' | 'lent' = 'duplicated',
): OwnedSocket {
  let open = true;
  const at = { address, port: syscalls.localPort(fd) };
  return {
    ...at,
    hand: () => ({ ...at, fd: how === 'lent' ? fd : syscalls.duplicate(fd) }),
    queue() {
      try {
        return open ? syscalls.receiveQueue(fd) : undefined;
      } catch {
        // A kernel that does not tell.
        return undefined;
      }
    },
    refuseNew() {
      try {
        if (open) syscalls.refuseNewClients(fd);
      } catch {
        // A kernel without packet filters: who comes at the very end is reset.
      }
    },
    close() {
      if (open) syscalls.close(fd);
      open = false;
    },
  };
}

function unowned(at: SocketAddress): OwnedSocket {
  return {
    ...at,
    hand: () => ({ ...at, fd: undefined }),
    queue: () => undefined,
    refuseNew() {},
    close() {},
  };
}
