import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BodyFields } from '../../src/balancer/body-look.ts';
import { explainRoutes } from '../../src/balancer/explain-routes.ts';
import { compileRoutes, dependsOnBody, findRoute } from '../../src/balancer/route.ts';
import type { RouteSnapshot, ValueTest } from '../../src/balancer/snapshot.ts';
import { normalPath } from '../../src/http/target.ts';
import { headOf } from '../balancer/request-head.ts';
import { fuzzHits, fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * The compiled routes against the sentences of docs/ROUTING.md written down naively: every route is
 * judged by itself, those that match are sorted, the first wins.
 */

type Request = {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: readonly (readonly [string, string])[];
  readonly cookies: readonly (readonly [string, string])[];
  readonly source: string;
};

const words = fc.constantFrom('a', 'b', 'ab', 'a b', '');
const names = fc.constantFrom('x', 'y', 'z');
const segments = fc.array(fc.constantFrom('a', 'b', 'ab', '%41', '..', '.', ''), { maxLength: 4 });
const paths = segments.map((all) => `/${all.join('/')}`);
const plainPaths = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'A', 'c'), { maxLength: 3 })
  .chain((all) => fc.constantFrom(`/${all.join('/')}`, `/${all.map((one) => `${one}/`).join('')}`));
const hosts = fc.constantFrom('a.test', 'b.a.test', 'c.b.a.test', 'test', 'other');
const wildcards = fc.constantFrom('*.test', '*.a.test', '*.b.a.test');
const tests: fc.Arbitrary<ValueTest> = fc.oneof(
  words.map((exact) => ({ exact })),
  fc.boolean().map((present) => ({ present })),
  fc.constantFrom('a', 'b').map((prefix) => ({ prefix })),
  fc.constantFrom('a.*', '[ab]+', 'b?').map((regex) => ({ regex })),
);
const maybe = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const testsByName = maybe(fc.dictionary(names, tests, { maxKeys: 2 }));

const routes: fc.Arbitrary<RouteSnapshot> = fc
  .record({
    hosts: fc.array(fc.oneof(hosts, wildcards), { maxLength: 2 }),
    place: fc.oneof(
      plainPaths.map((pathPrefix) => ({ pathPrefix })),
      plainPaths.map((path) => ({ pathPrefix: '/', path })),
      fc
        .constantFrom('/a.*', '/.*b', '/(a|b)/?', '/[^/]*')
        .map((pathRegex) => ({ pathPrefix: '/', pathRegex })),
    ),
    methods: maybe(fc.constantFrom(['GET'], ['POST', 'PUT'])),
    headers: testsByName,
    cookies: testsByName,
    query: testsByName,
    sources: maybe(fc.constantFrom(['192.0.2.0/24'], ['2001:db8::/32', '10.0.0.0/8'])),
  })
  .map(({ place, ...rest }) => {
    const entries = Object.entries(rest).filter(([, value]) => value !== undefined);
    const given = Object.fromEntries(entries) as Partial<RouteSnapshot>;
    return { hosts: [], filters: [], upstream: 0, ...given, ...place };
  });

const pairs = fc.array(fc.tuple(names, words), { maxLength: 2 });
const requests: fc.Arbitrary<Request> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
  host: hosts,
  path: paths,
  query: pairs,
  headers: pairs,
  cookies: pairs,
  source: fc.constantFrom('192.0.2.7', '198.51.100.1', '10.1.1.1', '2001:db8::1', '2001:db9::1'),
});

function valuePasses(wanted: ValueTest, values: readonly string[]): boolean {
  if ('present' in wanted) return values.length > 0 === wanted.present;
  return values.some((value) => {
    if ('exact' in wanted) return value === wanted.exact;
    if ('prefix' in wanted) return value.startsWith(wanted.prefix);
    return new RegExp(`^(?:${wanted.regex})$`).test(value);
  });
}

function pairsPass(
  wanted: Readonly<Record<string, ValueTest>> = {},
  given: readonly (readonly [string, string])[],
): boolean {
  return Object.entries(wanted).every(([name, one]) =>
    valuePasses(
      one,
      given.filter(([key]) => key === name).map(([, value]) => value),
    ),
  );
}

const NETWORKS: Readonly<Record<string, RegExp>> = {
  '192.0.2.0/24': /^192\.0\.2\./,
  '10.0.0.0/8': /^10\./,
  '2001:db8::/32': /^2001:db8:/,
};

function conditionsPass(route: RouteSnapshot, request: Request): boolean {
  return (
    (route.methods === undefined || route.methods.includes(request.method)) &&
    pairsPass(route.headers, request.headers) &&
    pairsPass(route.cookies, request.cookies) &&
    pairsPass(route.query, request.query) &&
    (route.sources === undefined ||
      route.sources.some((one) => NETWORKS[one]!.test(request.source)))
  );
}

function pathPasses(route: RouteSnapshot, path: string): boolean {
  if (route.path !== undefined) return route.path === path;
  if (route.pathRegex !== undefined) return new RegExp(`^(?:${route.pathRegex})$`).test(path);
  const whole = route.pathPrefix.endsWith('/') ? route.pathPrefix : `${route.pathPrefix}/`;
  return path === route.pathPrefix || path.startsWith(whole);
}

