import type { DnsListenerConfig } from '../config/config.ts';
import {
  type HandedSocket,
  type Opened,
  type OwnedSocket,
  openBatchSockets,
  openTcpSocket,
  openUdpSockets,
  type SocketProblem,
} from '../io/sockets.ts';
import type { Syscalls } from '../io/syscall.ts';
import { parseAddress } from '../ip/address.ts';
import { type Prefix, parsePrefix } from '../ip/prefix.ts';

/** The sockets of one DNS listener; they belong to the main thread. */
export type Entrance = {
  readonly listener: DnsListenerConfig;
  readonly port: number;
  /** By worker; none when the listener is for streams only. */
  readonly udp: readonly (readonly OwnedSocket[])[];
  readonly stream: OwnedSocket | undefined;
};

/** What a UDP worker is handed. */
export type UdpEntrance = {
  readonly socket: HandedSocket;
  /** Networks of proxies that say whom they speak for; undefined = clients speak for themselves. */
  readonly proxies: readonly Prefix[] | undefined;
};

/**
 * Opens the sockets of all listeners, or says what is wrong with any.
 * @param hasBatches UDP is read by the batch (io/udp-batch.ts)
 */
export function openEntrances(
  listeners: readonly DnsListenerConfig[],
  syscalls: Syscalls | undefined,
  workers: number,
  hasBatches: boolean,
):
  | { readonly ok: true; readonly entrances: readonly Entrance[] }
  | { readonly ok: false; readonly problems: readonly SocketProblem[] } {
  const entrances: Entrance[] = [];
  const problems: SocketProblem[] = [];
  for (const listener of listeners) {
    const opened = openEntrance(listener, syscalls, workers, hasBatches);
    entrances.push(opened.entrance);
    problems.push(...opened.problems);
  }
  if (problems.length === 0) return { ok: true, entrances };
  closeEntrances(entrances);
  return { ok: false, problems };
}

export function closeEntrances(entrances: readonly Entrance[]): void {
  for (const { stream, udp } of entrances) {
    for (const socket of udp.flat()) socket.close();
    stream?.close();
  }
}

/** Networks as the configuration has them. */
export function proxiesOf({ proxies }: DnsListenerConfig): readonly Prefix[] | undefined {
  return proxies?.flatMap((network) => parsePrefix(network) ?? []);
}

/** Queries in the first packet of a connection, where the machine allows it (net.ipv4.tcp_fastopen). */
const FAST_OPEN_MAX = 256;
/** Times that another free port is looked for: one that TCP was given may be taken for UDP. */
const PORT_ATTEMPTS_MAX = 8;

/** One port for UDP and TCP, as DNS wants it; any that is free for both when it is 0. */
function openEntrance(
  listener: DnsListenerConfig,
  syscalls: Syscalls | undefined,
  workers: number,
  hasBatches: boolean,
  attempt = 1,
): { readonly entrance: Entrance; readonly problems: readonly SocketProblem[] } {
  const { address, protocol } = listener;
  const bytes = parseAddress(address)?.bytes ?? new Uint8Array(4);
  const stream =
    protocol === 'udp' ? NOTHING : openTcpSocket(syscalls, listener, bytes, FAST_OPEN_MAX);
  const port = (stream.ok ? stream.value?.port : undefined) ?? listener.port;
  const isDatagram = protocol === 'dns' || protocol === 'udp';
  const at = { address, port };
  const udp = !isDatagram
    ? ({ ok: true, value: [] } as const)
    : syscalls && hasBatches
      ? openBatchSockets(syscalls, at, bytes, workers)
      : openUdpSockets(syscalls, at, bytes, workers);
  const isTaken = stream.ok && !udp.ok && udp.problem.code === 'EADDRINUSE';
  if (isTaken && listener.port === 0 && attempt < PORT_ATTEMPTS_MAX) {
    stream.value?.close();
    return openEntrance(listener, syscalls, workers, hasBatches, attempt + 1);
  }
  const sockets = udp.ok ? udp.value : [];
  return {
    entrance: {
      listener,
      port: sockets[0]?.[0]?.port ?? port,
      udp: sockets,
      stream: stream.ok ? stream.value : undefined,
    },
    problems: [stream, udp].flatMap((each) => (each.ok ? [] : [each.problem])),
  };
}

const NOTHING: Opened<OwnedSocket | undefined> = { ok: true, value: undefined };
