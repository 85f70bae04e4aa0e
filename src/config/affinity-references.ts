import type { RouteConfig } from './config.ts';
import type { Check } from './references.ts';
import { upstreamsByLayer, upstreamsOf } from './route-upstreams.ts';

/** What must hold of affinity beyond the upstream itself: a store to share through, and listeners that heed it. */
export function checkAffinity(check: Check): void {
  const { config, error, file, warn } = check;
  const reached = upstreamsByLayer(config);
  for (const [name, { affinity, hedging }] of Object.entries(file.balancer.upstreams)) {
    if (affinity === undefined) continue;
    const path = ['balancer', 'upstreams', name, 'affinity'];
    if (affinity.shared === true && file.store.kind !== 'redis') {
      const message = `sessions are shared through Redis, and the store is ${file.store.kind}`;
      error([...path, 'shared'], message, 'store: { kind: redis, url: … }, or shared: false');
    }
    // Whose server has more than its share goes elsewhere, and may be hedged there.
    const isAlwaysHeld = affinity.source !== undefined && affinity.loadFactor === undefined;
    if (hedging !== undefined && isAlwaysHeld) {
      const message = 'does nothing: each request is of a session, and stays with its server';
      const hint = 'leave one of them out: affinity by source holds every client';
      warn(['balancer', 'upstreams', name, 'hedging'], message, hint, 'key');
    }
    if (reached.layer4.has(name) && !reached.http.has(name)) {
      const message = `only listeners of layer 4 use "${name}": they see nothing of requests, and affinity does nothing`;
      const hint = 'algorithm: { kind: maglev, key: client } keeps clients of TCP and UDP';
      warn(path, message, hint, 'key');
    }
  }
  warnOfCookies(check);
}

/** Browsers keep one cookie of a name for a host and path: two upstreams that set it move each other's clients. */
function warnOfCookies({ config, warn }: Check): void {
  const { listeners, upstreams } = config.balancer;
  const cookieOf = (name: string) => upstreams[name]?.affinity?.cookie;
  const told = new Set<string>();
  for (const { layer4, routes } of listeners) {
    if (layer4 !== undefined) continue;
    const uses = routes.flatMap((route) =>
      upstreamsOf(route).map((name) => ({ name, hosts: route.hosts })),
    );
    for (const [at, one] of uses.entries()) {
      const cookie = cookieOf(one.name);
      if (cookie === undefined || told.has(one.name)) continue;
      const other = uses
        .slice(0, at)
        .find(
          ({ hosts, name }) =>
            name !== one.name && meet(hosts, one.hosts) && isSame(cookieOf(name), cookie),
        );
      if (other === undefined) continue;
      told.add(one.name);
      const message = `clients of "${other.name}" and "${one.name}" get the same cookie, ${cookie.name}: each upstream takes it from the other`;
      warn(
        ['balancer', 'upstreams', one.name, 'affinity', 'cookie'],
        message,
        'give one of them another `name`',
        'key',
      );
    }
  }
}

type Cookie = { readonly name: string; readonly path: string };
const isSame = (one: Cookie | undefined, other: Cookie): boolean =>
  one?.name === other.name && one.path === other.path;

/** Whether a host may be of both; none stands for any. */
function meet(some: RouteConfig['hosts'], others: RouteConfig['hosts']): boolean {
  if (some.length === 0 || others.length === 0) return true;
  const covers = (wide: string, host: string): boolean =>
    wide === host || (wide.startsWith('*') && host.endsWith(wide.slice(1)));
  return some.some((one) => others.some((other) => covers(one, other) || covers(other, one)));
}
