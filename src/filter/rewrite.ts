import { z } from 'zod';
import { compilePattern, matchPattern } from '../http/pattern.ts';
import type { FilterKind } from './filter.ts';

const TEXT_LENGTH_MAX = 1024;

/**
 * Changes the path or the host that the server is asked for. The path is that which routes are
 * chosen by, in its normal form, so that no escape gets around a rewrite; the query stays as it came.
 */
export const rewrite: FilterKind<RewriteOptions> = {
  kind: 'rewrite',
  summary: 'Changes the path or the host that the server is asked for.',
  options: z
    .strictObject({
      prefix: z
        .strictObject({
          from: pathText().describe('What paths begin with, by whole segments.'),
          to: pathText().describe('What stands there instead.'),
        })
        .optional()
        .describe('Replaces the begin of the path.'),
      regex: z
        .strictObject({
          pattern: z
            .string()
            .refine((text) => typeof compilePattern(text) !== 'string', 'is not a pattern')
            .describe('A pattern that matches the whole path; other paths stay as they are.'),
          to: pathText().describe('The path instead; `$1` to `$9` are the groups of the pattern.'),
        })
        .optional()
        .describe('Replaces the path by parts of itself.'),
      host: z
        .string()
        .max(255)
        .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:\d{1,5})?$/)
        .optional()
        .describe('The Host that the server sees; X-Forwarded-Host keeps the one that came.'),
    })
    .refine(
      ({ prefix, regex }) => prefix === undefined || regex === undefined,
      'has both prefix and regex; give one',
    ),
  compile: ({ host, prefix, regex }) => {
    const pattern = regex && compilePattern(regex.pattern);
    return ({ request }, next) => {
      let path: string | undefined;
      if (prefix) path = withPrefix(request.path, prefix.from, prefix.to);
      else if (regex && pattern && typeof pattern !== 'string') {
        const groups = matchPattern(pattern, request.path);
        path = groups && regex.to.replace(/\$([1-9])/g, (_, group) => groups[Number(group)] ?? '');
      }
      if (path !== undefined) {
        const query = request.target.indexOf('?');
        request.setTarget(query < 0 ? path : path + request.target.slice(query));
      }
      if (host !== undefined) request.setHost(host);
      next();
    };
  },
};

export type RewriteOptions = {
  readonly prefix?: { readonly from: string; readonly to: string } | undefined;
  readonly regex?: { readonly pattern: string; readonly to: string } | undefined;
  readonly host?: string | undefined;
};

/** @returns undefined when the path does not begin so */
function withPrefix(path: string, from: string, to: string): string | undefined {
  const base = from.replace(/\/$/, '');
  if (path !== base && !path.startsWith(`${base}/`)) return undefined;
  // Of `/api` for `/v1/`, `/api/x` becomes `/v1/x`: exactly one slash between the two.
  const rest = path.slice(base.length).replace(/^\//, '');
  return rest === '' ? to : `${to.replace(/\/$/, '')}/${rest}`;
}

function pathText() {
  return z
    .string()
    .max(TEXT_LENGTH_MAX)
    .regex(/^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/, 'is not a path without a query');
}
