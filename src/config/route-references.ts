import { FILTERS_MS_MAX } from '../filter/filter.ts';
import { filterKinds } from '../filter/registry.ts';
import { compilePattern, groupsOf } from '../http/pattern.ts';
import { checkFlows, checkProxyHeaders, checkWords } from './flow-references.ts';
import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';
import { PATTERNS_PER_HOST_MAX } from './route-schema.ts';
import { upstreamsOf } from './route-upstreams.ts';
import type { ConfigFile } from './schema.ts';
import { formatDuration } from './values.ts';

type Listener = ConfigFile['balancer']['listeners'][number];
type WrittenRoute = NonNullable<Listener['routes']>[number];
type Refer = (name: string, path: ConfigPath) => void;

/** Routes that name what is not there, say two things at once, go nowhere, or can never be used. */
export function checkRoutes(check: Check, referUpstream: Refer, referRegion: Refer): void {
  checkProxyHeaders(check);
  for (const [index, listener] of check.file.balancer.listeners.entries()) {
    const path = ['balancer', 'listeners', index];
    referRegion(listener.region, [...path, 'region']);
    if (listener.protocol !== 'http') {
      checkFlows(check, listener, path, referUpstream);
      continue;
    }
    checkWords(check, listener, path);
    if ((listener.upstream === undefined) === (listener.routes === undefined)) {
      const both = listener.upstream !== undefined;
      const message = both
        ? 'both "upstream" and "routes" are given'
        : '"upstream" or "routes" is missing';
      const hint = 'upstream is short for one route; give one of the two';
      check.error(both ? [...path, 'upstream'] : path, message, hint);
    }
    if (listener.upstream !== undefined) referUpstream(listener.upstream, [...path, 'upstream']);
    const routes = listener.routes ?? [];
    for (const [at, route] of routes.entries()) {
      const place = [...path, 'routes', at];
      if (route.upstream !== undefined) referUpstream(route.upstream, [...place, 'upstream']);
      for (const [arm, { upstream }] of (route.split?.arms ?? []).entries()) {
        referUpstream(upstream, [...place, 'split', 'arms', arm, 'upstream']);
      }
      if (route.mirror) referUpstream(route.mirror.upstream, [...place, 'mirror', 'upstream']);
      checkChoices(check, route, place);
    }
    checkShadows(check, routes, [...path, 'routes']);
    checkPatternCounts(check, routes, [...path, 'routes']);
  }
}

/** Of some keys only one can be given, of others one must. */
function checkChoices(check: Check, route: WrittenRoute, place: ConfigPath): void {
  const { error } = check;
  const paths = (['path', 'pathPrefix', 'pathRegex'] as const).filter(
    (key) => route[key] !== undefined,
  );
  if (paths.length > 1) {
    const hint = 'path is exact, pathPrefix begins, pathRegex matches all of it; give one';
    error([...place, paths[1]!], `both "${paths[0]}" and "${paths[1]}" are given`, hint);
  }
  if (route.upstream !== undefined && route.split !== undefined) {
    const hint = 'put the upstream among the arms, or leave one of the two out';
    error([...place, 'split'], 'both "upstream" and "split" are given', hint);
  }
  checkGroups(check, route, place);
  checkWaits(check, route, place);
  const answers = route.filters.some(({ kind }) => ANSWERING.has(kind));
  if (upstreamsOf(route).length === 0 && !answers) {
    const hint = `or one of the filters that answer: ${[...ANSWERING].join(', ')}`;
    error(place, '"upstream" or "split" is missing', hint);
  }
  if (upstreamsOf(route).length === 0 && route.mirror !== undefined) {
    const hint = 'what the balancer answers itself is not copied: add an upstream';
    error([...place, 'mirror'], '"mirror" is given without "upstream" or "split"', hint);
  }
  const arms = route.split?.arms.map(({ upstream }) => upstream) ?? [];
  for (const [at, name] of arms.entries()) {
    if (arms.indexOf(name) === at) continue;
    const where = [...place, 'split', 'arms', at, 'upstream'];
    error(where, `a second arm for the upstream "${name}"`, 'add the weights');
  }
}

/** Filters that use groups of a path pattern that has none, or fewer. */
function checkGroups({ error }: Check, route: WrittenRoute, place: ConfigPath): void {
  const pattern = route.pathRegex === undefined ? '' : compilePattern(route.pathRegex);
  const held = typeof pattern === 'string' ? 0 : groupsOf(pattern);
  for (const [at, { kind, options }] of route.filters.entries()) {
    const used = filterKinds.find((each) => each.kind === kind)?.groups?.(options) ?? 0;
    if (used <= held) continue;
    const hint =
      route.pathRegex === undefined
        ? 'groups are those of pathRegex, which this route does not have'
        : `pathRegex has ${held}; groups are what stands in "()"`;
    error([...place, 'filters', at], `there is no group for "$${used}"`, hint);
  }
}

