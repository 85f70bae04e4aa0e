import { z } from 'zod';
import { parseSocketAddress } from '../ip/socket-address.ts';
import { affinity } from './affinity-schema.ts';
import {
  accessLog,
  balancerListenerFields,
  proxyOptions,
  proxyProtocol,
} from './balancer-schema.ts';
import { capacity } from './capacity-schema.ts';
import { clients } from './clients-schema.ts';
import { cluster } from './cluster-schema.ts';
import { ROLES } from './config.ts';
import { discovery } from './discovery-schema.ts';
import { dns } from './dns-schema.ts';
import { extensions, namedExtension } from './extensions.ts';
import { latency } from './latency-schema.ts';
import { monitor, monitorGroup } from './monitor-schema.ts';
import { resilienceFields, serverPriority } from './resilience-schema.ts';
import { route } from './route-schema.ts';
import {
  address,
  addresses,
  domainName,
  duration,
  name,
  network,
  path,
  port,
  saying,
  socketAddress,
  weight,
} from './values.ts';
import { ZONE_FOLDERS_MAX, zoneFolder } from './zone-folders.ts';
import { alpn, zone } from './zone-schema.ts';

/**
 * The file's schema: strict everywhere, so that a misspelt key is an error and never silence, with a
 * description on every key, since the editors' JSON Schema and docs/CONFIG.md are made from it.
 * What needs two places of the file to be judged is in references.ts; what turns the file's shape
 * into `Config` is in resolve.ts.
 */

/** The most entries of a list: a slip in a template must not fill the memory. */
const ENTRIES_MAX = 10_000;
/** Steps of one policy; more is a programming language, not a policy. */
const STEPS_MAX = 32;
const HASHED_TOKEN = /^sha256:[0-9a-f]{64}$/;
/** A plain token shorter than this can be guessed. */
export const TOKEN_LENGTH_MIN = 16;

const coordinates = z.strictObject({
  latitude: z.number().min(-90).max(90).describe('Degrees north, -90 to 90.'),
  longitude: z.number().min(-180).max(180).describe('Degrees east, -180 to 180.'),
  continent: z
    .enum(['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'])
    .optional()
    .describe('Continent code.'),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .meta({ what: 'a country code', hint: 'ISO 3166-1 alpha-2 in capitals: DE' })
    .optional()
    .describe('Country, ISO 3166-1 alpha-2.'),
  subdivision: z
    .string()
    .regex(/^[A-Z0-9]{1,3}$/)
    .meta({ what: 'a subdivision code', hint: 'the part after the dash: VA of US-VA' })
    .optional()
    .describe('Subdivision, the part of ISO 3166-2 after the dash.'),
  city: z.string().max(200).optional().describe('City, for people only.'),
});
const placeName = z
  .string()
  .regex(/^([A-Z]{2}(-[A-Z0-9]{1,3})?|[a-z0-9]+\/[A-Za-z0-9-]+)$/)
  .meta({
    what: 'a place code',
    hint: 'DE, US-VA, aws/eu-west-1, or {latitude, longitude}',
  })
  .describe(
    'A country (`DE`) or subdivision (`US-VA`) code: the centre of its networks. Or the region of a cloud provider (`aws/eu-west-1`): the city it is in.',
  );
const location = z.union([placeName, coordinates]).meta({
  what: 'a place',
  hint: '{ latitude: 50.11, longitude: 8.68 }, a country code: DE, or a cloud region: aws/eu-west-1',
});

const vantage = z.strictObject({
  name: name.describe('The name, unique among the vantage points of all nodes.'),
  region: name
    .optional()
    .describe('The region it is in: vantage points of one region vote as one.'),
  source: addresses
    .prefault([])
    .describe('Local addresses to probe from; the first of the right family is used.'),
});

const canary = z.strictObject({
  monitor: name.describe('The monitor that asks it.'),
  address: address.describe('Its address.'),
  port: port.optional().describe("Its port. Default: the monitor's."),
});