/** Smaller is more exact; the host's rank first. */
function ranks(route: RouteSnapshot, index: number, host: string): number[] | undefined {
  const suffixes = route.hosts.filter((one) => one.startsWith('*') && host.endsWith(one.slice(1)));
  const hostRank = route.hosts.includes(host)
    ? -1000
    : suffixes.length > 0
      ? -Math.max(...suffixes.map(({ length }) => length))
      : route.hosts.length === 0
        ? 0
        : undefined;
  if (hostRank === undefined) return undefined;
  const count = (all: object | undefined) => Object.keys(all ?? {}).length;
  const conditions =
    (route.methods === undefined ? 0 : 1) +
    count(route.headers) +
    count(route.cookies) +
    count(route.query) +
    (route.sources === undefined ? 0 : 1);
  if (route.path !== undefined) return [hostRank, 0, -conditions, index];
  if (route.pathRegex !== undefined) return [hostRank, 1, index];
  return [hostRank, 2, -route.pathPrefix.length, -conditions, index];
}

function expectedRoute(all: readonly RouteSnapshot[], request: Request, path: string) {
  const matching = all.flatMap((route, index) => {
    const rank = ranks(route, index, request.host);
    const passes = rank && pathPasses(route, path) && conditionsPass(route, request);
    return passes ? [{ index, rank }] : [];
  });
  const compare = (a: readonly number[], b: readonly number[]): number => {
    const at = a.findIndex((value, place) => value !== b[place]);
    return at < 0 ? 0 : a[at]! - b[at]!;
  };
  return matching.sort((a, b) => compare(a.rank, b.rank))[0]?.index;
}

function headFor({ cookies, headers, host, method, path, query }: Request) {
  const pair = ([name, value]: readonly [string, string]) => `${name}=${encodeURIComponent(value)}`;
  const search = query.length === 0 ? '' : `?${query.map(pair).join('&')}`;
  const fields = headers.map(([name, value]) => `${name.toUpperCase()}: ${value}`);
  if (cookies.length > 0) {
    fields.push(`Cookie: ${cookies.map(([name, value]) => `${name}=${value}`).join('; ')}`);
  }
  return headOf(method, `${host.toUpperCase()}:8080`, `${path}${search}`, fields);
}

test('compiled routes take the request that the naive reading of the rules gives them', () => {
  let [found, missed] = [0, 0];
  const table = fc.array(routes, { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(table, fc.array(requests, { minLength: 1, maxLength: 8 }), (all, asked) => {
      const compiled = compileRoutes(all);
      for (const request of asked) {
        const head = headFor(request);
        const path = normalPath(head.bytes, head.target);
        if (path === undefined) continue;
        const given = head.target.plain ? undefined : path;
        const route = findRoute(compiled, head, given, request.source);
        assert.equal(route?.index, expectedRoute(all, request, path), JSON.stringify(request));
        const explained = explainRoutes(
          ...([all, compiled, head, path, request.host, request.source] as const),
        );
        // An explanation shows routes in the order in which they are tried, and has a reason for each.
        const first = explained.routes.find(({ verdict }) => verdict !== 'no');
        assert.equal(first?.index, route?.index, JSON.stringify(request));
        assert.equal(first?.verdict ?? 'taken', 'taken');
        assert.equal(explained.routes.length, all.length);
        if (route === undefined) missed++;
        else found++;
      }
    }),
    { numRuns: fuzzRuns(2000), seed: fuzzSeed(6) },
  );
  assert.ok(
    found > fuzzHits(1000, 2000) && missed > fuzzHits(100, 2000),
    `${found} found, ${missed} missed`,
  );
});

test('a body is waited for exactly where what a route wants of it would change the choice', () => {
  const wanted = fc.constantFrom<RouteSnapshot['body']>(
    ...[undefined, { json: { v: { exact: 'a' } } }, { form: { v: { exact: 'a' } } }],
  );
  const route = fc
    .tuple(routes, wanted)
    .map(([given, body]) => (body ? { ...given, body } : given));
  let [waited, passed] = [0, 0];
  fc.assert(
    fc.property(fc.array(route, { minLength: 1, maxLength: 8 }), requests, (all, request) => {
      const compiled = compileRoutes(all);
      const head = headFor(request);
      const path = normalPath(head.bytes, head.target);
      if (path === undefined) return;
      const given = head.target.plain ? undefined : path;
      const find = (body?: BodyFields) => findRoute(compiled, head, given, request.source, body);
      const depends = dependsOnBody(compiled, head, 'json', given, request.source);
      const changes = find({ kind: 'json', root: { v: 'a' } }) !== find();
      assert.equal(depends, changes, JSON.stringify(request));
      if (depends) waited++;
      else if (compiled.asksForBody) passed++;
    }),
    { numRuns: fuzzRuns(2000), seed: fuzzSeed(7) },
  );
  assert.ok(waited > fuzzHits(50, 2000) && passed > fuzzHits(500, 2000), `${waited}, ${passed}`);
});