/** Filters that together make a request wait for longer than it may. */
function checkWaits({ error }: Check, { filters }: WrittenRoute, place: ConfigPath): void {
  const waitsMs = filters.reduce((sum, { kind, options }) => {
    const filter = filterKinds.find((each) => each.kind === kind);
    return sum + (filter?.waitsMs?.(options) ?? 0);
  }, 0);
  if (waitsMs < FILTERS_MS_MAX) return;
  const message = `make a request wait for ${formatDuration(waitsMs)}: after ${formatDuration(FILTERS_MS_MAX)} it is answered with 504`;
  error([...place, 'filters'], message, 'shorter delays, or fewer of them');
}

/** What can never be used because another route takes all of it (order: balancer/route.ts). */
function checkShadows(
  { error, warn }: Check,
  routes: readonly WrittenRoute[],
  at: ConfigPath,
): void {
  const seen = new Set<string>();
  /** Hosts, and hosts with patterns, of which an unconditional pattern takes everything. */
  const taken = new Set<string>();
  for (const [index, route] of routes.entries()) {
    const path = pathText(route);
    const conditions = conditionsText(route);
    for (const host of hostsOf(route)) {
      const key = JSON.stringify([host, path, conditions]);
      if (seen.has(key)) {
        const also = conditions === '' ? '' : ' with the same conditions';
        const message = `a second route for ${host} and ${path}${also}`;
        error([...at, index], message, 'only the first can ever be used');
      } else if (route.pathRegex !== undefined && taken.has(`${host} ${route.pathRegex}`)) {
        const hint = 'patterns are tried in the order of the file: move it up';
        warn([...at, index], `an earlier route for ${host} takes all that this one matches`, hint);
      }
      seen.add(key);
      if (route.pathRegex === undefined || conditions !== '') continue;
      taken.add(`${host} ${route.pathRegex}`);
      if (EVERYTHING.has(route.pathRegex)) taken.add(host);
    }
  }
  for (const [index, route] of routes.entries()) {
    if (route.path !== undefined || route.pathRegex !== undefined) continue;
    const host = hostsOf(route).find((each) => taken.has(each));
    if (host === undefined) continue;
    const hint = 'patterns come before prefixes: make it pathPrefix: /';
    warn([...at, index], `a pattern that matches every path of ${host} takes all of this`, hint);
  }
}

/** What a request may cost has an end: patterns of a host are tried one after the other (balancer/path-table.ts). */
function checkPatternCounts(
  { error }: Check,
  routes: readonly WrittenRoute[],
  at: ConfigPath,
): void {
  const counts = new Map<string, number>();
  for (const [index, route] of routes.entries()) {
    if (route.pathRegex === undefined) continue;
    for (const host of hostsOf(route)) {
      const count = (counts.get(host) ?? 0) + 1;
      counts.set(host, count);
      if (count !== PATTERNS_PER_HOST_MAX + 1) continue;
      const message = `more than ${PATTERNS_PER_HOST_MAX} patterns for ${host}`;
      const hint = 'each is tried in turn: join some with "|", or use path or pathPrefix';
      error([...at, index, 'pathRegex'], message, hint);
    }
  }
}

const hostsOf = ({ hosts }: WrittenRoute): readonly string[] =>
  hosts.length === 0 ? ['any host'] : hosts.map((host) => host.toLowerCase());

const pathText = ({ path, pathPrefix = '/', pathRegex }: WrittenRoute): string =>
  path !== undefined ? `= ${path}` : pathRegex !== undefined ? `~ ${pathRegex}` : pathPrefix;

/** The same for the same conditions; empty for none. */
function conditionsText({ body, cookies, headers, methods, query, sources }: WrittenRoute): string {
  const sorted = (tests: object = {}, fold = (name: string) => name) =>
    Object.entries(tests)
      .map(([name, test]) => [fold(name), test] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = [
    [...(methods ?? [])].sort(),
    sorted(headers, (name) => name.toLowerCase()),
    sorted(cookies),
    sorted(query),
    [...(sources ?? [])].sort(),
    sorted(body?.json),
    sorted(body?.form),
  ];
  return parts.every((part) => part.length === 0) ? '' : JSON.stringify(parts);
}

/** Kinds of filters that end a request; `fault` does not, with less than all of them. */
const ANSWERING: ReadonlySet<string> = new Set(['redirect', 'respond']);
const EVERYTHING: ReadonlySet<string> = new Set(['.*', '/.*', '(.*)', '/(.*)', '^/.*$', '^.*$']);
