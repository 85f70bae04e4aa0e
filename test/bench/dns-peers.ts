/** The other servers, each a child on a core of its own choosing and a free port of loopback. */

import { fileURLToPath } from 'node:url';
import { freePort } from '../node/free-addresses.ts';
import { LOOPBACK } from './dns-agreement.ts';
import {
  type Server,
  type ServerOptions,
  startGdnsd,
  startMeridian,
  startMeridianDnstap,
  whenReady,
} from './dns-servers.ts';
import {
  IPV6_WORKLOAD,
  REGIONS,
  STATIC_HOSTS,
  STEERED_TTL_SECONDS,
  TTL_SECONDS,
  ZONE,
} from './dns-workload.ts';
import { NAMES_ZONE } from './many-names.ts';
import type { Scratch } from './scratch.ts';

/** `places` are countries with the region that is nearest, for servers that know no distance. */
export type PeerOptions = ServerOptions & {
  readonly places: readonly (readonly [country: string, region: number])[];
  /** File for the collections of Meridian's threads; they are not watched without one. */
  readonly collections?: string;
};

export type Peer = {
  readonly name: string;
  readonly workloads: readonly string[];
  /** Whether its answers to what is steered must be Meridian's. */
  readonly isAlike: boolean;
  start(scratch: Scratch, options: PeerOptions): Promise<Server>;
};

const STEERED = ['steered', 'steered-ecs', IPV6_WORKLOAD];
const STATIC = ['static', 'mixed'];
/**
 * Asked of those who answer a client without a server cookie and give it one; Knot answers BADCOOKIE. NSD has one
 * address for what is steered.
 */
const COOKIES = ['cookies'];
const ALL = [...STATIC, ...STEERED];
const ALL_WITH_COOKIES = [...ALL, ...COOKIES];

export const PEERS: readonly Peer[] = [
  { name: 'gdnsd', workloads: ALL_WITH_COOKIES, isAlike: true, start: startGdnsd },
  {
    name: 'Meridian',
    workloads: ALL_WITH_COOKIES,
    isAlike: true,
    start: (scratch, { collections, ...options }) =>
      startMeridian(scratch, options, 'Meridian', { collections }),
  },
  {
    name: 'Meridian portable',
    workloads: ALL_WITH_COOKIES,
    isAlike: true,
    start: (scratch, options) =>
      startMeridian(scratch, options, 'Meridian portable', { udpEngine: 'portable' }),
  },
  {
    // The default: every datagram brings the address that it was sent to.
    name: 'Meridian, wildcard',
    workloads: ['static', 'steered-ecs'],
    isAlike: true,
    start: (scratch, options) =>
      startMeridian(scratch, options, 'Meridian, wildcard', { address: '0.0.0.0' }),
  },
  {
    name: 'Meridian dnstap',
    workloads: ALL_WITH_COOKIES,
    isAlike: true,
    start: startMeridianDnstap,
  },
  { name: 'Knot geoip', workloads: ALL, isAlike: false, start: startKnotGeo },
  { name: 'PowerDNS geoip', workloads: STEERED, isAlike: false, start: startPowerDnsGeo },
  { name: 'PowerDNS Lua', workloads: STEERED, isAlike: false, start: startPowerDnsLua },
  { name: 'NSD', workloads: [...STATIC, ...COOKIES], isAlike: false, start: startNsd },
  { name: 'BIND', workloads: STATIC, isAlike: false, start: startBind },
  { name: 'echo', workloads: ALL_WITH_COOKIES, isAlike: false, start: startEcho },
  {
    name: 'echo node:dgram',
    workloads: [...STATIC, 'steered', 'steered-ecs'],
    isAlike: false,
    start: startDgramEcho,
  },
];

const vipOf = (region: number): string => REGIONS[region]!.vip;

/** @param steered the line of `www` */
function zoneFile(steered: string): string {
  const hosts = STATIC_HOSTS.map(([host, address]) => `${host} A ${address}`);
  return `$ORIGIN ${ZONE}.
$TTL ${TTL_SECONDS}
@ 60 SOA ns1 hostmaster 1 3600 600 1209600 60
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 198.51.100.53
${steered}
${hosts.join('\n')}
`;
}

