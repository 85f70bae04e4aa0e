import { balancedAt } from './balanced-at.ts';
import type { DnsListenerConfig } from './config.ts';
import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';

/**
 * Sockets that cannot be bound together. DNS listens on TCP too, so all three kinds of listeners are
 * held against each other; a wildcard address takes its port on every address of the family.
 */
export function checkListeners(check: Check): void {
  const { config, error, file } = check;
  const sockets: Socket[] = [];
  const roles = new Set(file.node.roles);
  if (roles.has('nameserver')) {
    for (const [index, listener] of config.dns.listeners.entries()) {
      const path = ['dns', 'listeners', index];
      checkCertificate(path, listener, error);
      const { address, port, protocol } = listener;
      sockets.push({ path, address, port, carries: CARRIED[protocol] ?? STREAMS });
    }
  }
  if (roles.has('balancer')) {
    for (const [index, { address, layer4, port }] of config.balancer.listeners.entries()) {
      const carries = layer4?.protocol === 'udp' ? CARRIED['udp']! : STREAMS;
      sockets.push({ path: ['balancer', 'listeners', index], address, port, carries });
    }
  }
  if (roles.has('admin')) sockets.push({ path: ['admin'], ...config.admin });
  const taken = new Map<number, Socket[]>();
  for (const socket of sockets) {
    const others = taken.get(socket.port) ?? [];
    const clash = others.find(
      (other) =>
        overlap(other.address, socket.address) &&
        (other.carries ?? STREAMS).some((kind) => (socket.carries ?? STREAMS).includes(kind)),
    );
    if (clash) {
      const at = `${socket.address} port ${socket.port}`;
      const message = `${at} is already taken by ${clash.path.join('.')}`;
      error(socket.path, message, 'use another port or address');
    }
    taken.set(socket.port, [...others, socket]);
  }
  checkNames(config.balancer.listeners, error);
  if (roles.has('balancer')) warnUnheard(check);
}

type Socket = {
  readonly path: ConfigPath;
  readonly address: string;
  readonly port: number;
  /** A port is free for the other. Default: streams. */
  readonly carries?: readonly string[];
};

const STREAMS: readonly string[] = ['streams'];
const CARRIED: Readonly<Record<string, readonly string[]>> = {
  dns: ['streams', 'datagrams'],
  udp: ['datagrams'],
};

function checkCertificate(
  path: ConfigPath,
  { certificate, protocol }: DnsListenerConfig,
  error: Check['error'],
): void {
  const isSecure = protocol === 'tls' || protocol === 'https';
  const hint = 'certificate: { file: fullchain.pem, keyFile: privkey.pem }, here or in dns';
  if (isSecure && certificate === undefined) error(path, `${protocol} needs a certificate`, hint);
  if (!isSecure && certificate !== undefined) {
    error([...path, 'certificate'], `${protocol} shows no certificate`, 'remove it', 'key');
  }
}

function overlap(a: string, b: string): boolean {
  if (a === b) return true;
  const sameFamily = a.includes(':') === b.includes(':');
  return sameFamily && (isWildcard(a) || isWildcard(b));
}

/**
 * A balancer speaks for the endpoints at whose sockets it listens; on all addresses, for those that are
 * at the region's VIPs. Behind an address translation it may speak for none, and its "not ready" would
 * be lost without a word.
 */
function warnUnheard({ config, warn }: Check): void {
  const { listeners } = config.balancer;
  const byRegion = Map.groupBy(listeners, ({ region }) => region);
  for (const [region, own] of byRegion) {
    const sockets = Object.values(config.pools).flatMap(({ endpoints, port }) =>
      endpoints
        .filter((endpoint) => endpoint.region === region)
        .flatMap(({ addresses }) => balancedAt(addresses, config.regions[region]?.vips ?? []))
        .map((address) => ({ address, port })),
    );
    const [example] = sockets;
    const isHeard = own.some((listener) =>
      sockets.some(({ address, port }) => port === listener.port && address === listener.address),
    );
    if (example === undefined || isHeard) continue;
    const { address, port } = example;
    const mayBeAny = sockets.some((each) => each.port === port && isWildcard(each.address));
    const any = address.includes(':') ? '"::"' : '0.0.0.0';
    const orAny = mayBeAny ? `, or of ${any} where the address is translated` : '';
    warn(
      ['balancer', 'listeners', listeners.indexOf(own[0]!)],
      `no listener of region "${region}" is at one of its endpoints, ${address} port ${port} for instance: whether this balancer is ready counts for nothing`,
      `listen on port ${port} of the endpoint's address${orAny}`,
    );
  }
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function checkNames(listeners: readonly { readonly name: string }[], error: Check['error']): void {
  const seen = new Set<string>();
  for (const [index, { name }] of listeners.entries()) {
    if (seen.has(name)) {
      const message = `the listener "${name}" is there twice`;
      error(['balancer', 'listeners', index, 'name'], message, 'names are unique');
    }
    seen.add(name);
  }
}
