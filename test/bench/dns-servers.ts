/** The two DNS servers, each a child on a core of its own choosing and a free port of loopback. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../node/free-addresses.ts';
import { nodeWords } from './collections.ts';
import { ask, LOOPBACK, type Loopback } from './dns-agreement.ts';
import {
  REGIONS,
  type Region,
  STATIC_HOSTS,
  STEERED_TTL_SECONDS,
  TTL_SECONDS,
  ZONE,
} from './dns-workload.ts';
import { NAMES_ZONE } from './many-names.ts';
import type { Child, Scratch } from './scratch.ts';

export type Server = {
  readonly name: string;
  readonly port: number;
  readonly child: Child;
  /** Where it listens. */
  readonly address: Loopback;
};

export type ServerOptions = {
  /** The .mmdb file. */
  readonly database: string;
  readonly core: number;
  /** Where it listens; at 127.0.0.1 unless said. */
  readonly address?: Loopback;
  /** Threads for UDP; 1 unless said. */
  readonly workers?: number;
  /** Queries that a server that is ready answers: for a static name, and for one that is steered. */
  readonly probe: Uint8Array;
  readonly steeredProbe: Uint8Array;
  /** NAMES_ZONE as a master file, when it is served. */
  readonly names?: string;
  /** Where `www` leads; REGIONS unless said. For gdnsd. */
  readonly regions?: readonly Region[];
};

const READY_SECONDS = 60;
const READY_INTERVAL_MS = 100;
export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** As it stands before a port. */
function hostOf({ address = LOOPBACK }: ServerOptions): string {
  return address === LOOPBACK ? address : `[${address}]`;
}

/** gdnsd in the foreground; all that it reads and writes is in the scratch directory. */
export async function startGdnsd(scratch: Scratch, options: ServerOptions): Promise<Server> {
  const port = await freePort();
  const { regions = REGIONS, workers = 1 } = options;
  const name = workers === 1 ? 'gdnsd' : `gdnsd, ${workers} threads`;
  const folder = `gdnsd-${workers}`;
  const coordinates = regions.map(
    (each) => `${each.name} => [${each.latitude}, ${each.longitude}]`,
  );
  const addresses = regions.map(({ name, vip }) => `${name} => ${vip}`);
  scratch.write(
    `${folder}/config`,
    `options => {
  listen => { "${hostOf(options)}:${port}" => { udp_threads = ${workers}, tcp_threads = 1 } }
  run_dir => ${scratch.directory(`${folder}/run`)}
  state_dir => ${scratch.directory(`${folder}/state`)}
}
plugins => { geoip => {
  maps => { world => {
    geoip2_db => ${options.database}
    datacenters => [${regions.map(({ name }) => name).join(', ')}]
    auto_dc_coords => { ${coordinates.join(', ')} }
  } }
  resources => { web => { map => world, service_types => up, dcmap => { ${addresses.join(', ')} } } }
} }
`,
  );
  const hosts = STATIC_HOSTS.map(([host, address]) => `${host} A ${address}`);
  const zone = `$TTL ${TTL_SECONDS}
@ 60 SOA ns1 hostmaster ( 1 3600 600 1209600 60 )
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 198.51.100.53
www ${STEERED_TTL_SECONDS} DYNA geoip!web
${hosts.join('\n')}
`;
  const file = scratch.write(`${folder}/zones/${ZONE}`, zone);
  if (options.names !== undefined) scratch.write(`${folder}/zones/${NAMES_ZONE}`, options.names);
  const directory = join(file, '..', '..');
  const words = ['-c', String(options.core), 'gdnsd', '-c', directory, 'start'];
  return whenReady(name, port, scratch.start('taskset', words), options);
}

/** The static names, signed, as the zones of a configuration of Meridian. */
export const SIGNED_ZONES = {
  [ZONE]: {
    dnssec: true,
    ttl: TTL_SECONDS,
    nameservers: ['ns1'],
    records: {
      ns1: { A: '192.0.2.53' },
      ...Object.fromEntries(STATIC_HOSTS.map(([host, address]) => [host, { A: address }])),
    },
  },
};

/** What a Meridian has beside the others: settings of `dns`. */
type MeridianDns = Readonly<Record<string, unknown>> & {
  /** Where it listens, when that is not where all do. */
  readonly address?: string;
  /** File for the collections of its threads. */
  readonly collections?: string | undefined;
};

