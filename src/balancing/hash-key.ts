import { z } from 'zod';
import type { KeySource } from './algorithm.ts';

/** What an affinity key is made of, as it is written: `client`, `path`, `header:X-User`, `cookie:id`, … */
export const hashKey = z
  .string()
  .regex(/^(client|host|path|uri|connection|(query|header|cookie):[!#$%&'*+\-.^_`|~\w]+)$/)
  .meta({
    what: 'what a key is made of',
    hint: 'client, host, path, uri, connection, or query:, header: or cookie: with a name',
  })
  .default('client')
  .describe(
    'What of a request its key is made of: `client` (its address), `host`, `path`, `uri` (path and query), `connection` (both addresses and ports), `query:NAME`, `header:NAME`, `cookie:NAME`. A request without it goes anywhere.',
  );

/** A whole address: behind one of IPv6 the client has 64 bits to change. */
const WHOLE4 = 32;
const WHOLE6 = 64;

/** @param text as `hashKey` allows */
export function keySourceOf(text: string): KeySource {
  const [kind = '', name = ''] = text.split(/:(.*)/s);
  switch (kind) {
    case 'query':
    case 'header':
    case 'cookie':
      return { kind, name: kind === 'header' ? name.toLowerCase() : name };
    case 'host':
    case 'path':
    case 'uri':
    case 'connection':
      return { kind };
    default:
      return { kind: 'client', prefix4: WHOLE4, prefix6: WHOLE6 };
  }
}
