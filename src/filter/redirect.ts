import { z } from 'zod';
import type { FilterKind } from './filter.ts';

/**
 * Answers every request of the route with a redirection. `{scheme}`, `{host}`, `{path}` (without
 * the query), `{query}` (with its question mark) and `{target}` (path and query) in the location
 * stand for the request's own.
 */
export const redirect: FilterKind<RedirectOptions> = {
  kind: 'redirect',
  summary: 'Answers with a redirection.',
  options: z.strictObject({
    location: z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII')
      .describe('Where to, for instance https://{host}{target}.'),
    status: z
      .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
      .default(308)
      .describe('Status of the redirection; 308 keeps the method, for good.'),
  }),
  compile: (options) => (exchange) => {
    const { host, target } = exchange.request;

    const query = target.indexOf('?');
    const values: Readonly<Record<string, string>> = {
      scheme: exchange.client.proto,
      host: host.replace(/:\d*$/, ''),
      path: query < 0 ? target : target.slice(0, query),
      query: query < 0 ? '' : target.slice(query),
      target,
    };
    const location = options.location.replace(
      /\{(scheme|host|path|query|target)\}/g,
      (_, name) => values[name]!,
    );
    // A path of two slashes would be the name of another host (RFC 3986 section 4.2).
    const own = options.location.startsWith('//') ? location : location.replace(/^\/{2,}/, '/');
    exchange.answer({ status: options.status, fields: [['Location', own]], body: '' });
  },
};

export type RedirectOptions = {
  readonly location: string;
  readonly status: 301 | 302 | 303 | 307 | 308;
};
