import type { KeySource } from '../balancing/algorithm.ts';
import { keySourceOf } from '../balancing/hash-key.ts';
import { hashBytes } from '../balancing/hashing.ts';
import type { Filter } from '../filter/filter.ts';
import { filterKinds } from '../filter/registry.ts';
import { bytesOf, textOf } from '../http/ascii.ts';
import type { RequestHead } from '../http/head.ts';
import { matchPattern } from '../http/pattern.ts';
import { hostEnd } from '../http/target.ts';
import { type BeaconSettings, beaconFilter } from './beacon.ts';
import type { BodyFields, BodyKind } from './body-look.ts';
import {
  type BodyCondition,
  type Condition,
  compileBodyConditions,
  compileConditions,
  requiredPattern,
} from './condition.ts';
import type { PathRule, PathTable } from './path-table.ts';
import { buildPathTable, findByPath, sameOctets } from './path-table.ts';
import type { MirrorSnapshot, RouteSnapshot, SplitArm } from './snapshot.ts';

/**
 * Routes of a listener, compiled. The first that matches in this order takes the request:
 *   1. an exact host before the longest wildcard before any host;
 *   2. an exact path before patterns (in the order of the file) before the longest prefix;
 *   3. more conditions before fewer, for the same path or prefix;
 *   4. the order of the file.
 * A host none of whose routes takes a request leaves it to the less exact ones.
 */
export type Route = {
  /** Place in the listener's list. */
  readonly index: number;
  /** What it is called in logs and metrics: its hosts and its path, as the file has them. */
  readonly name: string;
  readonly path: PathRule;
  readonly conditions: readonly Condition[];
  readonly bodyConditions: readonly BodyCondition[];
  readonly filters: readonly Filter[];
  /** -1: the filters answer, or the split says. */
  readonly upstream: number;
  readonly split: Split | undefined;
  readonly mirror: MirrorSnapshot | undefined;
};

/** Where parts of a route's requests go; `key` undefined: each request is drawn for itself. */
export type Split = { readonly key: KeySource | undefined; readonly arms: readonly SplitArm[] };

type HostRoutes = PathTable<Route>;
export type RouteTable = {
  readonly routes: readonly Route[];
  readonly exact: ReadonlyMap<string, HostRoutes>;
  /** Suffixes with their leading dot, longest first. */
  readonly wildcard: readonly { readonly suffix: string; readonly routes: HostRoutes }[];
  readonly any: HostRoutes;
  /** Whether any of them asks for something of the body. */
  readonly asksForBody: boolean;
  /** Hosts as they came, so that the next request of the same makes no string. */
  readonly memo: Map<number, MemoEntry>;
};
type MemoEntry = { readonly host: Uint8Array; readonly tables: readonly HostRoutes[] };

/** Hosts remembered by one table; a client that invents hosts makes it forget, not grow. */
export const HOST_MEMO_MAX = 4096;
/** RFC 1035 section 2.3.4. */
const NAME_BYTES_MAX = 255;

export function compileRoutes(snapshots: readonly RouteSnapshot[]): RouteTable {
  const routes = snapshots.map(compileRoute);
  const byHost = new Map<string, Route[]>();
  for (const [index, { hosts }] of snapshots.entries()) {
    for (const host of hosts.length === 0 ? ['*'] : hosts) {
      const listed = byHost.get(host);
      if (listed === undefined) byHost.set(host, [routes[index]!]);
      else listed.push(routes[index]!);
    }
  }
  const tables = new Map([...byHost].map(([host, listed]) => [host, compileHost(listed)]));
  return {
    routes,
    exact: new Map([...tables].filter(([host]) => !host.startsWith('*'))),
    wildcard: [...tables]
      .filter(([host]) => host.startsWith('*.'))
      .map(([host, listed]) => ({ suffix: host.slice(1), routes: listed }))
      .sort((a, b) => b.suffix.length - a.suffix.length),
    any: tables.get('*') ?? compileHost([]),
    asksForBody: routes.some(asksForBody),
    memo: new Map(),
  };
}

/**
 * @param path the normal path when it is not the one that the head holds, undefined when it is
 * @param source the client's address
 * @param body what the body holds, for routes that ask for it
 */
export function findRoute(
  table: RouteTable,
  head: RequestHead,
  path: string | undefined,
  source: string,
  body?: BodyFields,
): Route | undefined {
  asked.body = body;
  return seekRoute(table, head, path, source, acceptsAsked);
}

/**
 * Whether the choice depends on the body: the first route that takes the request, if its body is what this
 * route wants, asks for something of it.
 * @param path as for `findRoute`
 */
export function dependsOnBody(
  table: RouteTable,
  head: RequestHead,
  kind: BodyKind,
  path: string | undefined,
  source: string,
): boolean {
  asked.kind = kind;
  const route = seekRoute(table, head, path, source, mayAcceptAsked);
  return route !== undefined && asksForBody(route);
}

const asksForBody = ({ bodyConditions }: Route): boolean => bodyConditions.length > 0;

