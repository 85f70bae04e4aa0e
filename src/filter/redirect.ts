import { z } from 'zod';
import type { FilterKind } from './filter.ts';

/**
 * Answers every request of the route with a redirection. `{host}`, `{path}` (without the query) and
 * `{target}` (with it) in the location stand for the request's own.
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
      host: host.replace(/:\d*$/, ''),
      path: query < 0 ? target : target.slice(0, query),
      target,
    };
    const location = options.location.replace(
      /\{(host|path|target)\}/g,
      (_, name) => values[name]!,
    );
    exchange.answer({ status: options.status, fields: [['Location', location]], body: '' });
  },
};

export type RedirectOptions = {
  readonly location: string;
  readonly status: 301 | 302 | 303 | 307 | 308;
};
