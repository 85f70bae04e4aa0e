import type { BalancerSnapshot } from '../balancer/snapshot.ts';
import { type Hall, proxied } from '../io/proxied.ts';
import type { Connection, OnConnection } from '../io/stream.ts';
import { parseAddress } from '../ip/address.ts';
import { containsAddress, type Prefix, parsePrefix } from '../ip/prefix.ts';
import { readEitherProxyHeader } from '../ip/proxy-line.ts';

/**
 * What connections of all listeners, HTTP and TCP, pass before they are served: behind a proxy its PROXY
 * header is taken off, and from there on the client's address is the connection's. A header has to come in
 * time, and only so many are waited for.
 */
export type Entrance = {
  /** @param listener that the connection has come to */
  pass(listener: string, connection: Connection, serve: OnConnection): ReturnType<OnConnection>;
  serve(snapshot: BalancerSnapshot): void;
  tick(nowMs: number): void;
};

export function createEntrance(snapshot: BalancerSnapshot): Entrance {
  const waiting = new Map<Connection, number>();
  let proxies = proxiesOf(snapshot);
  let { limits } = snapshot;
  let atMs = 0;
  const hall: Hall = {
    enter(connection) {
      if (waiting.size < limits.connectionsMax) waiting.set(connection, atMs);
      else connection.destroy();
    },
    leave: (connection) => void waiting.delete(connection),
    refuse: (connection) => connection.destroy(),
  };
  return {
    pass(listener, connection, serve) {
      const networks = proxies.get(listener);
      if (networks === undefined) return serve(connection);
      const isProxy = (text: string): boolean => {
        const address = parseAddress(text);
        return address !== undefined && networks.some((each) => containsAddress(each, address));
      };
      return proxied(isProxy, serve, hall, readEitherProxyHeader)(connection);
    },
    serve(next) {
      proxies = proxiesOf(next);
      limits = next.limits;
    },
    tick(nowMs) {
      atMs = nowMs;
      for (const [connection, sinceMs] of waiting) {
        if (nowMs - sinceMs < limits.headTimeoutMs) break;
        waiting.delete(connection);
        connection.destroy();
      }
    },
  };
}

function proxiesOf({ listeners }: BalancerSnapshot): ReadonlyMap<string, readonly Prefix[]> {
  return new Map(
    listeners.flatMap(({ name, proxies }) =>
      // Validation has read them before; what cannot be read would trust nobody.
      proxies === undefined ? [] : [[name, proxies.flatMap((text) => parsePrefix(text) ?? [])]],
    ),
  );
}
