/**
 * The servers of `dns-streams`, each a child that serves one signed zone over every transport it knows. All but
 * Meridian, which signs itself, get the zone with its signatures in it.
 */

import { NODE_FLAGS } from '../../src/node-flags.mjs';
import { freePort } from '../node/free-addresses.ts';
import { createAuthority } from '../probe/certificates.ts';
import { MAIN, type Server, SIGNED_ZONES, whenReady } from './dns-servers.ts';
import { query, STATIC_HOSTS, TTL_SECONDS, ZONE } from './dns-workload.ts';
import type { Scratch } from './scratch.ts';
import { DOH_PATH, type Transport } from './stream-asking.ts';

export type StreamServer = Server & {
  /** Those that it serves; TCP has the port of UDP. */
  readonly ports: ReadonlyMap<Transport, number>;
};

export type StreamPeer = {
  readonly name: string;
  start(scratch: Scratch, options: StreamPeerOptions): Promise<StreamServer>;
};

export type StreamPeerOptions = {
  readonly core: number;
  /** The zone's file, signed. */
  readonly zone: string;
  /** PEM files that all of them show. */
  readonly certificate: string;
  readonly key: string;
};

export const STREAM_PEERS: readonly StreamPeer[] = [
  { name: 'Knot', start: startKnot },
  { name: 'NSD', start: startNsd },
  { name: 'BIND', start: startBind },
  { name: 'Meridian', start: startMeridian },
];

/** Signed queries of a second, over a stream, that nobody here reaches: the limit itself is at work. */
const QUERIES_PER_SECOND = 1_000_000;
/** More than the connections of a load generator. */
const CONNECTIONS = 200;

const probe = query('h0', [], true);

/** A zone that is signed with one key, ECDSA P-256, by BIND's tools; returns the path of its file. */
export async function signZone(scratch: Scratch): Promise<string> {
  const hosts = STATIC_HOSTS.map(([host, address]) => `${host} A ${address}`);
  const text = `$ORIGIN ${ZONE}.
$TTL ${TTL_SECONDS}
@ 60 SOA ns1 hostmaster 1 3600 600 1209600 60
@ NS ns1
ns1 A 192.0.2.53
${hosts.join('\n')}
`;
  const file = scratch.write('signing/zone', text);
  const folder = scratch.directory('signing');
  await finished(
    scratch,
    'dnssec-keygen',
    ...['-q', '-K', folder, '-a', 'ECDSAP256SHA256', '-f', 'KSK', ZONE],
  );
  await finished(
    scratch,
    'dnssec-signzone',
    ...['-q', '-z', '-S', '-K', folder, '-d', folder, '-o', ZONE, '-f', `${file}.signed`, file],
  );
  return `${file}.signed`;
}

/** Paths of a certificate and its key, ECDSA P-256. */
export function makeCertificate(scratch: Scratch) {
  const { cert, key } = createAuthority().issue([`ns1.${ZONE}`]);
  return {
    certificate: scratch.write('tls/cert.pem', cert),
    key: scratch.write('tls/key.pem', key),
  };
}

async function finished(scratch: Scratch, command: string, ...words: string[]): Promise<void> {
  const child = scratch.start(command, words);
  if ((await child.ended) !== 0) throw new Error(`${command}: ${child.output()}`);
}

/** Waits for UDP; who serves UDP serves the others. */
async function ready(
  name: string,
  scratch: Scratch,
  core: number,
  words: readonly string[],
  ports: ReadonlyMap<Transport, number>,
): Promise<StreamServer> {
  const child = scratch.start('taskset', ['-c', String(core), ...words]);
  return { ...(await whenReady(name, ports.get('udp')!, child, { probe })), ports };
}

async function portsFor(...more: readonly Transport[]): Promise<ReadonlyMap<Transport, number>> {
  const port = await freePort();
  const ports = new Map<Transport, number>([
    ['udp', port],
    ['tcp', port],
  ]);
  for (const transport of more) ports.set(transport, await freePort());
  return ports;
}