const node = z.strictObject({
  name: name.optional().describe("The node's name. Default: the host's name."),
  roles: z
    .array(z.enum(ROLES))
    .min(1)
    .default([...ROLES])
    .describe('Which parts of the program this node runs. Default: all.'),
  stateDirectory: path
    .optional()
    .describe(
      'Directory for what outlives a restart: overrides, the last known health, copies of zones. Default: nothing is kept.',
    ),
  workers: z
    .strictObject({
      dns: z.int().min(0).max(256).default(0).describe('DNS worker threads; 0 = one per core.'),
      balancer: z
        .int()
        .min(0)
        .max(256)
        .default(1)
        .describe('Balancer worker threads; 0 = one per core.'),
    })
    .prefault({})
    .describe('Worker threads per role.'),
  vantages: z
    .array(vantage)
    .max(64)
    .optional()
    .describe('Where this node probes from. Default: one vantage point with the name of the node.'),
  canaries: z
    .array(canary)
    .max(64)
    .default([])
    .describe(
      'Well-known things that are not yours and hardly ever fail. A vantage point that sees most of them fail distrusts itself and abstains. Whatever begins to fail asks them at once.',
    ),
});

const region = z.strictObject({
  location: location
    .optional()
    .describe(
      'Where the region is: coordinates, a country or subdivision code, or the region of a cloud provider (`aws/eu-west-1`, `gcp/europe-west4`, `azure/westeurope`). Default: not known; `nearest` then takes it last, and no client is near it.',
    ),
  vips: addresses
    .prefault([])
    .describe('Virtual IP addresses, v4 and v6, that DNS answers for this region.'),
  capacity: z
    .number()
    .min(0)
    .default(0)
    .describe(
      'Requests per second that the region can carry; 0 = not stated. Policies with the step `capacity` keep within it.',
    ),
});

const geo = z.strictObject({
  databases: z
    .array(path)
    .max(16)
    .default([])
    .describe(
      'Paths of .mmdb files (places, autonomous systems or both), of packs of `meridian geo pack`, or of .csv files with a network and its place on each line (`192.0.2.0/24,DE`, `198.51.100.0/24,aws/eu-west-1`, `2001:db8::/32,50.11,8.68`) or geofeeds (RFC 8805: `192.0.2.5,US,US-AL,Alabaster,`); the first that knows an address wins. `built-in` is what comes with the program: the country, the subdivision and the place to a degree. Default: that alone; it is also used when none of the files knows places, as those of autonomous systems only.',
    ),
  overrides: z
    .array(
      z.strictObject({
        networks: z.array(network).min(1).max(ENTRIES_MAX).describe('Networks in CIDR notation.'),
        location: location.describe('Where their clients are.'),
      }),
    )
    .max(ENTRIES_MAX)
    .default([])
    .describe('What you know better than every database; the longest prefix wins.'),
  resolvers: z
    .array(path)
    .max(16)
    .default([])
    .describe(
      'Paths of files with the networks that public resolvers ask from: geofeeds (RFC 8805) of their operators, .csv files as above, or lists of networks and names of sites (`192.0.2.0/24 fra`). Their places are right before those of all databases, and what is measured of a network is measured of its site (docs/LATENCY.md).',
    ),
  maxAge: duration('1d', '3650d')
    .prefault('180d')
    .describe('How old the databases may be before an event says so.'),
});

const endpoint = z.strictObject({
  region: name.describe('The region that answers.'),
  name: name
    .optional()
    .describe("Its name in the pool, for a region with several endpoints. Default: the region's."),
  weight: weight.describe(
    'Share among equally good endpoints; 0 = only when nothing else is left.',
  ),
  addresses: addresses
    .optional()
    .describe(
      "Addresses to answer. Default: the region's VIPs. With `cname`, only where probes go; default then: nowhere.",
    ),
  cname: domainName
    .optional()
    .describe(
      'A name to answer as a CNAME instead of addresses, for instance of another provider. All endpoints of a pool have one, or none.',
    ),
  alpn: alpn
    .optional()
    .describe("Protocols in HTTPS and SVCB records. Default: the steered name's."),
  monitor: name
    .optional()
    .describe("The monitor or monitor group that judges this one. Default: the pool's."),
});
const endpointName = name
  .transform((text) => ({ region: text }))
  .pipe(endpoint)
  .describe('The name of a region alone: weight 1, the VIPs of the region.');

