import { z } from 'zod';
import type { FilterKind } from './filter.ts';

/**
 * Answers every request of the route with a redirection. `{scheme}`, `{host}`, `{path}` (without
 * the query), `{query}` (with its question mark) and `{target}` (path and query) in the location
 * stand for the request's own, `$1` to `$9` for the groups of the route's path pattern.
 */
export const redirect: FilterKind<RedirectOptions> = {
  kind: 'redirect',
  summary: 'Answers with a redirection.',
  options: z.strictObject({
    location: z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII')
      .refine(
        (text) => !GROUP.test(text) || OWN_HOST.test(text),
        'may have "$1" only behind the host, which clients must not choose',
      )
      .describe(
        "Where to, for instance https://{host}{target}; `$1` to `$9` are the groups of the route's `pathRegex`.",
      ),
    status: z
      .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
      .default(308)
      .describe('Status of the redirection; 308 keeps the method, for good.'),
  }),
  groups: ({ location }) =>
    Math.max(0, ...[...location.matchAll(EVERY_GROUP)].map(([, number]) => Number(number))),
  compile: (options) => (exchange) => {
    const { host, target } = exchange.request;
    const groups = GROUP.test(options.location) ? exchange.request.groups() : [];
    const query = target.indexOf('?');
    const values: Readonly<Record<string, string>> = {
      scheme: exchange.client.proto,
      host: host.replace(/:\d*$/, ''),
      path: query < 0 ? target : target.slice(0, query),
      query: query < 0 ? '' : target.slice(query),
      target,
    };
    const location = options.location.replace(
      /\{(scheme|host|path|query|target)\}|\$([1-9])/g,
      (_, name, group) => (name === undefined ? (groups[Number(group)] ?? '') : values[name]!),
    );
    // A path of two slashes would be the name of another host (RFC 3986 section 4.2).
    const own = options.location.startsWith('//') ? location : location.replace(/^\/{2,}/, '/');
    exchange.answer({ status: options.status, fields: [['Location', own]], body: '' });
  },
};

const GROUP = /\$[1-9]/;
const EVERY_GROUP = /\$([1-9])/g;
/** A path, or a scheme and a host before anything of the client's path: else `$1` could be another host. */
const OWN_HOST = /^(?:(?:[a-z]+|\{scheme\}):)?\/\/[^/?#$]+[/?#]|^\/(?!\/)/;

export type RedirectOptions = {
  readonly location: string;
  readonly status: 301 | 302 | 303 | 307 | 308;
};
