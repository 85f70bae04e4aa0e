import type { BalancerListenerConfig } from '../config/config.ts';
import { type OwnedSocket, openTcpSocket, reserveUdp, type SocketProblem } from '../io/sockets.ts';
import type { Syscalls } from '../io/syscall.ts';
import { parseAddress } from '../ip/address.ts';

/**
 * The balancer's listening sockets of all regions, one per address and port. A listener that gets
 * another name or another region keeps its socket: no connection is refused, and the address is not
 * found taken by ourselves.
 */
export type ListenerSockets = {
  /** Opens what is not open yet; what is there already stays. */
  open(listeners: readonly BalancerListenerConfig[]): readonly SocketProblem[];
  isOpen(listener: Place): boolean;
  /** A duplicate for one worker; undefined where workers open their own. */
  hand(listener: Place): number | undefined;
  /** Closes every socket that none of these listens on. */
  closeOthers(listeners: readonly Place[]): void;
};

type Place = Pick<BalancerListenerConfig, 'address' | 'layer4' | 'port'>;

export function createListenerSockets(syscalls: Syscalls | undefined): ListenerSockets {
  const sockets = new Map<string, OwnedSocket>();
  return {
    open(listeners) {
      const problems: SocketProblem[] = [];
      for (const listener of listeners) {
        if (sockets.has(keyOf(listener))) continue;
        const bytes = parseAddress(listener.address)?.bytes ?? new Uint8Array(4);
        const opened =
          listener.layer4?.protocol === 'udp'
            ? reserveUdp(syscalls, listener, bytes)
            : openTcpSocket(syscalls, listener, bytes);
        if (opened.ok) sockets.set(keyOf(listener), opened.value);
        else problems.push(opened.problem);
      }
      return problems;
    },
    isOpen: (listener) => sockets.has(keyOf(listener)),
    hand: (listener) => sockets.get(keyOf(listener))?.hand().fd,
    closeOthers(listeners) {
      const kept = new Set(listeners.map(keyOf));
      for (const [key, socket] of sockets) {
        if (kept.has(key)) continue;
        // Workers have it a moment longer, for clients that have come already.
        socket.refuseNew();
        socket.close();
        sockets.delete(key);
      }
    },
  };
}

const keyOf = ({ address, layer4, port }: Place): string =>
  `${layer4?.protocol === 'udp' ? 'udp' : 'tcp'} ${address} ${port}`;