const STEERED_DEFAULT = `www ${STEERED_TTL_SECONDS} A ${vipOf(1)}`;

/** The lines of a configuration for the zone of many names, when it is served; none otherwise. */
function ifNames(
  scratch: Scratch,
  folder: string,
  { names }: PeerOptions,
  linesOf: (path: string) => string,
): string {
  return names === undefined ? '' : linesOf(scratch.write(`${folder}/${NAMES_ZONE}`, names));
}

function pinned(scratch: Scratch, core: number, ...words: readonly string[]) {
  return scratch.start('taskset', ['-c', String(core), ...words]);
}

/** Countries stand for distances: it knows none. */
async function startKnotGeo(scratch: Scratch, options: PeerOptions): Promise<Server> {
  const port = await freePort();
  const views = options.places.map(
    ([country, region]) => `  - geo: "${country}"\n    A: ${vipOf(region)}\n`,
  );
  const config = scratch.write(
    'knot-geo/knot.conf',
    `server:
  rundir: ${scratch.directory('knot-geo/run')}
  listen: ${options.address ?? LOOPBACK}@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  edns-client-subnet: on
database:
  storage: ${scratch.directory('knot-geo/db')}
mod-geoip:
  - id: bench
    config-file: ${scratch.write('knot-geo/geo.conf', `www.${ZONE}:\n${views.join('')}`)}
    ttl: ${STEERED_TTL_SECONDS}
    mode: geodb
    geodb-file: ${options.database}
    geodb-key: country/iso_code
zone:
  - domain: ${ZONE}
    file: ${scratch.write('knot-geo/zone', zoneFile(STEERED_DEFAULT))}
    module: mod-geoip/bench
${ifNames(scratch, 'knot-geo', options, (path) => `  - domain: ${NAMES_ZONE}\n    file: ${path}\n`)}`,
  );
  return whenReady(
    'Knot geoip',
    port,
    pinned(scratch, options.core, 'knotd', '-c', config),
    options,
  );
}

async function startPowerDnsGeo(scratch: Scratch, options: PeerOptions): Promise<Server> {
  const records = options.places.map(
    ([country, region]) =>
      `    ${country.toLowerCase()}.cc.${ZONE}:\n      - a: ${vipOf(region)}\n`,
  );
  const zones = scratch.write(
    'pdns-geo/zones.yaml',
    `domains:
- domain: ${ZONE}
  ttl: ${STEERED_TTL_SECONDS}
  records:
    ${ZONE}:
      - soa: ns1.${ZONE} hostmaster.${ZONE} 1 3600 600 1209600 60
      - ns: ns1.${ZONE}
    unknown.cc.${ZONE}:
      - a: ${vipOf(1)}
${records.join('')}  services:
    www.${ZONE}: '%cc.cc.${ZONE}'
`,
  );
  return startPowerDns(scratch, options, 'PowerDNS geoip', 'pdns-geo', [
    'launch=geoip',
    `geoip-zones-file=${zones}`,
  ]);
}

/** Continents stand for distances: its addresses are in no database. */
async function startPowerDnsLua(scratch: Scratch, options: PeerOptions): Promise<Server> {
  const script = `;if continent('NA') or continent('SA') then return '${vipOf(0)}' elseif continent('AS') or continent('OC') then return '${vipOf(2)}' else return '${vipOf(1)}' end`;
  const steered = `www ${STEERED_TTL_SECONDS} LUA A "${script}"`;
  const zone = scratch.write('pdns-lua/zone', zoneFile(steered));
  const named = scratch.write(
    'pdns-lua/named.conf',
    `zone "${ZONE}" { type master; file "${zone}"; };\n`,
  );
  return startPowerDns(scratch, options, 'PowerDNS Lua', 'pdns-lua', [
    'launch=bind,geoip',
    `bind-config=${named}`,
    `geoip-zones-file=${scratch.write('pdns-lua/zones.yaml', 'domains: []\n')}`,
    'enable-lua-records=shared',
  ]);
}

