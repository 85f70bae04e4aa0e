import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';
import type { ConfigFile } from './schema.ts';

/** What must hold of listeners of layer 4: each protocol has words of its own, and somewhere to go. */
type Listener = ConfigFile['balancer']['listeners'][number];

const PROTOCOLS_OF = {
  routes: ['http'],
  sni: ['tcp'],
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
  if (upstream !== undefined) referUpstream(upstream, [...path, 'upstream']);
  else if (sni === undefined) {
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
    for (const name of names.map((each) => each.toLowerCase())) {
      if (seen.has(name)) {
        const hint = 'only the first can ever be used';
        error([...path, 'sni', at], `a second route for ${name}`, hint);
      }
      seen.add(name);
    }
  }
}
