import { balancingAlgorithms } from '../balancing/registry.ts';
import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';
import { upstreamsByLayer } from './route-upstreams.ts';
import type { ConfigFile } from './schema.ts';

/** What must hold of listeners of layer 4: each protocol has words of its own, and somewhere to go. */
type Listener = ConfigFile['balancer']['listeners'][number];

const PROTOCOLS_OF = {
  routes: ['http'],
  sni: ['tcp'],
  abortOnClose: ['http'],
  trace: ['http'],
  trust: ['http'],
  proxies: ['http', 'tcp', 'udp'],
  idleTimeout: ['tcp', 'udp'],
  drainTimeout: ['tcp', 'udp'],
  sessionsMax: ['udp'],
  responses: ['udp'],
} as const;

/** Words that mean nothing for the listener's protocol. */
export function checkWords({ error }: Check, listener: Listener, path: ConfigPath): void {
  for (const [word, protocols] of Object.entries(PROTOCOLS_OF)) {
    const isWritten = listener[word as keyof typeof PROTOCOLS_OF] !== undefined;
    if (!isWritten || protocols.some((protocol) => protocol === listener.protocol)) continue;
    const message = `"${word}" is of ${protocols.join(' and ')} listeners, this one is ${listener.protocol}`;
    error([...path, word], message, 'remove it', 'key');
  }
}

export function checkFlows(
  check: Check,
  listener: Listener,
  path: ConfigPath,
  referUpstream: (name: string, path: ConfigPath) => void,
): void {
  const { address, protocol, sni, upstream } = listener;
  const { error } = check;
  checkWords(check, listener, path);
  if (upstream !== undefined) {
    referUpstream(upstream, [...path, 'upstream']);
    checkUse(check, listener, upstream, [...path, 'upstream']);
  }
  if (upstream === undefined && sni === undefined) {
    const words = protocol === 'tcp' ? '"upstream" or "sni"' : '"upstream"';
    error(path, `${words} is missing`, 'name the upstream that serves');
  }
  if (protocol === 'udp' && (address === '0.0.0.0' || address === '::')) {
    const message = 'udp needs an address of its own: replies leave from it';
    error([...path, 'address'], message, "write the region's VIP; one listener for each");
  }
  const seen = new Set<string>();
  for (const [at, { names, upstream: to }] of (sni ?? []).entries()) {
    referUpstream(to, [...path, 'sni', at, 'upstream']);
    checkUse(check, listener, to, [...path, 'sni', at, 'upstream']);
    for (const name of names.map((each) => each.toLowerCase())) {
      if (seen.has(name)) {
        const hint = 'only the first can ever be used';
        error([...path, 'sni', at], `a second route for ${name}`, hint);
      }
      seen.add(name);
    }
  }
}

/** What an upstream says for requests and connections, but a flow cannot give. */
function checkUse(
  { error, file }: Check,
  { protocol, sni }: Listener,
  name: string,
  path: ConfigPath,
): void {
  const upstream = file.balancer.upstreams[name];
  if (upstream === undefined) return;
  const what = protocol === 'tcp' ? 'a connection of tcp' : 'a datagram of udp';
  const key = keyKind(upstream.algorithm);
  const hasKey = key === undefined || OF_FLOWS.has(key) || (key === 'host' && sni !== undefined);
  if (!hasKey) {
    const message = `the upstream "${name}" chooses by ${key}, which ${what} does not have`;
    const orHost = protocol === 'tcp' && key === 'host' ? '"sni" reads the host of TLS; or ' : '';
    error(path, message, `${orHost}key: client or connection, in an upstream of its own`);
  }
  if (protocol === 'udp' && upstream.proxyProtocol === 'v1') {
    const message = `the upstream "${name}" has PROXY headers of v1, which cannot tell of datagrams`;
    error(path, message, 'proxyProtocol: v2');
  }
}

const OF_FLOWS: ReadonlySet<string> = new Set(['client', 'connection']);

function keyKind({ kind, options }: { readonly kind: string; readonly options: unknown }) {
  const algorithm = balancingAlgorithms.find((each) => each.kind === kind);
  return algorithm?.keySource?.(algorithm.options.parse(options)).kind;
}

/** Options that no header would carry, and headers that nobody would send. */
export function checkProxyHeaders({ config, error, file, warn }: Check): void {
  const reached = upstreamsByLayer(config);
  for (const [name, { proxyOptions, proxyProtocol }] of Object.entries(file.balancer.upstreams)) {
    const path = ['balancer', 'upstreams', name];
    if (proxyOptions !== undefined && proxyProtocol !== 'v2') {
      const message = 'only headers of v2 have options';
      error([...path, 'proxyOptions'], message, 'write proxyProtocol: v2', 'key');
    }
    if (proxyProtocol === undefined || !reached.http.has(name)) continue;
    const isShared = reached.layer4.has(name);
    const message = isShared
      ? `is for connections of tcp and udp listeners: requests reach "${name}" too, and have no PROXY header`
      : `does nothing: only requests reach "${name}", and PROXY headers go with connections of tcp and udp listeners`;
    const hint = isShared
      ? 'an upstream without it for the requests, on a port without it'
      : 'servers find the client in X-Forwarded-For and Forwarded';
    warn([...path, 'proxyProtocol'], message, hint, 'key');
  }
}
