import type { MirrorConfig, SplitConfig } from './config.ts';

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