async function startPowerDns(
  scratch: Scratch,
  options: PeerOptions,
  name: string,
  folder: string,
  lines: readonly string[],
): Promise<Server> {
  const port = await freePort();
  const all = [
    ...lines,
    `geoip-database-files=mmdb:${options.database}`,
    'edns-subnet-processing=yes',
    `local-address=${options.address ?? LOOPBACK}`,
    `local-port=${port}`,
    `socket-dir=${scratch.directory(`${folder}/run`)}`,
    'receiver-threads=1',
    'distributor-threads=1',
    'daemon=no',
    'guardian=no',
    'security-poll-suffix=',
    'zone-cache-refresh-interval=0',
  ];
  scratch.write(`${folder}/pdns.conf`, `${all.join('\n')}\n`);
  const directory = scratch.directory(folder);
  const child = pinned(scratch, options.core, 'pdns_server', `--config-dir=${directory}`);
  return whenReady(name, port, child, { ...options, probe: options.steeredProbe });
}

async function startNsd(scratch: Scratch, options: PeerOptions): Promise<Server> {
  const port = await freePort();
  const config = scratch.write(
    'nsd/nsd.conf',
    `server:
  ip-address: 127.0.0.1@${port}
  server-count: 1
  username: ""
  database: ""
  pidfile: ""
  zonesdir: "${scratch.directory('nsd')}"
  zonelistfile: "${scratch.directory('nsd')}/zone.list"
  xfrdfile: ""
  rrl-ratelimit: 0
  answer-cookie: yes
remote-control:
  control-enable: no
zone:
  name: ${ZONE}
  zonefile: ${scratch.write('nsd/zone', zoneFile(STEERED_DEFAULT))}
${ifNames(scratch, 'nsd', options, (path) => `zone:\n  name: ${NAMES_ZONE}\n  zonefile: ${path}\n`)}`,
  );
  return whenReady('NSD', port, pinned(scratch, options.core, 'nsd', '-d', '-c', config), options);
}

async function startBind(scratch: Scratch, options: PeerOptions): Promise<Server> {
  const port = await freePort();
  const zone = scratch.write('bind/zone', zoneFile(STEERED_DEFAULT));
  const config = scratch.write(
    'bind/named.conf',
    `options {
  directory "${scratch.directory('bind')}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion no;
  minimal-responses yes;
  pid-file none;
  session-keyfile none;
};
controls { };
zone "${ZONE}" { type primary; file "${zone}"; };
${ifNames(scratch, 'bind', options, (path) => `zone "${NAMES_ZONE}" { type primary; file "${path}"; };\n`)}`,
  );
  const words = ['named', '-g', '-n', '1', '-U', '1', '-c', config];
  return whenReady('BIND', port, pinned(scratch, options.core, ...words), options);
}

/** Compiled where there is a compiler: it is what nothing can be cheaper than. */
export async function startEcho(
  scratch: Scratch,
  options: Pick<PeerOptions, 'address' | 'core' | 'probe'>,
): Promise<Server> {
  const port = await freePort();
  const program = `${scratch.directory('echo')}/echo`;
  const source = fileURLToPath(new URL('./echo.c', import.meta.url));
  const compiler = scratch.start('cc', ['-O2', '-o', program, source]);
  if ((await compiler.ended) !== 0) throw new Error(`cc: ${compiler.output()}`);
  const child = pinned(scratch, options.core, program, String(port), options.address ?? LOOPBACK);
  return whenReady('echo', port, child, { ...options, mayBeEmpty: true });
}

/** What the portable engine stands on. */
async function startDgramEcho(scratch: Scratch, options: PeerOptions): Promise<Server> {
  const port = await freePort();
  const program = fileURLToPath(new URL('./echo-dgram.ts', import.meta.url));
  const child = pinned(scratch, options.core, process.execPath, program, String(port));
  return whenReady('echo node:dgram', port, child, { ...options, mayBeEmpty: true });
}
