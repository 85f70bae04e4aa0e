import type { Filter } from '../filter/filter.ts';
import { filterKinds } from '../filter/registry.ts';
import type { RouteSnapshot } from './snapshot.ts';

/**
 * Routes of a listener, compiled: an exact host wins over the longest wildcard, which wins over any
 * host; within a host the longest matching path prefix wins. A host that has no route for a path
 * leaves it to the less exact ones. Prefixes match whole segments: `/api` takes `/api` and `/api/x`,
 * not `/apiary`.
 */
export type Route = {
  readonly pathPrefix: string;
  readonly filters: readonly Filter[];
  readonly upstream: number;
};

export type RouteTable = {
  readonly exact: ReadonlyMap<string, readonly Route[]>;
  /** Suffixes with their leading dot, longest first. */
  readonly wildcard: readonly { readonly suffix: string; readonly routes: readonly Route[] }[];
  readonly any: readonly Route[];
};

export function compileRoutes(routes: readonly RouteSnapshot[]): RouteTable {
  const byHost = new Map<string, Route[]>();
  for (const snapshot of routes) {
    const route: Route = {
      pathPrefix: snapshot.pathPrefix,
      filters: snapshot.filters.map(compileFilter),
      upstream: snapshot.upstream,
    };
    const hosts = snapshot.hosts.length === 0 ? ['*'] : snapshot.hosts;
    for (const host of hosts) {
      const listed = byHost.get(host);
      if (listed === undefined) byHost.set(host, [route]);
      else listed.push(route);
    }
  }
  for (const listed of byHost.values()) {
    listed.sort((a, b) => b.pathPrefix.length - a.pathPrefix.length);
  }
  return {
    exact: new Map([...byHost].filter(([host]) => !host.startsWith('*'))),
    wildcard: [...byHost]
      .filter(([host]) => host.startsWith('*.'))
      .map(([host, listed]) => ({ suffix: host.slice(1), routes: listed }))
      .sort((a, b) => b.suffix.length - a.suffix.length),
    any: byHost.get('*') ?? [],
  };
}

/**
 * @param host lower case, without a port
 * @param path normalised, without a query
 */
export function findRoute(table: RouteTable, host: string, path: string): Route | undefined {
  const exact = table.exact.get(host);
  const found = exact && longestPrefix(exact, path);
  if (found) return found;
  for (const { suffix, routes } of table.wildcard) {
    if (!host.endsWith(suffix) || host.length === suffix.length) continue;
    const route = longestPrefix(routes, path);
    if (route) return route;
  }
  return longestPrefix(table.any, path);
}

function longestPrefix(routes: readonly Route[], path: string): Route | undefined {
  for (const route of routes) {
    if (hasPrefix(path, route.pathPrefix)) return route;
  }
  return undefined;
}

function hasPrefix(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/';
}

function compileFilter(use: { readonly kind: string; readonly options: unknown }): Filter {
  const kind = filterKinds.find((candidate) => candidate.kind === use.kind);
  // Validation has checked the kind; a miss is a bug.
  if (kind === undefined) throw new Error(`unknown filter: ${use.kind}`);
  return kind.compile(kind.options.parse(use.options));
}
