import type { Config, MirrorConfig, SplitConfig } from './config.ts';

/** The upstreams that a route may send requests to: none where it answers itself. */
export function upstreamsOf(route: {
  readonly upstream?: string | undefined;
  readonly split?: SplitConfig | undefined;
}): readonly string[] {
  const arms = route.split?.arms.map(({ upstream }) => upstream) ?? [];
  return route.upstream === undefined ? arms : [route.upstream, ...arms];
}

/** Those, and the one that gets copies. */
export function upstreamsReached(
  route: Parameters<typeof upstreamsOf>[0] & { readonly mirror?: MirrorConfig | undefined },
): readonly string[] {
  return [...upstreamsOf(route), ...(route.mirror === undefined ? [] : [route.mirror.upstream])];
}

/** Names of the upstreams that requests reach, and of those that connections and datagrams do. */
export function upstreamsByLayer({ balancer }: Config): Record<'http' | 'layer4', Set<string>> {
  const reached = { http: new Set<string>(), layer4: new Set<string>() };
  for (const { layer4, routes } of balancer.listeners) {
    const names = layer4 === undefined ? reached.http : reached.layer4;
    for (const name of routes.flatMap(upstreamsReached)) names.add(name);
  }
  return reached;
}
