import type { RequestHead } from '../http/head.ts';
import type { BodyFields } from './body-look.ts';
import { type PathRule, ruleMatches } from './path-table.ts';
import { conditionCount, findRoute, type Route, type RouteTable, tablesOfHost } from './route.ts';
import type { RouteSnapshot } from './snapshot.ts';

/** A route as a request saw it. */
export type ExplainedRoute = {
  /** Place in the listener's list, from 0. */
  readonly index: number;
  /** Empty = any. */
  readonly hosts: readonly string[];
  /** `= /exact`, `/prefix` or `~ pattern`. */
  readonly path: string;
  /** `later`: it would take the request if those before it did not. */
  readonly verdict: 'taken' | 'no' | 'later';
  readonly why: string;
};

/** Routes that one explanation shows besides the one taken. */
export const ROUTES_SHOWN_MAX = 200;

/**
 * Each route of a listener in the order in which this request meets them, and why it takes it or not.
 * Which one is taken says `findRoute`, as for requests.
 * @param path in normal form
 * @param host lower case, without its port
 */
export function explainRoutes(
  snapshots: readonly RouteSnapshot[],
  table: RouteTable,
  head: RequestHead,
  path: string,
  host: string,
  source: string,
  body?: BodyFields,
): { readonly taken: Route | undefined; readonly routes: readonly ExplainedRoute[] } {
  const taken = findRoute(table, head, path, source, body);
  const ofHost = hostOrder(table, host);
  const rank = ({ index }: Route): number => ofHost.get(index) ?? Number.MAX_SAFE_INTEGER;
  const ordered = [...table.routes].sort((a, b) => rank(a) - rank(b) || pathOrder(a, b));
  let isPast = false;
  const routes = ordered.map((route): ExplainedRoute => {
    const { hosts } = snapshots[route.index]!;
    const shown = { index: route.index, hosts, path: pathText(route.path) };
    if (route === taken) {
      isPast = true;
      return { ...shown, verdict: 'taken', why: takenWords(route, hosts) };
    }
    const against = !ofHost.has(route.index)
      ? `the host is not ${hosts.join(' or ')}`
      : reasonAgainst(route, head, path, source, body);
    if (against !== undefined) return { ...shown, verdict: 'no', why: against };
    const why = isPast ? 'would take it, but comes later' : 'takes it';
    return { ...shown, verdict: 'later', why };
  });
  return { taken, routes: shorten(routes) };
}

/** The taken one stays, whatever is left out. */
function shorten(routes: readonly ExplainedRoute[]): readonly ExplainedRoute[] {
  const taken = routes.findIndex(({ verdict }) => verdict === 'taken');
  return routes.filter((_, place) => place < ROUTES_SHOWN_MAX || place === taken);
}

/** Why a route whose host fits does not take a request; undefined when it would. */
function reasonAgainst(
  route: Route,
  head: RequestHead,
  path: string,
  source: string,
  body: BodyFields | undefined,
): string | undefined {
  if (!ruleMatches(route.path, path)) return pathWords(route.path);
  const failed = [
    ...route.conditions.filter(({ holds }) => !holds(head, source)),
    ...route.bodyConditions.filter(({ holds }) => !holds(body)),
  ];
  return failed.length === 0 ? undefined : `not so: ${failed.map(({ text }) => text).join(', ')}`;
}

/** By route: how exact the most exact of its hosts that fit is, 0 the most. */
function hostOrder(table: RouteTable, host: string): ReadonlyMap<number, number> {
  const order = new Map<number, number>();
  for (const [rank, routes] of tablesOfHost(table, host).entries()) {
    const leaves = [...routes.exact.values(), ...routes.prefixes.values()].flat();
    const all = [
      ...leaves.flatMap(({ entries }) => entries),
      ...routes.regexes.map(({ entry }) => entry),
    ];
    for (const { index } of all) if (!order.has(index)) order.set(index, rank);
  }
  return order;
}

/** The order of route.ts among routes of one host. */
function pathOrder(a: Route, b: Route): number {
  const kinds = PATH_KINDS.indexOf(a.path.kind) - PATH_KINDS.indexOf(b.path.kind);
  if (kinds !== 0) return kinds;
  if (a.path.kind === 'regex' || b.path.kind === 'regex') return a.index - b.index;
  const longer = a.path.kind === 'prefix' ? b.path.path.length - a.path.path.length : 0;
  return longer || conditionCount(b) - conditionCount(a) || a.index - b.index;
}

function takenWords(route: Route, hosts: readonly string[]): string {
  const conditions = [...route.conditions, ...route.bodyConditions].map(({ text }) => text);
  const parts = [hosts.length === 0 ? 'any host' : 'host', 'path', ...conditions];
  return `matches: ${parts.join(', ')}`;
}

const pathText = (rule: PathRule): string =>
  rule.kind === 'regex' ? `~ ${rule.text}` : rule.kind === 'exact' ? `= ${rule.path}` : rule.path;

function pathWords(rule: PathRule): string {
  if (rule.kind === 'regex') return 'the path does not match the pattern';
  return rule.kind === 'exact' ? 'the path is another' : `the path does not begin so`;
}

const PATH_KINDS: readonly PathRule['kind'][] = ['exact', 'regex', 'prefix'];
