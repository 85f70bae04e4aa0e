import { z } from 'zod';
import { PROXY_OPTION_KINDS } from '../ip/proxy-options.ts';
import { address, duration, name, network, port } from './values.ts';

/** What a listener of the balancer has beside HTTP routes, and what layer 4 has of an upstream. */

const NETWORKS_MAX = 1000;
const SERVER_NAMES_MAX = 10_000;
const SESSIONS_MAX = 1_000_000;
const RESPONSES_MAX = 1000;
const PATH_LENGTH_MAX = 1024;

const serverName = z
  .string()
  .max(255)
  .regex(/^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/)
  .meta({ what: 'a server name', hint: 'www.example.com or "*.example.com"' });

const serverNameRoute = z.strictObject({
  names: z
    .union([serverName.transform((one) => [one]), z.array(serverName).min(1).max(SERVER_NAMES_MAX)])
    .meta({ what: 'a server name or a list of them' })
    .describe('Server names; `*.example.com` matches one or more labels.'),
  upstream: name.describe('The upstream that connections to these names go to.'),
});

export const proxyProtocol = z
  .enum(['v1', 'v2'])
  .optional()
  .describe(
    'Of `tcp` and `udp` listeners: each connection to a server, and each datagram (`v2` only), begins with a PROXY header of this version, which tells it the address of the client; so does each connection of a probe to the port that clients are sent to. Default: none.',
  );

export const proxyOptions = z
  .array(
    z
      .enum(PROXY_OPTION_KINDS)
      .meta({ what: 'an option', hint: `write ${PROXY_OPTION_KINDS.join(', ')}` }),
  )
  .min(1)
  .max(PROXY_OPTION_KINDS.length)
  .optional()
  .describe(
    'What the header of `proxyProtocol: v2` also says: `authority` (the server name, where `sni` reads it or a proxy in front has told it), `alpn` (as told by a proxy in front), `unique-id` (of a proxy in front, else a new one), `crc32c` (a checksum over the header). Default: nothing.',
  );

const trust = z.strictObject({
  proxies: z
    .array(network)
    .max(NETWORKS_MAX)
    .default([])
    .describe(
      'Networks of the proxies in front. What a peer from elsewhere says of its client is dropped and written anew.',
    ),
  believe: z
    .array(z.enum(['x-forwarded', 'forwarded']))
    .min(1)
    .max(2)
    .default(['x-forwarded'])
    .describe(
      'What these proxies write: `x-forwarded` (X-Forwarded-For, -Proto, -Host, -Port), `forwarded` (RFC 7239) or both. Leave out what they pass on as a client wrote it. Of both, X-Forwarded-For says who the client is.',
    ),
  send: z
    .array(
      z.enum([
        'x-forwarded-for',
        'x-forwarded-proto',
        'x-forwarded-host',
        'x-forwarded-port',
        'x-real-ip',
        'forwarded',
        'via',
      ]),
    )
    .max(7)
    .default(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'via'])
    .describe(
      'What servers are told. Without `via` neither servers nor clients get it, and a request that goes round in a circle is not noticed.',
    ),
});

export const accessLog = z.strictObject({
  format: z
    .enum(['json', 'combined'])
    .default('json')
    .describe("`json`: everything that is known, one object a line; `combined`: Apache's format."),
  file: z
    .string()
    .max(PATH_LENGTH_MAX)
    .default('')
    .describe(
      'Where lines are appended; a file that was renamed is opened anew within a second, and on SIGUSR2. Default: standard output.',
    ),
  percent: z
    .number()
    .min(0)
    .max(100)
    .default(100)
    .describe(
      'Percent of the requests that leave a line. Statuses from 500 and requests that did not come to their end always do.',
    ),
});

const trace = z.strictObject({
  start: z
    .number()
    .min(0)
    .max(100)
    .default(0)
    .describe('Percent of the requests that come without a trace for which one is started.'),
  requestId: z
    .enum(['pass', 'make', 'replace'])
    .default('pass')
    .describe(
      '`pass`: X-Request-ID goes on as it came, if it came; `make`: a request without a well-formed one gets one; `replace`: every request gets a new one.',
    ),
});

export const balancerListenerFields = {
  name: name
    .optional()
    .describe('Name in logs and metrics. Default: `address:port`, of `udp` `address:port/udp`.'),
  region: name.describe('The region whose VIP it serves.'),
  address: address.describe('Local address.'),
  port: port.describe('Port.'),
  protocol: z
    .enum(['http', 'tcp', 'udp'])
    .default('http')
    .describe(
      'What comes in: `http` is understood and routed, `tcp` and `udp` are passed on unread (docs/LAYER4.md).',
    ),
  upstream: name
    .optional()
    .describe(
      'Everything goes to this upstream: short for one route. With `sni`, what no name there matches.',
    ),
  sni: z
    .array(serverNameRoute)
    .min(1)
    .max(SERVER_NAMES_MAX)
    .optional()
    .describe(
      'Of `tcp`: connections of TLS go where their server name says; they are not decrypted. An exact name wins, then the longest `*.`; others go to `upstream`, or are closed.',
    ),
  proxies: z
    .array(network)
    .min(1)
    .max(NETWORKS_MAX)
    .optional()
    .describe(
      'Networks of proxies in front of this listener. Every connection begins with a PROXY header (version 1 or 2), every datagram with one of version 2, that says who the client is. Nobody else is served here.',
    ),
  abortOnClose: z
    .boolean()
    .optional()
    .describe(
      'Of `http`: a client that closes its side while its request waits or is answered has left: the request is given up, at its server too. `false`: it is still answered, for clients that finish their side before they read. Default: true.',
    ),
  trace: trace
    .optional()
    .describe(
      'Of `http`: W3C Trace Context and X-Request-ID. A traceparent that came goes on as it is with its tracestate, a malformed one is dropped.',
    ),
  trust: trust
    .optional()
    .describe(
      'Of `http`: which proxies in front say who the client is, and what servers are told of it (docs/ROUTING.md). Default: nobody is believed; X-Forwarded-For, -Proto, -Host and Via are sent.',
    ),
  idleTimeout: duration('100ms', '24h')
    .optional()
    .describe(
      'Of `tcp` and `udp`: a connection or session on which nothing moves for so long ends. Default: 10m, of `udp` 1m.',
    ),
  drainTimeout: duration('0s', '24h')
    .optional()
    .describe(
      'Of `tcp` and `udp`: how long connections and sessions may still go on when their server has left the configuration or has weight 0, when the listener has left it, or when the region is drained. Then both sides are told the end. Default: 5m.',
    ),
  sessionsMax: z
    .int()
    .min(1)
    .max(SESSIONS_MAX)
    .optional()
    .describe(
      'Of `udp`: the most sessions per worker; a new one takes the place of that which was idle longest. Default: 10000.',
    ),
  responses: z
    .int()
    .min(1)
    .max(RESPONSES_MAX)
    .optional()
    .describe(
      'Of `udp`: so many datagrams answer one of the client, as 1 of DNS; then the session ends. Default: not known, it ends when it is idle.',
    ),
};
