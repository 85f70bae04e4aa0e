import type { BalancerSnapshot } from '../balancer/snapshot.ts';
import { type Hall, proxied } from '../io/proxied.ts';
import type { Connection, OnConnection } from '../io/stream.ts';
import { formatAddress, parseAddress } from '../ip/address.ts';
import { containsAddress, type Prefix, parsePrefix } from '../ip/prefix.ts';
import { readEitherProxyHeader } from '../ip/proxy-line.ts';
import { readProxyOptions } from '../ip/proxy-options.ts';
import { createProxiedClient, type ProxiedClient, readProxyHeader } from '../ip/proxy-protocol.ts';
import type { Flow } from './flow-key.ts';

/**
 * What connections and datagrams of all listeners pass before they are served: behind a proxy its PROXY
 * header is taken off, and from there on the client's address is the connection's. A header has to come in
 * time, and only so many are waited for.
 */
export type Entrance = {
  /** @param listener that the connection has come to */
  pass(
    listener: string,
    connection: Connection,
    nowMs: number,
    serve: OnConnection,
  ): ReturnType<OnConnection>;
  /**
   * The same of one datagram: whose it is and what is behind the header, which only version 2 can tell of
   * datagrams; undefined when it is to be dropped.
   */
  open(listener: string, flow: Flow, bytes: Uint8Array): OpenedDatagram | undefined;
  serve(snapshot: BalancerSnapshot): void;
  tick(nowMs: number): void;
};

export type OpenedDatagram = { readonly flow: Flow; readonly bytes: Uint8Array };

export function createEntrance(snapshot: BalancerSnapshot): Entrance {
  const waiting = new Map<Connection, number>();
  let proxies = proxiesOf(snapshot);
  let { limits } = snapshot;
  const client = createProxiedClient();
  const hallSince = (nowMs: number): Hall => ({
    enter(connection) {
      if (waiting.size < limits.connectionsMax) waiting.set(connection, nowMs);
      else connection.destroy();
    },
    leave: (connection) => void waiting.delete(connection),
    refuse: (connection) => connection.destroy(),
  });
  return {
    pass(listener, connection, nowMs, serve) {
      const networks = proxies.get(listener);
      if (networks === undefined) return serve(connection);
      const isProxy = (text: string): boolean => isIn(networks, text);
      return proxied(isProxy, serve, hallSince(nowMs), readEitherProxyHeader)(connection);
    },
    open(listener, flow, bytes) {
      const networks = proxies.get(listener);
      if (networks === undefined) return { flow, bytes };
      return isIn(networks, flow.remoteAddress) ? behindHeader(client, flow, bytes) : undefined;
    },
    serve(next) {
      proxies = proxiesOf(next);
      limits = next.limits;
    },
    tick(nowMs) {
      for (const [connection, sinceMs] of waiting) {
        if (nowMs - sinceMs < limits.headTimeoutMs) break;
        waiting.delete(connection);
        connection.destroy();
      }
    },
  };
}

function behindHeader(
  client: ProxiedClient,
  flow: Flow,
  bytes: Uint8Array,
): OpenedDatagram | undefined {
  const length = readProxyHeader(client, bytes, bytes.length);
  if (length <= 0) return undefined;
  const rest = bytes.subarray(length);
  if (!client.isTold) return { flow, bytes: rest };
  const { family } = client;
  const address = client.address.slice(0, family === 4 ? 4 : 16);
  const remoteAddress = formatAddress({ family, bytes: address });
  const told = readProxyOptions(bytes, client.optionsAt, length);
  return { flow: { ...flow, remoteAddress, remotePort: client.port, told }, bytes: rest };
}

function isIn(networks: readonly Prefix[], text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && networks.some((each) => containsAddress(each, address));
}

function proxiesOf({ listeners }: BalancerSnapshot): ReadonlyMap<string, readonly Prefix[]> {
  return new Map(
    listeners.flatMap(({ name, proxies }) =>
      // Validation has read them before; what cannot be read would trust nobody.
      proxies === undefined ? [] : [[name, proxies.flatMap((text) => parsePrefix(text) ?? [])]],
    ),
  );
}