const pool = z.strictObject({
  monitor: name
    .optional()
    .describe(
      'The monitor or monitor group that judges the endpoints. Default: none; they count as up.',
    ),
  endpoints: z
    .array(z.union([endpointName, endpoint]).meta({ what: 'an endpoint' }))
    .min(1)
    .max(ENTRIES_MAX)
    .describe('The endpoints, mostly one per region: a name, or a map.'),
  port: port.default(80).describe('Port that probes use when the monitor has none.'),
  quorumMin: z
    .int()
    .min(1)
    .max(100)
    .default(1)
    .describe('Fewest groups of vantage points that must agree on "down".'),
  downShare: z
    .number()
    .min(0.5)
    .max(1)
    .default(0.5)
    .describe(
      'Share of the groups of vantage points that must agree on "down": 0.5 is more than half of them. With 0.82 more than 18 % that reach an endpoint keep it in the answers, as on Route 53; clients near those who do not are led elsewhere all the same.',
    ),
  panicThreshold: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe(
      'When a smaller share of the weight is healthy than this, health is ignored; 0 = never.',
    ),
  regionalHealth: z
    .boolean()
    .optional()
    .describe(
      'Whether clients near a region are steered by what its vantage points see, when that is not what the others see. Default: yes where the policy tells clients apart by place.',
    ),
  ramp: z
    .strictObject({
      from: z
        .number()
        .min(0)
        .max(1)
        .default(0.1)
        .describe('The part of its share that an endpoint gets at once when it comes back.'),
      over: duration('0s', '24h')
        .prefault('0s')
        .describe('Time until it gets all of it; 0s = at once.'),
    })
    .prefault({})
    .describe('Slow return: how an endpoint that was out of the answers gets its share back.'),
  withdrawals: z
    .strictObject({
      shareMax: z
        .number()
        .min(0)
        .max(1)
        .default(0.75)
        .describe("Share of the pool's capacity that may be taken out within the window; 1 = all."),
      countMax: z
        .int()
        .min(0)
        .max(ENTRIES_MAX)
        .default(ENTRIES_MAX)
        .describe('Endpoints that may be taken out within the window.'),
      window: duration('1s', '24h').prefault('5m').describe('The window.'),
    })
    .prefault({})
    .describe(
      'How fast health may take endpoints out of the answers. Beyond it they stay in, and `pool.frozen` is an event: something is wrong with the eyes, or with more than a machine can mend.',
    ),
  sorry: addresses
    .prefault([])
    .describe('Addresses to answer when every endpoint has been switched off.'),
});

const policy = z.strictObject({
  chain: z
    .array(namedExtension('step', extensions.steps).meta({ what: 'a step' }))
    .min(1)
    .max(STEPS_MAX)
    .describe('Steps in order. A step is its name, or a map with `step` and its options.'),
});

const server = z.strictObject({
  name: name.optional().describe('Name in logs and metrics. Default: `address:port`.'),
  address: address.describe('Address of the server.'),
  port: port.describe('Port of the server.'),
  weight: weight.describe('Share of the requests; 0 = none.'),
  priority: serverPriority,
});
const serverText = socketAddress
  .transform((text) => parseSocketAddress(text)!)
  .pipe(server)
  .describe('`address:port` alone: weight 1.');

const upstream = z.strictObject({
  algorithm: namedExtension('kind', extensions.algorithms)
    .meta({ what: 'a balancing algorithm' })
    .prefault('least-request')
    .describe('How a server is chosen: a name, or a map with `kind` and its options.'),
  servers: z
    .array(z.union([serverText, server]).meta({ what: 'a server' }))
    .max(ENTRIES_MAX)
    .default([])
    .describe(
      'The servers: `address:port`, or maps. None are needed where `discovery` finds some.',
    ),
  discovery,
  monitor: name
    .optional()
    .describe(
      'The monitor, or group of monitors, that judges the servers. Default: none; they count as up.',
    ),
  readiness: name
    .optional()
    .describe(
      'A monitor, or group of monitors, that says whether a server wants more: while it fails and `monitor` does not, the server takes nobody new and keeps whom it has. Default: none.',
    ),
  keepalive: z
    .strictObject({
      idleMax: z
        .int()
        .min(0)
        .max(100_000)
        .default(64)
        .describe('Idle connections kept per server.'),
      idleTimeout: duration('100ms', '1h')
        .prefault('60s')
        .describe(
          'How long an idle connection is kept; less where the server says, or is seen, to close it earlier.',
        ),
    })
    .prefault({})
    .describe('Connections kept open to servers.'),
  connectTimeout: duration('10ms', '10m').prefault('1s').describe('How long connecting may take.'),
  responseTimeout: duration('10ms', '1h')
    .prefault('30s')
    .describe('How long a server may take to begin its response.'),
  bodyIdleTimeout: duration('10ms', '24h')
    .prefault('60s')
    .describe(
      'How long a server may be silent in the middle of a response. An event stream (`text/event-stream`) may be as long as a tunnel.',
    ),
  ...resilienceFields,
  proxyProtocol,
  proxyOptions,
  affinity,
});