/** Meridian as a nameserver and nothing else. */
export async function startMeridian(
  scratch: Scratch,
  options: ServerOptions,
  alias = 'Meridian',
  { address = hostOf(options), collections, ...dns }: MeridianDns = {},
): Promise<Server> {
  const port = await freePort();
  const { workers = 1 } = options;
  const name = workers === 1 ? alias : `${alias}, ${workers} workers`;
  const plain = meridianConfig(options.database, port, {
    dns: { listeners: [`${address}:${port}`], ...dns },
    workers,
  });
  const zones = { ...plain.zones, ...namesOf(scratch, options) };
  const config = { ...plain, zones };
  const file = scratch.write(`${name}.yaml`, JSON.stringify(config, undefined, 2));
  const words = ['-c', String(options.core), ...nodeWords(collections)];
  words.push(MAIN, 'run', '--config', file);
  return whenReady(name, port, scratch.start('taskset', words), options);
}

/** The zone of many names as Meridian has it: a file below that of the configuration. */
function namesOf(scratch: Scratch, { names }: ServerOptions) {
  if (names === undefined) return {};
  scratch.write(NAMES_ZONE, names);
  return { [NAMES_ZONE]: { file: NAMES_ZONE } };
}

/** What every server of the bench serves, as a configuration of Meridian; endpoints without a monitor are up. */
export function meridianConfig(
  database: string,
  port: number,
  {
    dns = {},
    workers = 1,
  }: { readonly dns?: Readonly<Record<string, unknown>>; readonly workers?: number } = {},
) {
  const hosts = STATIC_HOSTS.map(([host, address]) => [host, { A: address }]);
  return {
    node: { name: 'bench', roles: ['nameserver'], workers: { dns: workers } },
    geo: { databases: [database] },
    dns: { listeners: [`127.0.0.1:${port}`], ...dns },
    regions: Object.fromEntries(
      REGIONS.map(({ name, latitude, longitude, vip }) => [
        name,
        { location: { latitude, longitude }, vips: vip },
      ]),
    ),
    pools: { web: { endpoints: REGIONS.map(({ name }) => name) } },
    policies: {
      // gdnsd always takes the nearest, however little nearer it is.
      closest: {
        chain: ['healthy', { step: 'nearest', toleranceKm: 0 }, 'weighted', { step: 'first' }],
      },
    },
    zones: {
      [ZONE]: {
        ttl: TTL_SECONDS,
        nameservers: ['ns1', 'ns2'],
        records: {
          ns1: { A: '192.0.2.53' },
          ns2: { A: '198.51.100.53' },
          ...Object.fromEntries(hosts),
        },
        steered: { www: { pool: 'web', ttl: { max: STEERED_TTL_SECONDS } } },
      },
    },
    log: { level: 'warn' },
  };
}

/** The same, which tells a collector of every query and response; the collector throws them away. */
export async function startMeridianDnstap(
  scratch: Scratch,
  options: ServerOptions,
): Promise<Server> {
  const to = join(scratch.directory('dnstap'), 'socket');
  const words = ['-t', 'protobuf:dnstap.Dnstap', '-u', to, '-w', '/dev/null'];
  const collector = scratch.start('fstrm_capture', words);
  const server = await startMeridian(scratch, options, 'Meridian dnstap', { dnstap: { to } });
  if (!collector.running()) throw new Error(`fstrm_capture ended: ${collector.output()}`);
  return server;
}

export async function whenReady(
  name: string,
  port: number,
  child: Child,
  {
    address = LOOPBACK,
    mayBeEmpty = false,
    probe,
  }: Pick<ServerOptions, 'address' | 'probe'> & { readonly mayBeEmpty?: boolean },
): Promise<Server> {
  const deadline = Date.now() + READY_SECONDS * 1000;
  for (;;) {
    if (!child.running()) throw new Error(`${name} ended at its start:\n${child.output()}`);
    const [reply] = await ask(port, [probe], READY_INTERVAL_MS, address);
    if (reply?.rcode === 0 && (mayBeEmpty || reply.data.length > 0))
      return { name, port, child, address };
    if (Date.now() > deadline) {
      throw new Error(`${name} is not ready after ${READY_SECONDS} s:\n${child.output()}`);
    }
    // A refused packet comes back at once.
    await new Promise((done) => setTimeout(done, READY_INTERVAL_MS));
  }
}
