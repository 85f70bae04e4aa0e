import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS } from '../../../src/node-flags.mjs';
import type { Outcome } from '../../lab/processes.ts';
import { until } from '../../node/until.ts';
import { REGIONS, type Region } from '../world-node.ts';
import type { Island } from './island.ts';
import { CHILD_LABEL, SIGNED_NAME } from './parents.ts';
import { CHILD, CLIENTS, MERIDIAN, RESOLVER_NETWORKS } from './places.ts';

/** The program under test as a process on the island: a nameserver with every kind of name. */
export type Meridian = {
  /** Queries so far, over one transport. */
  queries(transport: 'udp' | 'tcp'): Promise<number>;
  /** Data of the DS records of a zone's keys that others are to trust, as its own DNSKEY records have them. */
  ds(zone: string): Promise<readonly string[]>;
  /** The command line, on the island. */
  command(...words: readonly string[]): Promise<Outcome>;
  /** What it has written, for when something is wrong. */
  said(): string;
};

export const ZONE = 'gslb.test.';
/** With the same names, and other keys and proofs. */
export const CHAIN_ZONE = 'chain.test.';
/** On the same nodes, and never signed. */
export const PLAIN_ZONE = 'plain.test.';
export const LONG_TEXTS = Array.from({ length: 40 }, (_, index) => `${index} ${'x'.repeat(200)}`);
/** Where resolvers are that ask over this family, so that the answer tells which they used. */
export const REGION_BY_FAMILY = { 4: 'virginia', 6: 'singapore' } as const;

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
/** That of the program's own launcher. */
const COMPILE_CACHE = fileURLToPath(
  new URL('../../../node_modules/.cache/meridian', import.meta.url),
);
const METRICS = 'http://127.0.0.1:8053/metrics';
const DEADLINE_MS = 60_000;

export async function startMeridian(island: Island): Promise<Meridian> {
  const directory = join(island.directory, 'meridian');
  mkdirSync(directory);
  const file = join(directory, 'meridian.yaml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configuration(directory), undefined, 2));
  const words = [process.execPath, ...NODE_FLAGS, MAIN, 'run'];
  const program = island.start([...words, '--config', file], {
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  });
  const metrics = async (): Promise<string> =>
    (await island.run(['curl', '--silent', '--fail', '--max-time', '5', METRICS])).stdout;
  const answers = async (): Promise<boolean> => {
    const words = ['dig', '+short', '+tries=1', '+time=1', `@${MERIDIAN[0][4]}`, ZONE, 'SOA'];
    return (await metrics()) !== '' && (await island.run(words)).stdout.startsWith('ns1.');
  };
  await until(answers, DEADLINE_MS, () => `Meridian answers: ${program.said()}`);
  return {
    said: program.said,
    command: (...more) => island.run([...words.slice(0, -1), ...more]),
    async ds(zone) {
      const keys = await island.run([
        'dig',
        '+tcp',
        '+noall',
        '+answer',
        `@${MERIDIAN[0][4]}`,
        zone,
        'DNSKEY',
      ]);
      const file = join(directory, `${zone}keys`);
      writeFileSync(file, keys.stdout);
      const { stdout } = await island.run(['dnssec-dsfromkey', '-2', '-f', file, zone]);
      return stdout.split('\n').flatMap((line) => line.split(' DS ')[1] ?? []);
    },
    async queries(transport) {
      const line = new RegExp(`^meridian_dns_queries_total\\{[^}]*"${transport}"[^}]*\\} (\\d+)`);
      const lines = (await metrics()).split('\n');
      return lines.reduce((sum, text) => sum + Number(line.exec(text)?.[1] ?? 0), 0);
    },
  };
}

const NEAR = { virginia: 'US-VA', frankfurt: 'DE', singapore: 'SG' } as const;

function configuration(directory: string): unknown {
  const placed: { readonly network: string; readonly region: Region }[] = [
    { network: RESOLVER_NETWORKS[4], region: REGION_BY_FAMILY[4] },
    { network: RESOLVER_NETWORKS[6], region: REGION_BY_FAMILY[6] },
    ...CLIENTS,
  ];
  return {
    node: {
      name: 'island',
      roles: ['nameserver', 'admin'],
      workers: { dns: 1 },
      stateDirectory: join(directory, 'state'),
    },
    regions: REGIONS,
    geo: {
      overrides: placed.map(({ network, region }) => ({
        networks: [network],
        location: NEAR[region],
      })),
    },
    pools: { web: { endpoints: Object.keys(REGIONS) } },
    zones: {
      [ZONE]: { ...zone(ZONE), dnssec: true },
      [CHAIN_ZONE]: { ...zone(CHAIN_ZONE), dnssec: { keys: 'ksk-zsk', denial: 'nsec' } },
      [PLAIN_ZONE]: plainZone(),
    },
    dns: {
      listeners: MERIDIAN.flatMap((each) => [
        { address: each[4], port: 53 },
        { address: each[6], port: 53 },
      ]),
    },
  };
}

const nameservers = () => ({
  ns1: { A: MERIDIAN[0][4], AAAA: MERIDIAN[0][6] },
  ns2: { A: MERIDIAN[1][4], AAAA: MERIDIAN[1][6] },
});

function zone(name: string) {
  const child = CHILD_LABEL;
  return {
    ttl: 300,
    nameservers: ['ns1', 'ns2'],
    soa: { rname: 'hostmaster', serial: 7, minimum: 60 },
    steered: {
      www: { pool: 'web', ttl: { min: 30, max: 60 } },
      '*.wild-steered': { pool: 'web', ttl: { min: 30, max: 60 } },
    },
    records: {
      ...nameservers(),
      '@': { MX: ['10 mail', '20 mail.elsewhere.test.'], TXT: 'v=spf1 mx -all' },
      caa: { CAA: '0 issue "ca.example"' },
      mail: { A: '192.0.2.25', AAAA: '2001:db8::25' },
      several: { A: ['192.0.2.80', '192.0.2.81', '192.0.2.82'] },
      '_sip._tcp': { SRV: '10 60 5060 mail' },
      service: { HTTPS: '1 . alpn=h2,h3 ipv4hint=192.0.2.80' },
      '*.wild': { A: '192.0.2.9', TXT: 'any name below wild' },
      'below.ent': { A: '192.0.2.10' },
      alias: { CNAME: 'www' },
      'static-alias': { CNAME: 'mail' },
      '*.wild-alias': { CNAME: 'mail' },
      outside: { CNAME: SIGNED_NAME },
      neighbour: { CNAME: `www.${PLAIN_ZONE}` },
      dangling: { CNAME: 'nothing' },
      old: { DNAME: 'new' },
      'host.new': { A: '192.0.2.11' },
      moved: { DNAME: PLAIN_ZONE },
      [child]: { NS: `ns.${child}.${name}` },
      [`ns.${child}`]: { A: CHILD[4], AAAA: CHILD[6] },
      big: { TXT: LONG_TEXTS },
    },
  };
}

function plainZone() {
  return {
    nameservers: ['ns1', 'ns2'],
    soa: { rname: 'hostmaster', minimum: 60 },
    records: { ...nameservers(), www: { A: '192.0.2.40' } },
  };
}