async function startKnot(
  scratch: Scratch,
  { core, zone }: StreamPeerOptions,
): Promise<StreamServer> {
  const ports = await portsFor();
  const config = scratch.write(
    'knot/knot.conf',
    `server:
  rundir: ${scratch.directory('knot/run')}
  listen: 127.0.0.1@${ports.get('udp')}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  tcp-max-clients: ${CONNECTIONS}
database:
  storage: ${scratch.directory('knot/db')}
zone:
  - domain: ${ZONE}
    file: ${zone}
`,
  );
  return ready('Knot', scratch, core, ['knotd', '-c', config], ports);
}

async function startNsd(
  scratch: Scratch,
  { certificate, core, key, zone }: StreamPeerOptions,
): Promise<StreamServer> {
  const ports = await portsFor('tls');
  const folder = scratch.directory('nsd');
  const config = scratch.write(
    'nsd/nsd.conf',
    `server:
  ip-address: 127.0.0.1@${ports.get('udp')}
  ip-address: 127.0.0.1@${ports.get('tls')}
  tls-port: ${ports.get('tls')}
  tls-service-key: "${key}"
  tls-service-pem: "${certificate}"
  tcp-count: ${CONNECTIONS}
  minimal-responses: yes
  server-count: 1
  username: ""
  database: ""
  pidfile: ""
  zonesdir: "${folder}"
  zonelistfile: "${folder}/zone.list"
  xfrdfile: ""
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: ${ZONE}
  zonefile: ${zone}
`,
  );
  return ready('NSD', scratch, core, ['nsd', '-d', '-c', config], ports);
}

async function startBind(
  scratch: Scratch,
  { certificate, core, key, zone }: StreamPeerOptions,
): Promise<StreamServer> {
  const ports = await portsFor('tls', 'https');
  const config = scratch.write(
    'bind/named.conf',
    `tls bench { key-file "${key}"; cert-file "${certificate}"; };
http bench { endpoints { "${DOH_PATH}"; }; };
options {
  directory "${scratch.directory('bind')}";
  listen-on port ${ports.get('udp')} { 127.0.0.1; };
  listen-on port ${ports.get('tls')} tls bench { 127.0.0.1; };
  listen-on port ${ports.get('https')} tls bench http bench { 127.0.0.1; };
  listen-on-v6 { none; };
  tcp-clients ${CONNECTIONS};
  recursion no;
  minimal-responses yes;
  pid-file none;
  session-keyfile none;
};
controls { };
zone "${ZONE}" { type primary; file "${zone}"; };
`,
  );
  const words = ['named', '-g', '-n', '1', '-U', '1', '-c', config];
  return ready('BIND', scratch, core, words, ports);
}

async function startMeridian(
  scratch: Scratch,
  { certificate, core, key }: StreamPeerOptions,
): Promise<StreamServer> {
  const ports = await portsFor('tls', 'https');
  const at = (transport: Transport) => ({ address: '127.0.0.1', port: ports.get(transport) });
  const config = {
    node: {
      name: 'bench',
      roles: ['nameserver'],
      workers: { dns: 1 },
      stateDirectory: scratch.directory('state'),
    },
    dns: {
      listeners: [
        at('udp'),
        { ...at('tls'), protocol: 'tls' },
        { ...at('https'), protocol: 'https', path: DOH_PATH },
      ],
      certificate: { file: certificate, keyFile: key },
      tcp: { queriesPerSecond: QUERIES_PER_SECOND },
    },
    zones: SIGNED_ZONES,
    log: { level: 'warn' },
  };
  const file = scratch.write('streams.yaml', JSON.stringify(config, undefined, 2));
  const words = [process.execPath, ...NODE_FLAGS, MAIN];
  return ready('Meridian', scratch, core, [...words, 'run', '--config', file], ports);
}