const balancerListener = z.strictObject({
  ...balancerListenerFields,
  routes: z
    .array(route)
    .min(1)
    .max(ENTRIES_MAX)
    .optional()
    .describe('Which request goes where; the most specific host and path wins (docs/ROUTING.md).'),
});

const balancer = z.strictObject({
  engine: z
    .enum(['auto', 'portable'])
    .default('auto')
    .describe(
      'How connections are read and written: by io_uring where this machine can (Linux), or always by node:net.',
    ),
  accessLog: accessLog
    .optional()
    .describe(
      'A line for every request, tunnel and flow of layer 4 (docs/ACCESS-LOG.md). Default: none.',
    ),
  metrics: z
    .enum(['all', 'basic'])
    .default('all')
    .describe(
      'What is counted: `all`, or `basic`, without routes and without durations of servers (docs/OPERATING.md).',
    ),
  warmUp: duration('0s', '10s')
    .prefault('1s')
    .describe(
      'How long each worker runs requests of its own when the node starts, so that the first clients are served as fast as later ones; 0s = it serves at once.',
    ),
  clients,
  upstreams: z.record(name, upstream).prefault({}).describe('Groups of servers, by name.'),
  listeners: z
    .array(balancerListener)
    .max(ENTRIES_MAX)
    .default([])
    .describe('Where requests, connections and datagrams come in.'),
});

const token = z
  .string()
  .refine(
    (text) =>
      HASHED_TOKEN.test(text) || (!text.startsWith('sha256:') && text.length >= TOKEN_LENGTH_MIN),
    saying('is not a token'),
  )
  .meta({
    what: 'a token',
    hint: `at least ${TOKEN_LENGTH_MIN} characters, or sha256: and 64 lower-case hex digits`,
    secret: true,
  });

const admin = z.strictObject({
  address: address.default('127.0.0.1').describe('Local address of the API and the page.'),
  port: port.default(8053).describe('Port of the API and the page.'),
  tokens: z
    .array(token)
    .max(1000)
    .default([])
    .describe('Bearer tokens, plain or `sha256:<hex>`; needed when the address is not loopback.'),
});

/** The whole file. */
export const configFileSchema = z.strictObject({
  node: node.prefault({}).describe('This node: its name, its roles, where it probes from.'),
  regions: z
    .record(name, region)
    .prefault({})
    .describe('The regions that traffic is steered to, by name.'),
  geo: geo.prefault({}).describe('Where clients are.'),
  latency: latency
    .prefault({})
    .describe('What ways to clients take, as it is measured, and how steering follows it.'),
  capacity: capacity.prefault({}).describe('How clients are kept within what regions can carry.'),
  monitors: z.record(name, monitor).prefault({}).describe('How health is found out, by name.'),
  monitorGroups: z
    .record(name, monitorGroup)
    .prefault({})
    .describe('Several monitors judged as one, by name: k of n, must-have, inverted, weighted.'),
  pools: z
    .record(name, pool)
    .prefault({})
    .describe('What a steered name can be answered with, by name.'),
  policies: z
    .record(name, policy)
    .prefault({})
    .describe(
      'How an endpoint is chosen, by name. `closest` is always there: healthy, nearest, weighted, first.',
    ),
  zones: z
    .record(z.string(), zone)
    .prefault({})
    .describe('The zones that this nameserver is authoritative for, by name.'),
  zoneFolders: z
    .array(zoneFolder)
    .max(ZONE_FOLDERS_MAX)
    .default([])
    .describe('Folders in which each master file is one more zone, named as the file.'),
  dns: dns.prefault({}).describe('The nameserver.'),
  balancer: balancer.prefault({}).describe('The regional balancer.'),
  store: namedExtension('kind', extensions.stores)
    .meta({ what: 'a store' })
    .prefault('memory')
    .describe('Where nodes share state: a name, or a map with `kind` and its options.'),
  cluster: cluster
    .prefault({})
    .describe('The other nodes: whom to tell what this one sees, and whom to believe.'),
  admin: admin.prefault({}).describe('The API and the page.'),
  log: z
    .strictObject({
      level: z
        .enum(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info')
        .describe('Least severe line that is written.'),
    })
    .prefault({})
    .describe('The log.'),
});

/** The file with defaults, durations in milliseconds, names still as written. */
export type ConfigFile = z.output<typeof configFileSchema>;