function seekRoute(
  table: RouteTable,
  head: RequestHead,
  path: string | undefined,
  source: string,
  accepts: (route: Route) => boolean,
): Route | undefined {
  const { pathEnd, pathStart } = head.target;
  asked.head = head;
  asked.source = source;
  asked.path = pathStart === pathEnd ? (path ?? '/') : path;
  const isAsReceived = asked.path === undefined;
  const bytes = isAsReceived ? head.bytes : bytesOf(asked.path!);
  const start = isAsReceived ? pathStart : 0;
  const end = isAsReceived ? pathEnd : bytes.length;
  for (const routes of tablesOf(table, head)) {
    const found = findByPath(routes, bytes, start, end, askedPath, accepts);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The request whose route is looked for, within one call only: so that none costs a closure. */
const asked: {
  head: RequestHead | undefined;
  source: string;
  body: BodyFields | undefined;
  kind: BodyKind | undefined;
  path: string | undefined;
} = { head: undefined, source: '', body: undefined, kind: undefined, path: undefined };

function askedPath(): string {
  const { bytes, target } = asked.head!;
  asked.path ??= textOf(bytes, target.pathStart, target.pathEnd);
  return asked.path;
}

function acceptsAsked(route: Route): boolean {
  if (!meetsConditions(route)) return false;
  for (const condition of route.bodyConditions) if (!condition.holds(asked.body)) return false;
  return true;
}

/** The same while nobody has seen the body. */
function mayAcceptAsked(route: Route): boolean {
  if (!meetsConditions(route)) return false;
  for (const { kind } of route.bodyConditions) if (kind !== asked.kind) return false;
  return true;
}

function meetsConditions({ conditions }: Route): boolean {
  const { head, source } = asked;
  for (const condition of conditions) if (!condition.holds(head!, source)) return false;
  return true;
}

/** For flows, which have a server name at most. @param name lower case, or empty */
export function findRouteOfName(table: RouteTable, name: string): Route | undefined {
  for (const routes of tablesOfHost(table, name)) {
    const found = findByPath(
      routes,
      ROOT,
      0,
      ROOT.length,
      () => '/',
      () => true,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}
const ROOT = bytesOf('/');

/** The tables that a host's requests are looked up in, the most exact first. @param host lower case */
export function tablesOfHost(table: RouteTable, host: string): readonly HostRoutes[] {
  const exact = table.exact.get(host);
  return [
    ...(exact === undefined ? [] : [exact]),
    ...table.wildcard
      .filter(({ suffix }) => host.endsWith(suffix) && host.length > suffix.length)
      .map(({ routes }) => routes),
    table.any,
  ];
}

function tablesOf(table: RouteTable, head: RequestHead): readonly HostRoutes[] {
  const { bytes, hostStart } = head;
  const end = Math.max(hostStart, hostEnd(bytes, hostStart, head.hostEnd));
  const hash = hashBytes(bytes, hostStart, end, 0);
  const known = table.memo.get(hash);
  if (known !== undefined && sameOctets(known.host, bytes, hostStart, end)) return known.tables;
  const tables = tablesOfHost(table, textOf(bytes, hostStart, end).toLowerCase());
  // Longer ones are no names, and would be kept for nothing.
  if (end - hostStart > NAME_BYTES_MAX) return tables;
  if (table.memo.size >= HOST_MEMO_MAX) table.memo.clear();
  table.memo.set(hash, { host: bytes.slice(hostStart, end), tables });
  return tables;
}

/** What the groups of a route's path pattern hold, the whole first; empty without a pattern. */
export const groupsOfPath = ({ path: rule }: Route, path: string) =>
  rule.kind === 'regex' ? (matchPattern(rule.pattern, path) ?? []) : [];

function compileHost(routes: readonly Route[]): HostRoutes {
  const isRegex = ({ path }: Route): boolean => path.kind === 'regex';
  const sorted = [
    ...routes.filter(isRegex),
    ...routes
      .filter((route) => !isRegex(route))
      .sort((a, b) => conditionCount(b) - conditionCount(a) || a.index - b.index),
  ];
  return buildPathTable(sorted.map((route) => ({ rule: route.path, entry: route })));
}

export const conditionCount = ({ bodyConditions, conditions }: Route): number =>
  conditions.length + bodyConditions.length;

function compileRoute(snapshot: RouteSnapshot, index: number): Route {
  const { split } = snapshot;
  return {
    index,
    name: routeName(snapshot),
    path: pathRuleOf(snapshot),
    conditions: compileConditions(snapshot),
    bodyConditions: compileBodyConditions(snapshot),
    filters: snapshot.filters.map(compileFilter),
    upstream: snapshot.upstream,
    mirror: snapshot.mirror,
    split: split && {
      key: split.by === 'random' ? undefined : keySourceOf(split.by),
      arms: split.arms,
    },
  };
}

/** Several routes may share it, where only conditions tell them apart. */
export function routeName({ hosts, path, pathPrefix, pathRegex }: RouteSnapshot): string {
  const more = hosts.length > 1 ? ` +${hosts.length - 1}` : '';
  return `${hosts[0] ?? '*'}${more} ${path ?? pathRegex ?? pathPrefix}`;
}

function pathRuleOf({ path, pathPrefix, pathRegex }: RouteSnapshot): PathRule {
  if (path !== undefined) return { kind: 'exact', path };
  if (pathRegex !== undefined)
    return { kind: 'regex', text: pathRegex, pattern: requiredPattern(pathRegex) };
  return { kind: 'prefix', path: pathPrefix };
}

function compileFilter(use: { readonly kind: string; readonly options: unknown }): Filter {
  if (use.kind === beaconFilter.kind) return beaconFilter.compile(use.options as BeaconSettings);
  const kind = filterKinds.find((candidate) => candidate.kind === use.kind);
  // Validation has checked the kind; a miss is a bug.
  if (kind === undefined) throw new Error(`unknown filter: ${use.kind}`);
  return kind.compile(kind.options.parse(use.options));
}
