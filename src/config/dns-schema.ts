import { z } from 'zod';
import { parseSocketAddress } from '../ip/socket-address.ts';
import {
  address,
  domainName,
  duration,
  network,
  parseHostPort,
  path,
  port,
  saying,
  socketAddress,
} from './values.ts';

/** The shape of the nameserver's section of the file. */

const PATH_LENGTH_MAX = 256;
/** Shorter ones can be guessed (RFC 8945 8: as long as the hash is best). */
const SECRET_OCTETS_MIN = 16;
/** Looked through one by one. */
const NETWORKS_MAX = 64;
/** Looked up, in a table that is made of them with every change. */
const ACCESS_NETWORKS_MAX = 20_000;

const certificate = z.strictObject({
  file: path.describe('The certificate with its chain, as PEM.'),
  keyFile: path.describe('Its private key, as PEM.'),
});

const PROTOCOL_PORTS = { dns: 53, udp: 53, tcp: 53, tls: 853, https: 443 } as const;
const QUERY_PATH = '/dns-query';

const dnsListener = z
  .union([
    socketAddress.transform((text) => {
      return { ...parseSocketAddress(text)!, protocol: 'dns' as const, path: QUERY_PATH };
    }),
    z
      .strictObject({
        address: address.describe('Local address.'),
        port: port.optional().describe('Default: 53; of `tls` 853, of `https` 443.'),
        protocol: z
          .enum(['dns', 'udp', 'tcp', 'tls', 'https'])
          .default('dns')
          .describe(
            'What is spoken: `dns` is UDP and TCP on one port, `tls` DNS over TLS (RFC 7858), `https` DNS over HTTPS (RFC 8484).',
          ),
        proxies: z
          .array(network)
          .min(1)
          .max(NETWORKS_MAX)
          .optional()
          .describe(
            'Networks of proxies in front of this listener: every connection or datagram begins with a PROXY header (version 2) that says who asks. Nobody else is answered here.',
          ),
        certificate: certificate
          .optional()
          .describe('Of `tls` and `https`. Default: `dns.certificate`.'),
        path: z
          .string()
          .max(PATH_LENGTH_MAX)
          .refine((text) => /^\/[!-~]*$/.test(text) && !/[?#]/.test(text), saying('is not a path'))
          .optional()
          .describe(`Where \`https\` takes queries. Default: ${QUERY_PATH}.`),
      })
      .superRefine(({ path, protocol }, { addIssue }) => {
        if (path === undefined || protocol === 'https') return;
        const said = saying('is for https only');
        addIssue({ code: 'custom', path: ['path'], input: path, ...said });
      })
      .transform(({ path = QUERY_PATH, port: own, ...rest }) => ({
        ...rest,
        path,
        port: own ?? PROTOCOL_PORTS[rest.protocol],
      })),
  ])
  .meta({
    what: 'an address with a port',
    hint: '192.0.2.1:53, or { address: 192.0.2.1, port: 53 }',
  });

/** As struct sockaddr_un has room for, on the systems that have least. */
const SOCKET_PATH_MAX = 103;

const collector = z
  .string()
  .refine(
    (text) =>
      text.startsWith('/')
        ? Buffer.byteLength(text) <= SOCKET_PATH_MAX
        : parseHostPort(text) !== undefined,
    saying('is neither the path of a socket nor a host with a port'),
  )
  .meta({
    what: 'the path of a socket, or a host with a port',
    hint: `/run/dnstap/collector.sock (at most ${SOCKET_PATH_MAX} octets), or 192.0.2.1:6000`,
  })
  .transform((text) => (text.startsWith('/') ? { path: text } : parseHostPort(text)!));

/** Fits a character-string (RFC 1035 3.3); printable, since it is read on terminals. */
const selfText = z.union([
  z.literal(false),
  z
    .string()
    .min(1)
    .max(255)
    .regex(/^[ -~]+$/),
]);

const perSecond = (usual: number) => z.int().min(0).max(1_000_000).default(usual);

export const dns = z.strictObject({
  listeners: z
    .array(dnsListener)
    .min(1)
    .max(64)
    .prefault(['0.0.0.0:53'])
    .describe('Where queries are answered.'),
  certificate: certificate
    .optional()
    .describe('What listeners for TLS and HTTPS show. Files that change are read again.'),
  udpSizeMax: z
    .int()
    .min(512)
    .max(4096)
    .default(1232)
    .describe(
      'Largest UDP answer in bytes; longer ones are truncated and fetched over TCP. Where UDP is read by the batch, answers are not sent in fragments (RFC 9715): what is more than the link takes at once is truncated, too, but lost when it is signed by TSIG, and so is what a router on the way, or a route with an MTU of its own, cannot pass on. 1232 fits every link that carries IPv6.',
    ),
  udpEngine: z
    .enum(['auto', 'portable'])
    .default('auto')
    .describe(
      'How UDP is read: by the batch where this machine can (Linux), or always one datagram after the other.',
    ),
  udpGatherMicroseconds: z
    .int()
    .min(0)
    .max(1000)
    .default(150)
    .describe(
      'How long a worker may let queries over UDP gather before it answers them together, in microseconds: it then wakes up less often. Only under load (from about 2 in that time), and only where UDP is read by the batch. 0: never.',
    ),
  tcp: z
    .strictObject({
      connectionsMax: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(1024)
        .describe(
          'Connections at once; beyond it the one that was of no use for longest makes room.',
        ),
      perClientMax: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(32)
        .describe('Connections at once of one client: an IPv4 address, or an IPv6 /64.'),
      idleTimeout: duration('100ms', '10m')
        .prefault('10s')
        .describe('A connection without a query is closed after this.'),
      queriesPerSecond: z
        .int()
        .min(0)
        .max(1_000_000)
        .default(2000)
        .describe('Queries of one client over all its connections; 0 = no limit.'),
      connectionsPerSecond: z
        .int()
        .min(0)
        .max(1_000_000)
        .default(200)
        .describe(
          'New connections of one client, of which each may cost a handshake of TLS; 0 = no limit.',
        ),
    })
    .prefault({})
    .describe('Limits of connections: TCP, TLS and HTTPS.'),
  keys: z
    .record(
      z.string().max(253),
      z.strictObject({
        algorithm: z
          .enum(['hmac-sha256', 'hmac-sha384', 'hmac-sha512'])
          .default('hmac-sha256')
          .describe('The algorithm of its signatures.'),
        secret: z
          .base64()
          .refine((text) => Buffer.from(text, 'base64').length >= SECRET_OCTETS_MIN, {
            ...saying(`is shorter than ${SECRET_OCTETS_MIN} octets`),
          })
          .meta({ what: 'a secret in base 64', hint: 'make one: openssl rand -base64 32' })
          .describe('Base 64, the same at the other end.'),
      }),
    )
    .prefault({})
    .describe(
      'TSIG keys by name, for transfers and updates: the name is a domain name, as the other end has it.',
    ),
  identity: z
    .strictObject({
      id: selfText
        .optional()
        .describe(
          "Which server this is, for NSID, `id.server` and `hostname.bind`; false = not told. Default: the node's name.",
        ),
      version: selfText.default('Meridian').describe('What `version.bind` says; false = not told.'),
      reportChannel: domainName
        .refine((name) => name !== '.', saying('is the root, which is nobody to report to'))
        .optional()
        .describe(
          'The name below which resolvers report errors (RFC 9567), a zone with a nameserver that listens to them. Default: none.',
        ),
    })
    .prefault({})
    .describe('What the nameserver says of itself to those who ask.'),
  rateLimit: z
    .strictObject({
      answersPerSecond: perSecond(5000).describe(
        'The same answer to one client network. A resolver that sends client subnets asks for a name once for each of them: leave room.',
      ),
      negativesPerSecond: perSecond(1000).describe(
        'That a name or type is not there, for one zone; and the same referral.',
      ),
      errorsPerSecond: perSecond(500).describe('Errors, for one client network.'),
      responsesPerSecond: perSecond(20_000).describe(
        'All responses to one client network together, whatever the names.',
      ),
      slip: z
        .int()
        .min(0)
        .max(100)
        .default(2)
        .describe(
          'Of the responses withheld, every so many is an empty one that leads to TCP; 0 = none.',
        ),
      ipv4Bits: z.int().min(8).max(32).default(24).describe('Prefix length of a network.'),
      ipv6Bits: z.int().min(32).max(128).default(56).describe('Prefix length of a network.'),
      exempt: z
        .array(network)
        .max(NETWORKS_MAX)
        .default(['127.0.0.0/8', '::1/128'])
        .describe('Networks that are never limited.'),
    })
    .prefault({})
    .describe(
      'Limits of responses over UDP, per client network and second, against forged addresses; 0 = no limit. Clients with a DNS cookie of this server, and TCP, are not limited.',
    ),
  access: z
    .strictObject({
      allow: z
        .array(network)
        .max(ACCESS_NETWORKS_MAX)
        .default([])
        .describe('Networks that are answered; all others are REFUSED. Default: everybody is.'),
      deny: z
        .array(network)
        .max(ACCESS_NETWORKS_MAX)
        .default([])
        .describe('Networks that hear nothing: queries are dropped, connections closed.'),
    })
    .prefault({})
    .describe(
      'Who is answered, over every transport. The longest network that holds the client decides, whichever list it is in. IPv6 addresses that carry an IPv4 address (NAT64, 6to4) count as that one.',
    ),
  dnstap: z
    .strictObject({
      to: collector.describe(
        'Who collects, by Frame Streams: the path of a Unix socket, or `host:port` (TCP, in the clear).',
      ),
      messages: z
        .array(z.enum(['query', 'response']))
        .min(1)
        .default(['query', 'response'])
        .describe(
          'What is sent: queries as they come (AUTH_QUERY), responses as they leave (AUTH_RESPONSE).',
        ),
      identity: selfText
        .optional()
        .describe('Who says it; false = not told. Default: `dns.identity.id`.'),
      version: selfText
        .optional()
        .describe('What it runs; false = not told. Default: `dns.identity.version`.'),
      sample: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(1)
        .describe('One query of so many, with its response; 1 = all.'),
      bufferMiB: z
        .int()
        .min(1)
        .max(256)
        .default(4)
        .describe(
          'What may wait for the collector: memory of each worker in MiB (rounded up to a power of two). Beyond it events are dropped and counted.',
        ),
    })
    .optional()
    .describe(
      'Tells a collector of each query and response (https://dnstap.info). Absent = off, which costs nothing. Clients never wait for it.',
    ),
  explain: z
    .strictObject({
      allow: z
        .array(network)
        .max(NETWORKS_MAX)
        .default(['127.0.0.0/8', '::1/128'])
        .describe(
          'Networks that are told; empty = nobody. All others see what the zone says for that name.',
        ),
    })
    .prefault({})
    .describe('Who may ask for TXT of `_explain.NAME`: why a client gets its answer for NAME.'),
});
