import type { Check } from './references.ts';
import { upstreamsReached } from './route-upstreams.ts';

/** What must hold of affinity beyond the upstream itself: a store to share through, and listeners that heed it. */
export function checkAffinity({ config, error, file, warn }: Check): void {
  const reached = { http: new Set<string>(), layer4: new Set<string>() };
  for (const { layer4, routes } of config.balancer.listeners) {
    const names = layer4 === undefined ? reached.http : reached.layer4;
    for (const name of routes.flatMap(upstreamsReached)) names.add(name);
  }
  for (const [name, { affinity }] of Object.entries(file.balancer.upstreams)) {
    if (affinity === undefined) continue;
    const path = ['balancer', 'upstreams', name, 'affinity'];
    if (affinity.shared === true && file.store.kind !== 'redis') {
      const message = `sessions are shared through Redis, and the store is ${file.store.kind}`;
      error([...path, 'shared'], message, 'store: { kind: redis, url: … }, or shared: false');
    }
    if (reached.layer4.has(name) && !reached.http.has(name)) {
      const message = `only listeners of layer 4 use "${name}": they see nothing of requests, and affinity does nothing`;
      const hint = 'algorithm: { kind: maglev, key: client } keeps clients of TCP and UDP';
      warn(path, message, hint, 'key');
    }
  }
}
